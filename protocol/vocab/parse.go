package vocab

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// MaxActivityBytes is the largest activity that is read: 256 kB, a quarter of
// what Mastodon takes, many times what a listing needs.
const MaxActivityBytes = 256 << 10

const maxRecipients = 200

// wire is the part of an activity or object that Waypost reads. Members that
// may be one thing or another arrive raw and go through one extractor.
type wire struct {
	ID           string          `json:"id"`
	Type         json.RawMessage `json:"type"`
	Actor        json.RawMessage `json:"actor"`
	AttributedTo json.RawMessage `json:"attributedTo"`
	Object       json.RawMessage `json:"object"`
	To           json.RawMessage `json:"to"`
	Cc           json.RawMessage `json:"cc"`
	Published    string          `json:"published"`
	Updated      string          `json:"updated"`
	FormerType   string          `json:"formerType"`
	URL          json.RawMessage `json:"url"`
	Listing      json.RawMessage `json:"listing"`
	Proof        json.RawMessage `json:"proof"`
}

// ParseActivity reads one activity, or one bare object, from bytes that came
// from anywhere. It bounds them first (size, depth, nodes, duplicate keys:
// [protocol.CheckJSON]) and never panics. Errors are Invalid or TooLarge.
// Whether the sender may say so is the door's business, not decided here.
func ParseActivity(raw []byte) (protocol.Activity, error) {
	const op = "read activity"
	limits := protocol.DefaultJSONLimits()
	limits.MaxBytes = MaxActivityBytes
	if err := protocol.CheckJSON(raw, limits); err != nil {
		return protocol.Activity{}, err
	}
	var w wire
	if err := json.Unmarshal(raw, &w); err != nil {
		return protocol.Activity{}, protocol.Errorf(op, protocol.Invalid, "", "a member has the wrong type: %v", err)
	}
	kind, err := oneType(w.Type)
	if err != nil {
		return protocol.Activity{}, err
	}
	if len(w.Object) == 0 && len(w.Actor) == 0 {
		return bareObject(raw, w)
	}
	a := protocol.Activity{Raw: raw, ID: w.ID, Type: kind, Proof: len(w.Proof) > 0}
	if a.Actor, err = reference(w.Actor); err != nil || a.Actor == "" {
		return protocol.Activity{}, protocol.Errorf(op, protocol.Invalid, w.ID, "actor must be one IRI")
	}
	if a.ID == "" {
		return protocol.Activity{}, protocol.Errorf(op, protocol.Invalid, "", "id is missing")
	}
	a.Published, _ = time.Parse(time.RFC3339, w.Published)
	if a.To, a.Cc, err = addressees(w); err != nil {
		return protocol.Activity{}, err
	}
	a.Object, err = parseObject(w.Object)
	return a, err
}

func bareObject(raw []byte, w wire) (protocol.Activity, error) {
	o, err := objectOf(raw, w)
	if err != nil {
		return protocol.Activity{}, err
	}
	if o.AttributedTo == "" {
		return protocol.Activity{}, protocol.Errorf("read object", protocol.Invalid, o.ID, "attributedTo must be one IRI")
	}
	return protocol.Activity{Raw: raw, Type: protocol.TypeObject, Actor: o.AttributedTo,
		Published: o.Published, To: o.To, Cc: o.Cc, Proof: o.Proof, Object: o}, nil
}

// parseObject reads an activity's object: an IRI, or an embedded object.
func parseObject(raw json.RawMessage) (protocol.Object, error) {
	const op = "read object"
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return protocol.Object{}, protocol.Errorf(op, protocol.Invalid, "", "object is missing")
	}
	if raw[0] == '"' {
		id, err := reference(raw)
		return protocol.Object{ID: id}, err
	}
	if raw[0] != '{' {
		return protocol.Object{}, protocol.Errorf(op, protocol.Invalid, "", "object must be one IRI or one object")
	}
	var w wire
	if err := json.Unmarshal(raw, &w); err != nil {
		return protocol.Object{}, protocol.Errorf(op, protocol.Invalid, "", "a member of the object has the wrong type: %v", err)
	}
	return objectOf(raw, w)
}

func objectOf(raw []byte, w wire) (protocol.Object, error) {
	const op = "read object"
	o := protocol.Object{Raw: raw, ID: w.ID, FormerType: w.FormerType, Proof: len(w.Proof) > 0}
	var err error
	if o.Type, err = oneType(w.Type); err != nil {
		return o, err
	}
	if o.ID == "" {
		return o, protocol.Errorf(op, protocol.Invalid, "", "the object's id is missing")
	}
	if o.AttributedTo, err = reference(w.AttributedTo); err != nil {
		return o, protocol.Errorf(op, protocol.Invalid, o.ID, "attributedTo must be one IRI")
	}
	if o.Actor, err = reference(w.Actor); err != nil {
		return o, err
	}
	if o.Target, err = reference(w.Object); err != nil {
		return o, err
	}
	if o.To, o.Cc, err = addressees(w); err != nil {
		return o, err
	}
	o.Published, _ = time.Parse(time.RFC3339, w.Published)
	o.Updated, _ = time.Parse(time.RFC3339, w.Updated)
	o.URL, _ = reference(w.URL)
	readListing(&o, w.Listing)
	return o, nil
}

// readListing reads the `listing` property. One that cannot be read is noted,
// not refused here: other software may use the word for something else.
func readListing(o *protocol.Object, raw json.RawMessage) {
	if len(raw) == 0 {
		return
	}
	if o.Type == "Tombstone" {
		var t protocol.Tombstone
		if o.ListingError = json.Unmarshal(raw, &t); o.ListingError == nil {
			o.Tombstone = &t
		}
		return
	}
	var l protocol.Listing
	if o.ListingError = json.Unmarshal(raw, &l); o.ListingError == nil {
		o.Listing = &l
	}
}

// oneType refuses arrays of types: servers disagree about which one counts
// (interop: object shapes).
func oneType(raw json.RawMessage) (string, error) {
	var t string
	if len(raw) == 0 || json.Unmarshal(raw, &t) != nil || t == "" {
		return "", protocol.Errorf("read activity", protocol.Invalid, "", "type must be one string")
	}
	return t, nil
}

// reference is the one extractor of who or what a member names: a string, or
// an object with an id. Lists are refused, so that no two readers of the same
// bytes can pick different actors (FEP-fe34). An absent member is "".
func reference(raw json.RawMessage) (string, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "", nil
	}
	var id string
	switch raw[0] {
	case '"':
		if err := json.Unmarshal(raw, &id); err == nil {
			return id, nil
		}
	case '{':
		var o struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(raw, &o); err == nil {
			return o.ID, nil
		}
	}
	return "", protocol.Errorf("read activity", protocol.Invalid, "", "a reference must be one IRI or one object with an id")
}

func addressees(w wire) (to, cc []string, err error) {
	if to, err = references(w.To); err != nil {
		return nil, nil, err
	}
	if cc, err = references(w.Cc); err != nil {
		return nil, nil, err
	}
	if len(to)+len(cc) > maxRecipients {
		return nil, nil, protocol.Errorf("read activity", protocol.Invalid, "", "more than %d recipients", maxRecipients)
	}
	return to, cc, nil
}

func references(raw json.RawMessage) ([]string, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '[' {
		id, err := reference(raw)
		if id == "" {
			return nil, err
		}
		return []string{id}, err
	}
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, protocol.Errorf("read activity", protocol.Invalid, "", "recipients must be IRIs")
	}
	return list, nil
}
