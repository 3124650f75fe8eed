package federation

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/transport"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// signatureMemory is how long a request's signature is remembered: longer than
// any that is still accepted.
const signatureMemory = 2 * time.Hour

// greetBudget lets a greeting fetch nothing: whom we deliver to, we know.
const greetBudget = 0

// serveInbox takes one activity, for an actor's inbox and the shared one alike:
// bounded, parsed, its signature verified, then through the door. 202 means
// that it is on disk.
func (f *Federation) serveInbox(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(w, r)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	res, err := f.receive(r, body)
	if err != nil {
		if errors.As(err, &busy{}) {
			w.Header().Set("Retry-After", "30")
		}
		f.fail(w, r, err)
		return
	}
	f.log.Debug("received", "outcome", res.Outcome, "seq", res.Seq)
	w.WriteHeader(http.StatusAccepted)
}

// receive works on one activity, from the moment that its key is looked up in a
// slot.
func (f *Federation) receive(r *http.Request, body []byte) (directory.Result, error) {
	a, err := vocab.ParseActivity(body)
	if err != nil {
		return directory.Result{}, err
	}
	ctx := transport.WithBudget(r.Context(), fetchBudget)
	if f.farewell(ctx, a) {
		return directory.Result{Outcome: directory.Ignored}, nil
	}
	release := func() {}
	defer func() { release() }()
	verified, signer, err := f.actors.verify(r.WithContext(ctx), body, f.base, func(keyID string) error {
		give, ok := f.slots.take(f.actors.knows(ctx, keyID), hostOf(keyID))
		if !ok {
			return &protocol.Error{Op: "inbox", Kind: protocol.Unavailable, Err: busy{}}
		}
		release = give
		return nil
	})
	if err != nil {
		return directory.Result{}, unverified(a.ID, err)
	}
	from := hostOf(signer)
	f.heard(ctx, from)
	if a.Type == "Follow" && f.dir.IsOwnActor(a.Object.ID) {
		f.remember(ctx, signer) // before the answer is planned, which goes to its inbox
	}
	res, err := f.dir.Accept(ctx, directory.Incoming{
		Activity: a, Via: store.ViaInbox, Signer: signer, From: from,
		Signature: verified.SignatureHash, SignatureExpires: f.now().Add(signatureMemory),
	})
	if err == nil && res.Outcome == directory.Stored {
		f.remember(ctx, signer)
	}
	return res, err
}

// remember keeps the document of a sender whom we have something to do with. A
// failure costs a fetch later and nothing else.
func (f *Federation) remember(ctx context.Context, signer string) {
	if err := f.actors.Keep(ctx, signer); err != nil {
		f.log.Warn("cannot keep a sender's document", "actor", signer, "error", err)
	}
}

// greet notes that whoever signed a request for something public is alive. A
// peer that reads and has nothing to say would otherwise never be heard, and
// deliveries to it stay given up. A failure means nothing: the answer is public.
func (f *Federation) greet(r *http.Request) {
	if r.Header.Get("Signature") == "" {
		return
	}
	ctx := transport.WithBudget(r.Context(), greetBudget)
	if _, signer, err := f.actors.verify(r.WithContext(ctx), nil, f.base, func(string) error { return nil }); err == nil {
		f.heard(ctx, hostOf(signer))
	}
}

// unverified turns a failure to find a key into the 401 that it means for the
// sender, except when waiting may help.
func unverified(id string, err error) error {
	switch protocol.KindOf(err) {
	case protocol.Unverified, protocol.Unavailable:
		return err
	}
	return &protocol.Error{Op: "check signature", Kind: protocol.Unverified, ID: id, Err: err}
}

// farewell recognises the Delete of an actor that we never knew. Mastodon sends
// them to everyone, and the key to check them with is gone already.
func (f *Federation) farewell(ctx context.Context, a protocol.Activity) bool {
	if a.Type != "Delete" || a.Object.ID != a.Actor {
		return false
	}
	_, err := f.actors.Cached(ctx, a.Actor)
	return errors.Is(err, store.ErrNotFound)
}

// readBody reads at most what an activity may be, in the time that it may take,
// and refuses other types.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	const op = "inbox"
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/activity+json" && kind != "application/ld+json" && kind != "application/json" {
		return nil, protocol.Errorf(op, protocol.Invalid, "", "send application/activity+json")
	}
	if r.ContentLength > vocab.MaxActivityBytes {
		return nil, tooLarge()
	}
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(bodyTime)) // not a connection: nothing to wait for
	body, err := io.ReadAll(io.LimitReader(r.Body, vocab.MaxActivityBytes+1))
	if err != nil {
		return nil, protocol.Errorf(op, protocol.Invalid, "", "the request broke off or took too long")
	}
	if len(body) > vocab.MaxActivityBytes {
		return nil, tooLarge()
	}
	_ = conn.SetReadDeadline(time.Time{}) // or it would break off the answer
	return body, nil
}

func tooLarge() error {
	return protocol.Errorf("inbox", protocol.TooLarge, "", "an activity has at most %d bytes", vocab.MaxActivityBytes)
}

func hostOf(iri string) string {
	u, err := url.Parse(iri)
	if err != nil {
		return ""
	}
	return u.Host
}

// fail answers with the status of an error's kind. A bad signature is 401 and
// nothing else, or servers never try their second way of signing.
func (f *Federation) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := Status(err)
	if status >= 500 {
		f.log.Error("request failed", "path", r.URL.Path, "error", err)
	} else {
		f.log.Info("refused", "path", r.URL.Path, "status", status, "error", err)
	}
	http.Error(w, words(err), status)
}

const internalWords = "internal error; the operator finds the cause in the log"

// words is what a stranger is told of an error: what is wrong with their own
// document or signature, and nothing of our insides or of what our network
// finds at other hosts.
func words(err error) string {
	var key keyError
	var fetch *transport.Failure
	switch {
	case errors.As(err, &busy{}):
		return busy{}.Error()
	case errors.As(err, &key):
		return "the key could not be fetched"
	case errors.As(err, &fetch):
		return "what this refers to could not be fetched"
	case Status(err) >= 500:
		return internalWords
	}
	return err.Error()
}

// Status is the HTTP status for an error. It is the one place that decides.
func Status(err error) int {
	switch protocol.KindOf(err) {
	case protocol.Invalid:
		return http.StatusBadRequest
	case protocol.TooLarge:
		return http.StatusRequestEntityTooLarge
	case protocol.Unverified:
		return http.StatusUnauthorized
	case protocol.Forbidden:
		return http.StatusForbidden
	case protocol.NotFound:
		return http.StatusNotFound
	case protocol.Gone:
		return http.StatusGone
	case protocol.Conflict:
		return http.StatusConflict
	case protocol.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
