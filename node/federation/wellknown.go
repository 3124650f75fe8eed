package federation

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

type link struct {
	Rel      string `json:"rel"`
	Type     string `json:"type,omitempty"`
	Href     string `json:"href,omitempty"`
	Template string `json:"template,omitempty"`
}

// serveWebFinger answers who acct:handle@host is (RFC 7033). There is exactly
// one link of rel self, with the one media type that Mobilizon accepts.
func (f *Federation) serveWebFinger(w http.ResponseWriter, r *http.Request) {
	actor, handle := f.resolve(r.URL.Query().Get("resource"))
	if actor == "" {
		f.fail(w, r, protocol.Errorf("webfinger", protocol.NotFound, "", "nobody of that name lives here"))
		return
	}
	page := f.base + "/about"
	if c, ok := f.dir.CommunityByActor(actor); ok {
		page = c.URL
	}
	raw, err := json.Marshal(struct {
		Subject string   `json:"subject"`
		Aliases []string `json:"aliases"`
		Links   []link   `json:"links"`
	}{
		Subject: "acct:" + handle + "@" + hostOf(f.base),
		Aliases: []string{page, actor},
		Links: []link{
			{Rel: "self", Type: ActivityType, Href: actor},
			{Rel: "http://webfinger.net/rel/profile-page", Type: "text/html", Href: page},
		},
	})
	f.send(w, r, "application/jrd+json; charset=utf-8", raw, err)
}

// resolve finds the actor that a WebFinger resource names: an acct: address,
// an actor's IRI, its page, or the node's own address (FEP-d556).
func (f *Federation) resolve(resource string) (actor, handle string) {
	app := f.dir.ApplicationIRI()
	if acct, ok := strings.CutPrefix(resource, "acct:"); ok {
		name, host, ok := strings.Cut(strings.TrimPrefix(acct, "@"), "@")
		if !ok || !strings.EqualFold(host, hostOf(f.base)) {
			return "", ""
		}
		resource = vocab.GroupIRI(f.base, strings.ToLower(name))
		if strings.EqualFold(name, "relay") {
			resource = app
		}
	}
	switch strings.TrimSuffix(resource, "/") {
	case app, f.base, f.base + "/about":
		return app, "relay"
	}
	for _, c := range f.dir.Hosted() {
		if resource == c.Actor || resource == c.URL {
			return c.Actor, c.Handle
		}
	}
	return "", ""
}

func (f *Federation) serveHostMeta(w http.ResponseWriter, r *http.Request) {
	xrd := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0"><Link rel="lrdd" template="` + f.base +
		`/.well-known/webfinger?resource={uri}"/></XRD>` + "\n"
	f.send(w, r, "application/xrd+xml; charset=utf-8", []byte(xrd), nil)
}

// serveNodeInfoLinks lists the NodeInfo document first and then the Application
// actor (FEP-2677): Gancio reads the first link as NodeInfo.
func (f *Federation) serveNodeInfoLinks(w http.ResponseWriter, r *http.Request) {
	raw, err := json.Marshal(map[string][]link{"links": {
		{Rel: "http://nodeinfo.diaspora.software/ns/schema/2.1", Href: f.base + "/nodeinfo/2.1"},
		{Rel: "https://www.w3.org/ns/activitystreams#Application", Href: f.dir.ApplicationIRI()},
	}})
	f.send(w, r, "application/json; charset=utf-8", raw, err)
}

// serveNodeInfo says what this server is, in counts only (FEP-0151).
func (f *Federation) serveNodeInfo(w http.ResponseWriter, r *http.Request) {
	posts := 0
	hosted := f.dir.Hosted()
	for _, c := range hosted {
		n, err := f.countPublic(r.Context(), c.CID)
		if err != nil {
			f.fail(w, r, err)
			return
		}
		posts += n
	}
	raw, err := json.Marshal(map[string]any{
		"version":           "2.1",
		"software":          map[string]string{"name": "waypost", "version": f.version},
		"protocols":         []string{"activitypub"},
		"services":          map[string][]string{"inbound": {}, "outbound": {}},
		"openRegistrations": false,
		"usage":             map[string]any{"users": map[string]int{"total": len(hosted)}, "localPosts": posts},
		"metadata":          map[string]any{"nodeName": hostOf(f.base), "federation": map[string]bool{"enabled": true}},
	})
	f.send(w, r, `application/json; profile="http://nodeinfo.diaspora.software/ns/schema/2.1#"; charset=utf-8`, raw, err)
}

// Discovery is the document at /.well-known/waypost: which communities live
// here, so that whoever follows the Application knows what to read back
// (sync: decision 5).
type Discovery struct {
	V           int                   `json:"v"`
	Application string                `json:"application"`
	Communities []DiscoveredCommunity `json:"communities"`
}

// DiscoveredCommunity is one community of a [Discovery].
type DiscoveredCommunity struct {
	CID         string   `json:"cid"`
	Actor       string   `json:"actor"`
	Name        string   `json:"name"`
	Charters    string   `json:"charters"` // URL of its charters
	Directories []string `json:"directories"`
	Hosted      bool     `json:"hosted"`
}

func (f *Federation) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	doc := Discovery{V: 1, Application: f.dir.ApplicationIRI(), Communities: []DiscoveredCommunity{}}
	for _, c := range f.dir.Hosted() {
		doc.Communities = append(doc.Communities, DiscoveredCommunity{
			CID: c.CID, Actor: c.Actor, Name: c.Name, Hosted: true, Directories: []string{"public"},
			Charters: f.base + "/waypost/v1/communities/" + url.PathEscape(c.CID) + "/charters",
		})
	}
	raw, err := json.Marshal(doc)
	f.send(w, r, "application/json; charset=utf-8", raw, err)
}

// Row is one row of a community's feed: the newest edit of a listing. A record
// comes whole as it was signed; a deletion as the signed Delete.
type Row struct {
	Key  string          `json:"key"` // uid
	Seq  uint64          `json:"seq"` // version
	Exp  int64           `json:"exp"` // Unix second after which it must not be shown; 0 for never
	Cls  int             `json:"cls"` // 1 for a person's record
	Del  bool            `json:"del,omitempty"`
	Body json.RawMessage `json:"body"` // the object, or the Delete
}

// Feed is one page of /waypost/v1/communities/{cid}/public/changes.
type Feed struct {
	CID   string `json:"cid"`
	Since uint64 `json:"since"`
	Next  uint64 `json:"next"` // pass as since for what follows
	More  bool   `json:"more"`
	Rows  []Row  `json:"rows"`
}

// maxFeedRows bounds a page of the feed, besides maxPageBytes.
const maxFeedRows = 50

func feedRow(c directory.Change) Row {
	row := Row{Key: c.UID, Seq: c.Version, Body: c.Record.Object}
	if c.Record.State.Deleted {
		row.Del, row.Body = true, c.Record.Delete
		return row
	}
	if l := c.Record.Listing; l.Personal() {
		row.Cls = 1
		if at := l.Expires(); !at.IsZero() {
			row.Exp = at.Unix()
		}
	}
	return row
}
