package web

import (
	"net/http"
	"time"

	"github.com/waypost-directory/waypost/node/steward"
	"github.com/waypost-directory/waypost/protocol"
)

// maxForm bounds the body of a posted form.
const maxForm = 64 << 10

// cookieName is the session's cookie. Browsers keep a __Host- cookie to this
// very host, sent over https only.
func (w *Web) cookieName() string {
	if w.secure {
		return "__Host-waypost"
	}
	return "waypost"
}

func (w *Web) cookie(secret string, expires time.Time) *http.Cookie {
	c := &http.Cookie{Name: w.cookieName(), Value: secret, Path: "/", Expires: expires, HttpOnly: true, Secure: w.secure,
		SameSite: http.SameSiteLaxMode}
	if secret == "" {
		c.MaxAge = -1
	}
	return c
}

// signInView is the page that a one-time link leads to.
type signInView struct {
	Code  string
	Usual bool   // nobody brought a code
	Gone  string // why the code cannot be used
}

// serveSignIn shows a button. The link alone must not use the code up: chat
// programs and mail filters open every link to preview it.
func (w *Web) serveSignIn(rw http.ResponseWriter, r *http.Request) error {
	rw.Header().Set("Cache-Control", "no-store")
	v := signInView{Code: r.URL.Query().Get("code")}
	status := http.StatusOK
	if v.Code == "" {
		v.Usual = true
	} else if err := w.cfg.Steward.CheckLink(r.Context(), v.Code); err != nil {
		if protocol.KindOf(err) != protocol.Gone {
			return err
		}
		v.Gone, status = wordsOf(err), http.StatusGone
	}
	return w.render(rw, r, "signin", page{Title: "Sign in", NoIndex: true, Status: status, Body: v})
}

func (w *Web) signIn(rw http.ResponseWriter, r *http.Request) error {
	rw.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(rw, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return protocol.Errorf("sign in", protocol.Invalid, "", "the form could not be read; open the link again")
	}
	secret, session, err := w.cfg.Steward.SignIn(r.Context(), r.PostForm.Get("code"))
	if protocol.KindOf(err) == protocol.Gone {
		return w.render(rw, r, "signin", page{Title: "Sign in", NoIndex: true, Status: http.StatusGone, Body: signInView{Gone: wordsOf(err)}})
	}
	if err != nil {
		return err
	}
	http.SetCookie(rw, w.cookie(secret, session.Expires))
	http.Redirect(rw, r, "/node", http.StatusSeeOther)
	return nil
}

func (w *Web) signOut(rw http.ResponseWriter, r *http.Request) error {
	if c, err := r.Cookie(w.cookieName()); err == nil {
		if err := w.cfg.Steward.SignOut(r.Context(), c.Value); err != nil {
			return err
		}
	}
	http.SetCookie(rw, w.cookie("", time.Unix(0, 0)))
	http.Redirect(rw, r, "/", http.StatusSeeOther)
	return nil
}

// session returns who is signed in; the error is of kind Unverified when
// nobody is.
func (w *Web) session(r *http.Request) (steward.Session, error) {
	c, err := r.Cookie(w.cookieName())
	if err != nil {
		return steward.Session{}, protocol.Errorf("check session", protocol.Unverified, "", "you are not signed in")
	}
	return w.cfg.Steward.Session(r.Context(), c.Value)
}
