package web

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/protocol"
)

// listingView is a listing's page: everything that a person needs to go
// there, ring up or join in, and to judge whether to believe it.
type listingView struct {
	Listing  protocol.Listing
	Banner   banner
	Facts    []fact        // what decides whether to go
	Details  []fact        // what else there is to know
	Body     template.HTML // the description, cleaned by vocab.Renderer
	Links    []protocol.Link
	Picture  picture
	When     string
	Zone     string
	Start    time.Time
	End      time.Time
	Repeats  string
	Later    string // of a recurring listing: the dates after the next
	Where    string
	Map      string // address of a map on another site; may be empty
	Phone    string
	Tel      template.URL // "tel:" and digits
	Book     string
	BookHow  string
	BookHost string
	HowTo    string // heading of the booking
	Online   string
	Join     string // words for the online link
	Place    protocol.Place
	Tags     []choice
	Origin   string // its page where it was published; empty for our own
	Node     string
	From     string // host that it came from
	Updated  time.Time
	Received time.Time
	Fresh    string // "confirmed 3 days ago"
	publisher
}

// publisher is the community behind a listing.
type publisher struct {
	Community    string
	CommunityURL string
	Address      string // @handle@host
}

// banner is what must be seen before all else.
type banner struct{ Heading, Words string }

// fact is one row of the summary: a name, and words or links.
type fact struct {
	Name  string
	Words string
	Items []string
}

type picture struct{ URL, Alt, Host string }

// serveListing shows a public listing, our own or learned, and says so when it
// is gone.
func (w *Web) serveListing(rw http.ResponseWriter, r *http.Request) error {
	vary(rw)
	uid, cid := mux.Vars(r)["uid"], r.URL.Query().Get("cid")
	if cid != "" && !protocol.ValidCID(cid) {
		return protocol.Errorf("read listing", protocol.NotFound, uid, "there is no such listing")
	}
	rec, err := w.cfg.Directory.Find(r.Context(), uid, cid)
	if err == nil && !rec.State.Deleted {
		err = w.mayShow(rec)
	}
	as := negotiate(r, asPage, asActivity, asJSON)
	switch {
	case err == nil && !rec.State.Deleted:
	case err == nil && !rec.State.Public:
		return protocol.Errorf("read listing", protocol.NotFound, uid, "there is no such listing")
	case err == nil || protocol.KindOf(err) == protocol.Gone:
		return w.listingGone(rw, r, rec.State, as)
	default:
		return err
	}
	c, _ := w.cfg.Directory.Community(rec.State.CID)
	switch {
	case as == asActivity && c.Hosted:
		http.Redirect(rw, r, rec.State.Object, http.StatusSeeOther)
		return nil
	case as == asJSON:
		openToAll(rw)
		return sendJSON(rw, http.StatusOK, rec.Listing)
	}
	return w.listingPage(rw, r, rec, c)
}

// mayShow keeps from the public what is not theirs, and what has run out: the
// consent of a volunteer ends by itself.
func (w *Web) mayShow(rec directory.Record) error {
	if !rec.State.Public || !rec.Listing.Public() {
		return protocol.Errorf("read listing", protocol.NotFound, rec.State.UID, "there is no such listing")
	}
	if end := rec.Listing.Expires(); !end.IsZero() && !w.cfg.Now().Before(end) {
		return protocol.Errorf("read listing", protocol.Gone, rec.State.UID, "this listing has run out")
	}
	return nil
}

// goneView says what became of a listing, as far as that may be said.
type goneView struct {
	Kind      string
	Community string
	URL       string
	Form      form
}

func (w *Web) listingGone(rw http.ResponseWriter, r *http.Request, s directory.State, as string) error {
	if as != asPage {
		writeProblem(rw, problemOf(protocol.Errorf("read listing", protocol.Gone, s.UID, "this listing was removed or has run out")))
		return nil
	}
	v := goneView{Form: w.emptyForm(), Kind: "listing"}
	if s.Kind != "" && s.Kind != protocol.KindVolunteer {
		v.Kind = strings.ToLower(protocol.Label(protocol.Kinds(), string(s.Kind)))
	}
	if c, ok := w.cfg.Directory.Community(s.CID); ok {
		v.Community, v.URL = c.Name, communityPath(c)
	}
	return w.render(rw, r, "gone", page{Title: "This listing has gone", NoIndex: true, Status: http.StatusGone, Body: v})
}

