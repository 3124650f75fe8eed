package vocab

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/waypost-directory/waypost/protocol"
)

// placeObject is one location, never a list (Mobilizon), with an address in one
// form or another (Gancio's Update fails without one); nil when there is
// nothing to tell. Its id changes with its content, because Mobilizon keeps a
// Place by id for ever.
func placeObject(id string, l *protocol.Listing) any {
	p := l.Place
	switch {
	case p != nil && *p != protocol.Place{}:
	case l.Kind != protocol.KindEvent:
		return nil
	case l.Online != nil && l.Online.URL != "":
		return object{{"type", "VirtualLocation"}, {"name", firstOf(l.Online.Name, "Online")},
			{"url", l.Online.URL}, {"address", object{{"url", l.Online.URL}}}}
	default:
		return object{{"type", "Place"}, {"name", unplaced(l)}, {"address", unplaced(l)}}
	}
	name := firstOf(p.Line(), p.Area, l.Title)
	doc := object{{"type", "Place"}, {"id", id + "/" + placeName(p)}, {"name", firstOf(p.Name, name)}}
	if lat, lon, ok := p.Point(); ok {
		doc = append(doc, member{"latitude", float(lat)}, member{"longitude", float(lon)})
	}
	if p.Address == nil {
		return append(doc, member{"address", name})
	}
	return append(doc, member{"address", addressObject(p.Address)})
}

func addressObject(a *protocol.Address) object {
	return object{
		{"type", "PostalAddress"},
		{"streetAddress", orNil(a.StreetAddress)},
		{"postalCode", orNil(a.PostalCode)},
		{"addressLocality", orNil(a.AddressLocality)},
		{"addressRegion", orNil(a.AddressRegion)},
		{"addressCountry", orNil(a.AddressCountry)},
	}
}

// unplaced stands where servers insist on a place and the event names none.
func unplaced(l *protocol.Listing) string {
	if l.Online != nil || len(l.Modes) == 1 && l.Modes[0] == "online" {
		return "Online"
	}
	return "See the event's page"
}

// placeName is the last step of a Place's IRI: a digest of what it says.
func placeName(p *protocol.Place) string {
	raw, err := encode(p)
	if err != nil {
		return "place-0"
	}
	sum := sha256.Sum256(raw)
	return "place-" + hex.EncodeToString(sum[:6])
}

// Place writes the Place document of a listing's object, and false when the
// listing has none of that name now.
func Place(base, name string, l *protocol.Listing) ([]byte, bool) {
	if l.Place == nil || placeName(l.Place) != name {
		return nil, false
	}
	doc, ok := placeObject(ObjectIRI(base, l.UID), l).(object)
	if !ok {
		return nil, false
	}
	raw, err := encode(append(object{{"@context", contextFor(l.Kind)}}, doc...))
	return raw, err == nil
}
