package web

import (
	"bytes"
	"encoding/json"
	"html/template"
	"net/http"
	"strconv"
)

// page is what every template gets; Body is the view of the one shown.
type page struct {
	Title       string
	Description string // for search engines and previews
	Canonical   string // the page's own address
	Activity    string // the same thing as ActivityStreams; may be empty
	JSON        string // the same thing as JSON; may be empty
	OGType      string // "website" when empty
	LD          any    // schema.org JSON-LD; may be nil
	NoIndex     bool
	Search      string // what stands in the search box at the head of the page
	Nav         string // the entry of the menu that is current
	Status      int    // 200 when 0
	Body        any

	Site     site
	SignedIn bool
}

// site is what the frame around every page says of the node.
type site struct {
	Name    string // the community's, or the host when it hosts several
	Host    string
	Base    string
	Version string
	Source  string
}

func (w *Web) site() site {
	s := site{Name: w.host, Host: w.host, Base: w.cfg.Base, Version: w.cfg.Version, Source: w.cfg.Source}
	if hosted := w.cfg.Directory.Hosted(); len(hosted) == 1 {
		s.Name = hosted[0].Name
	}
	return s
}

// readPages parses every page together with the frame and the shared parts.
func (w *Web) readPages() (map[string]*template.Template, error) {
	frame, err := template.New("frame.html").Funcs(w.templateFuncs()).
		ParseFS(files, "templates/frame.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, name := range []string{"home", "search", "listing", "gone", "community", "about", "error", "signin", "node"} {
		t, err := frame.Clone()
		if err != nil {
			return nil, err
		}
		if pages[name], err = t.ParseFS(files, "templates/"+name+".html"); err != nil {
			return nil, err
		}
	}
	return pages, nil
}

// render writes a page. It is built in memory first, so that a mistake in a
// template cannot leave half a page.
func (w *Web) render(rw http.ResponseWriter, r *http.Request, name string, p page) error {
	p.Site = w.site()
	_, err := r.Cookie(w.cookieName())
	p.SignedIn = err == nil
	if p.OGType == "" {
		p.OGType = "website"
	}
	if p.Status == 0 {
		p.Status = http.StatusOK
	}
	var b bytes.Buffer
	if err := w.pages[name].Execute(&b, p); err != nil {
		return err
	}
	h := rw.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	switch {
	case h.Get("Cache-Control") != "":
	case p.SignedIn:
		h.Set("Cache-Control", "private, no-store")
	default:
		h.Set("Cache-Control", "no-cache")
	}
	rw.WriteHeader(p.Status)
	_, _ = rw.Write(b.Bytes())
	return nil
}

// sendJSON writes a document that anyone may read from any web page.
func sendJSON(rw http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := rw.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache")
	}
	rw.WriteHeader(status)
	_, _ = rw.Write(append(body, '\n'))
	return nil
}

// openToAll lets scripts of other sites read a public answer.
func openToAll(rw http.ResponseWriter) { rw.Header().Set("Access-Control-Allow-Origin", "*") }
