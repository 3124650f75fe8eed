package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/waypost-directory/waypost/node/federation"
	"github.com/waypost-directory/waypost/protocol"
)

// errMethod is an address that exists, asked in a way that it does not answer.
var errMethod = errors.New("this address does not answer that method")

// Problem is an error as RFC 9457 writes it. Type is about:blank: the status
// says all that there is to know of the sort of error, Detail and Errors what
// to do.
type Problem struct {
	Type   string                `json:"type"`
	Title  string                `json:"title"`
	Status int                   `json:"status"`
	Detail string                `json:"detail,omitempty"`
	Errors []protocol.FieldError `json:"errors,omitempty"`
}

// problemOf puts an error into words for strangers: what is theirs to mend is
// told, what is ours is not.
func problemOf(err error) Problem {
	status := federation.Status(err)
	if errors.Is(err, errMethod) {
		status = http.StatusMethodNotAllowed
	}
	p := Problem{Type: "about:blank", Title: http.StatusText(status), Status: status}
	switch protocol.KindOf(err) {
	case protocol.Internal:
		p.Detail = "Something went wrong on this node. Try again; if it goes on, tell the people who run it."
	case protocol.Unavailable:
		p.Detail = "This node cannot do that just now. Try again in a minute."
	default:
		p.Detail, p.Errors = wordsOf(err), fieldsOf(err)
	}
	if errors.Is(err, errMethod) {
		p.Detail = "This address does not answer that method; see /api/v1/openapi.json for those that it does."
	}
	return p
}

// wordsOf is an error's cause as a sentence, without the operation that
// protocol.Error puts in front.
func wordsOf(err error) string {
	var e *protocol.Error
	if errors.As(err, &e) && e.Err != nil {
		err = e.Err
	}
	return sentence(err.Error())
}

func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = capital(s)
	if strings.HasSuffix(s, ".") || strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}

func fieldsOf(err error) []protocol.FieldError {
	var fields protocol.FieldErrors
	if errors.As(err, &fields) {
		return fields
	}
	return nil
}

// fail answers an error: as a page to people, as a problem to programs.
func (w *Web) fail(rw http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		w.cfg.Logger.Error("a request failed", "method", r.Method, "path", r.URL.Path, "status", p.Status, "error", err)
	}
	if strings.HasPrefix(r.URL.Path, "/api/") || negotiate(r, asPage, asJSON, "application/problem+json", asActivity) != asPage {
		writeProblem(rw, p)
		return
	}
	w.errorPage(rw, r, p, errorView{})
}

func writeProblem(rw http.ResponseWriter, p Problem) {
	body, err := json.Marshal(p)
	if err != nil {
		body = []byte(`{"type":"about:blank","title":"Internal Server Error","status":500}`)
	}
	h := rw.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Del("ETag")
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="waypost"`)
	}
	if p.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "60")
	}
	rw.WriteHeader(p.Status)
	_, _ = rw.Write(append(body, '\n'))
}

// errorView is what an error page says.
type errorView struct {
	Heading string
	Words   string // what happened
	Next    string // what to do
	Link    string // where to go on; may be empty
	LinkTo  string // its words
}

func (w *Web) errorPage(rw http.ResponseWriter, r *http.Request, p Problem, v errorView) {
	words := headings(p.Status)
	if v.Heading == "" {
		v.Heading = words.Heading
	}
	if v.Words == "" {
		v.Words = words.Words
		if v.Words == "" {
			v.Words = p.Detail
		}
	}
	if v.Next == "" {
		v.Next = words.Next
	}
	if p.Status == http.StatusServiceUnavailable {
		rw.Header().Set("Retry-After", "60")
	}
	rw.Header().Set("Cache-Control", "no-store")
	pg := page{Title: v.Heading, NoIndex: true, Status: p.Status, Body: v}
	if err := w.render(rw, r, "error", pg); err != nil {
		w.cfg.Logger.Error("an error page could not be shown", "error", err)
		http.Error(rw, v.Heading, p.Status)
	}
}

// headings are the words for the errors that people meet. An empty Words is
// filled with the error's own.
func headings(status int) errorView {
	switch status {
	case http.StatusBadRequest:
		return errorView{Heading: "Something in that request is not right", Next: "Go back and change it, or search again here."}
	case http.StatusUnauthorized:
		return errorView{Heading: "You are not signed in", Next: "Stewards sign in with a link. Ask somebody who runs this node for a new one."}
	case http.StatusForbidden:
		return errorView{Heading: "That is not allowed", Next: "If you think it should be, ask the people who run this node."}
	case http.StatusNotFound:
		return errorView{Heading: "We cannot find that page",
			Words: "The address may be mistyped, or what was here has moved or was never public.",
			Next:  "Search for what you were looking for."}
	case http.StatusMethodNotAllowed:
		return errorView{Heading: "That page cannot be used like that", Next: "Begin again from the first page."}
	case http.StatusGone:
		return errorView{Heading: "This is no longer here", Next: "Search for something like it."}
	case http.StatusServiceUnavailable:
		return errorView{Heading: "We cannot do that just now", Words: "This is our fault, not yours.", Next: "Try again in a minute."}
	}
	return errorView{Heading: "Something went wrong",
		Words: "This is our fault, not yours. We have made a note of it.",
		Next:  "Try again. If it goes on, tell the people who run this node."}
}
