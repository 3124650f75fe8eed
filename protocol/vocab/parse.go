package vocab

import (
	"bytes"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/waypost-directory/waypost/protocol"
)

// MaxActivityBytes is the largest activity that is read: 256 kB, a quarter of
// what Mastodon takes, many times what a listing needs.
const MaxActivityBytes = 256 << 10

const maxRecipients = 200

// view is the part of an activity or object that Waypost reads, as it was
// written. What is absent or null is nil.
type view struct {
	id, kind, actor, attributedTo, object, to, cc []byte
	published, updated, formerType, url           []byte
	listing, proof                                []byte
}

func viewOf(raw []byte) view {
	var v view
	for name, value := range members(raw) {
		if field := v.field(name); field != nil {
			*field = value
		}
	}
	return v
}

func (v *view) field(name string) *[]byte {
	switch name {
	case "id":
		return &v.id
	case "type":
		return &v.kind
	case "actor":
		return &v.actor
	case "attributedTo":
		return &v.attributedTo
	case "object":
		return &v.object
	case "to":
		return &v.to
	case "cc":
		return &v.cc
	case "published":
		return &v.published
	case "updated":
		return &v.updated
	case "formerType":
		return &v.formerType
	case "url":
		return &v.url
	case "listing":
		return &v.listing
	case "proof":
		return &v.proof
	}
	return nil
}

// ParseActivity reads one activity, or one bare object, from bytes that came
// from anywhere. It bounds them first (size, depth, nodes, duplicate keys:
// [protocol.CheckJSON]) and never panics. Errors are Invalid or TooLarge.
// Whether the sender may say so is the door's business, not decided here.
// The result points into raw, which must not change afterwards.
func ParseActivity(raw []byte) (protocol.Activity, error) {
	limits := protocol.DefaultJSONLimits()
	limits.MaxBytes = MaxActivityBytes
	if err := protocol.CheckJSON(raw, limits); err != nil {
		return protocol.Activity{}, err
	}
	v := viewOf(bytes.TrimSpace(raw))
	if v.object == nil && v.actor == nil {
		return bareObject(raw, v)
	}
	a := protocol.Activity{Raw: raw, Published: moment(v.published), Proof: v.proof != nil}
	var err error
	if a.ID, err = idOf(v); err != nil {
		return protocol.Activity{}, err
	}
	if a.Type, err = typeOf(v); err != nil {
		return protocol.Activity{}, err
	}
	if a.Actor, err = reference(v.actor); err != nil || a.Actor == "" {
		return protocol.Activity{}, invalid(a.ID, "actor must be one IRI")
	}
	if a.To, a.Cc, err = addressees(v); err != nil {
		return protocol.Activity{}, err
	}
	if a.Object, err = parseObject(v.object); err != nil {
		return protocol.Activity{}, err
	}
	return a, nil
}

func invalid(id, format string, args ...any) error {
	return protocol.Errorf("read activity", protocol.Invalid, id, format, args...)
}

func bareObject(raw []byte, v view) (protocol.Activity, error) {
	o, err := objectOf(raw, v)
	if err != nil {
		return protocol.Activity{}, err
	}
	if o.AttributedTo == "" {
		return protocol.Activity{}, invalid(o.ID, "an object needs attributedTo, an activity needs actor")
	}
	return protocol.Activity{Raw: raw, Type: protocol.TypeObject, Actor: o.AttributedTo,
		Published: o.Published, To: o.To, Cc: o.Cc, Proof: o.Proof, Object: o}, nil
}

// parseObject reads an activity's object: an IRI, or an embedded object.
func parseObject(raw []byte) (protocol.Object, error) {
	if raw == nil {
		return protocol.Object{}, invalid("", "object is missing")
	}
	if raw[0] == '{' {
		return objectOf(raw, viewOf(raw))
	}
	id, err := reference(raw)
	if err != nil {
		return protocol.Object{}, invalid("", "object must be one IRI or one object")
	}
	return protocol.Object{ID: id}, nil
}

func objectOf(raw []byte, v view) (protocol.Object, error) {
	o := protocol.Object{Raw: raw, FormerType: textOf(v.formerType), Proof: v.proof != nil,
		Published: moment(v.published), Updated: moment(v.updated)}
	var err error
	if o.ID, err = idOf(v); err != nil {
		return protocol.Object{}, err
	}
	if o.Type, err = typeOf(v); err != nil {
		return protocol.Object{}, err
	}
	if o.AttributedTo, err = reference(v.attributedTo); err != nil {
		return protocol.Object{}, invalid(o.ID, "attributedTo must be one IRI")
	}
	if o.Actor, err = reference(v.actor); err != nil {
		return protocol.Object{}, err
	}
	if o.Target, err = reference(v.object); err != nil {
		return protocol.Object{}, err
	}
	if o.To, o.Cc, err = addressees(v); err != nil {
		return protocol.Object{}, err
	}
	o.URL = pageOf(v.url, o.ID)
	readListing(&o, v.listing)
	return o, nil
}

// pageOf takes a document's url only from its own host: people are shown it as
// the way to the origin, as Mastodon does.
func pageOf(raw []byte, id string) string {
	url, err := reference(raw)
	if err != nil || protocol.Origin(url) != protocol.Origin(id) {
		return ""
	}
	return url
}

// readListing reads the `listing` property. One that cannot be read is noted,
// not refused here: other software may use the word for something else.
func readListing(o *protocol.Object, raw []byte) {
	if raw == nil {
		return
	}
	if o.Type == "Tombstone" {
		var t protocol.Tombstone
		if o.ListingError = jsonv2.Unmarshal(raw, &t); o.ListingError == nil {
			o.ListingError = t.Validate()
		}
		if o.ListingError == nil {
			o.Tombstone = &t
		}
		return
	}
	var l protocol.Listing
	if o.ListingError = jsonv2.Unmarshal(raw, &l); o.ListingError == nil {
		o.Listing = &l
	}
}

func idOf(v view) (string, error) {
	id, ok := text(v.id)
	if !ok || id == "" || len(id) > maxIRI {
		return "", invalid("", "id must be one IRI of at most %d bytes", maxIRI)
	}
	return id, nil
}

// typeOf refuses arrays of types: servers disagree about which one counts
// (interop: object shapes).
func typeOf(v view) (string, error) {
	t, ok := text(v.kind)
	if !ok || t == "" {
		return "", invalid("", "type must be one string")
	}
	return t, nil
}

func addressees(v view) (to, cc []string, err error) {
	if to, err = references(v.to); err != nil {
		return nil, nil, err
	}
	if cc, err = references(v.cc); err != nil {
		return nil, nil, err
	}
	if len(to)+len(cc) > maxRecipients {
		return nil, nil, invalid("", "more than %d recipients", maxRecipients)
	}
	return to, cc, nil
}