func (w *Web) listingPage(rw http.ResponseWriter, r *http.Request, rec directory.Record, c protocol.Community) error {
	v := w.listingViewOf(rec, c)
	l := &rec.Listing
	p := page{Title: l.Title, Body: v, OGType: "article", NoIndex: !c.Hosted, JSON: r.URL.RequestURI(),
		Description: clip(firstOf(l.Summary, v.When+" "+v.Where, l.Title), 200)}
	if c.Hosted {
		p.Canonical = w.cfg.Base + "/listings/" + l.UID
		p.Activity = rec.State.Object
	}
	if l.Kind == protocol.KindEvent {
		p.LD = eventLD(l, c, firstOf(p.Canonical, rec.State.URL))
	}
	return w.render(rw, r, "listing", p)
}

func (w *Web) listingViewOf(rec directory.Record, c protocol.Community) listingView {
	l := rec.Listing
	v := listingView{
		Listing: l, Facts: factsOf(&l), Details: detailsOf(&l, c), Body: template.HTML(w.renderer.HTML(l.Description)), // #nosec: cleaned
		Links: safeLinks(l.Links), Zone: zoneWords(l.Timezone), Repeats: repeats(&l), HowTo: howTo(l.Kind), Node: hostOf(rec.State.Object), Updated: rec.State.Updated,
		Received: rec.State.Received, From: rec.State.From, Fresh: w.confirmed(rec.State.Updated),
		Picture: w.pictureOf(&l), Tags: tagsOf(&l),
	}
	v.Banner = w.when(&v, &l)
	v.place(&l)
	v.contact(&l)
	v.publisher = publisher{Community: firstOf(c.Name, v.Node), CommunityURL: w.communityURL(c.CID)}
	if l.Kind == protocol.KindVolunteer && v.BookHow+v.Book == "" {
		v.BookHow = "Ask " + v.Community + ". They put people in touch; volunteers are not contacted directly."
	}
	if c.Handle != "" {
		v.Address = address(c)
	}
	if !c.Hosted && protocol.Origin(rec.State.URL) == protocol.Origin(rec.State.Object) {
		v.Origin = rec.State.URL
	}
	return v
}

// place says where it is. What happens at people's homes has no place, and
// what little the listing says of one is not shown.
func (v *listingView) place(l *protocol.Listing) {
	if slices.Contains(l.Modes, "home-visit") && len(l.Modes) == 1 {
		v.Where = "At your home"
		return
	}
	v.Where = l.Place.Line()
	if l.Place != nil {
		v.Place = *l.Place
	}
	if lat, lon, ok := l.Place.Point(); ok && l.Kind != protocol.KindVolunteer {
		at := "mlat=" + decimal(lat) + "&mlon=" + decimal(lon) + "#map=17/" + decimal(lat) + "/" + decimal(lon)
		v.Map = "https://www.openstreetmap.org/?" + at
	}
}

func (v *listingView) contact(l *protocol.Listing) {
	if l.Booking != nil {
		v.BookHow, v.Phone, v.Book = l.Booking.How, l.Booking.Phone, webAddress(l.Booking.URL)
		v.BookHost = hostOf(v.Book)
		v.Tel = template.URL("tel:" + strings.Map(dialled, l.Booking.Phone)) // digits and + only
	}
	if l.Online != nil {
		v.Online = webAddress(l.Online.URL)
		v.Join = firstOf(l.Online.Name, hostOf(v.Online))
	}
}

// dialled keeps what a telephone dials.
func dialled(r rune) rune {
	if r >= '0' && r <= '9' || r == '+' {
		return r
	}
	return -1
}

// pictureOf shows our own pictures and leads to those of others: to load them
// would tell another host who reads what here.
func (w *Web) pictureOf(l *protocol.Listing) picture {
	if l.Image == nil || webAddress(l.Image.URL) == "" {
		return picture{}
	}
	p := picture{URL: l.Image.URL, Alt: l.Image.Alt}
	if protocol.Origin(l.Image.URL) != protocol.Origin(w.cfg.Base) {
		p.Host = hostOf(l.Image.URL)
	}
	return p
}

func safeLinks(links []protocol.Link) []protocol.Link {
	var safe []protocol.Link
	for _, k := range links {
		if webAddress(k.URL) == "" {
			continue
		}
		k.Title = firstOf(k.Title, k.URL)
		safe = append(safe, k)
	}
	return safe
}

// webAddress returns s if it is an http or https address, else nothing.
func webAddress(s string) string {
	if protocol.Origin(s) == "" {
		return ""
	}
	return s
}

func hostOf(iri string) string {
	u, err := url.Parse(iri)
	if err != nil {
		return ""
	}
	return u.Host
}

func firstOf(list ...string) string {
	for _, s := range list {
		if strings.TrimSpace(s) != "" {
			return s
		}
	}
	return ""
}
