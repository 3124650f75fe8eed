package vocab

import (
	"crypto/ed25519"
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/proof"
)

// Author is a community that signs what it publishes.
type Author struct {
	Actor     string // IRI of its Group
	Followers string // IRI of its followers collection
	Base      string // origin of its node, without a final slash
	KeyID     string // verification method: <actor>#ed25519-key
	Key       ed25519.PrivateKey
}

func (a Author) sign(doc object, at time.Time) ([]byte, error) {
	raw, err := encode(doc)
	if err != nil {
		return nil, err
	}
	return proof.Sign(raw, a.Key, proof.Options{VerificationMethod: a.KeyID, Created: at})
}

// ObjectIRI is the IRI of a listing's object on a node.
func ObjectIRI(base, uid string) string { return base + "/ap/o/" + uid }

// PageURL is the address of a listing's page on a node.
func PageURL(base, uid string) string { return base + "/listings/" + uid }

// ListingObject writes a listing as the standard object that its kind has (an
// Event, or a Note without a name) with the whole record in its `listing`
// property and a proof (FEP-8b32). The listing must be valid and carry its
// wire fields. published is when the listing first appeared, updated when this
// edit was made; updated is never before published (GoToSocial refuses that).
func (r *Renderer) ListingObject(a Author, l *protocol.Listing, published, updated time.Time) ([]byte, error) {
	if updated.Before(published) {
		updated = published
	}
	id, page := ObjectIRI(a.Base, l.UID), PageURL(a.Base, l.UID)
	tags := hashtags(a.Base, l.Tags)
	content := r.content(l, page, tags)
	language := l.Language
	if language == "" {
		language = "en"
	}
	doc := object{
		{"@context", contextFor(l.Kind)},
		{"id", id},
		{"type", objectType(l.Kind)},
		{"attributedTo", a.Actor},
		{"to", recipients(l)},
		{"cc", copies(a, l)},
		{"url", page},
		{"published", stamp(published)},
		{"updated", stamp(updated)},
		{"mediaType", "text/html"},
		{"content", content},
		{"contentMap", object{{language, content}}},
		{"inLanguage", language},
	}
	if l.Kind == protocol.KindEvent {
		doc = append(doc, eventMembers(a, l, id, page)...)
	}
	if place := placeObject(id, l); place != nil {
		doc = append(doc, member{"location", place})
	}
	doc = append(doc, intentMembers(l, id)...)
	doc = append(doc, pictures(l, page)...)
	doc = append(doc, member{"tag", tagObjects(tags)}, member{"listing", l})
	return a.sign(doc, updated)
}

func objectType(kind protocol.Kind) string {
	if kind == protocol.KindEvent {
		return "Event"
	}
	return "Note"
}

func recipients(l *protocol.Listing) []string {
	if l.Public() {
		return []string{protocol.Public}
	}
	return []string{}
}

func copies(a Author, l *protocol.Listing) []string {
	if l.Public() {
		return []string{a.Followers}
	}
	return []string{}
}

func eventMembers(a Author, l *protocol.Listing, id, page string) object {
	join := page + "#booking"
	if l.Booking != nil && l.Booking.URL != "" {
		join = l.Booking.URL
	}
	status, eventStatus := eventStates(l.Status)
	doc := object{
		{"name", l.Title},
		{"summary", EventLine(l)},
		{"startTime", Local(l.Start, l.Timezone).Format(time.RFC3339)},
		{"endTime", endTime(l)},
		{"timezone", orNil(l.Timezone)},
		{"displayEndTime", !l.End.IsZero()},
		{"status", status},
		{"eventStatus", eventStatus},
		{"category", eventCategory(l)},
		{"joinMode", "external"},
		{"externalParticipationUrl", join},
		{"repliesModerationOption", "closed"},
		{"isOnline", l.Online != nil},
		{"organizers", object{
			{"type", "Collection"}, {"id", id + "/organizers"}, {"totalItems", 1}, {"items", []string{a.Actor}},
		}},
	}
	if l.Capacity > 0 {
		doc = append(doc, member{"maximumAttendeeCapacity", l.Capacity})
	}
	return doc
}

// endTime is required by FEP-8a8e: an open end is two hours after the start,
// with displayEndTime false.
func endTime(l *protocol.Listing) string {
	end := l.End
	if end.IsZero() {
		end = l.Start.Add(2 * time.Hour)
	}
	return Local(end, l.Timezone).Format(time.RFC3339)
}

// eventStates maps our status to iCalendar's (Mobilizon's enumeration) and to
// FEP-8a8e's.
func eventStates(status string) (ical, fep string) {
	switch status {
	case "cancelled":
		return "CANCELLED", "EventCancelled"
	case "postponed":
		return "TENTATIVE", "EventPostponed"
	case "tentative":
		return "TENTATIVE", "EventTentative"
	}
	return "CONFIRMED", "EventScheduled"
}

// eventCategory is one of the words that Mobilizon and FEP-8a8e share.
func eventCategory(l *protocol.Listing) string {
	switch l.Format {
	case "networking", "peer-circle", "virtual-coffee":
		return "NETWORKING"
	case "workshop", "masterclass", "formal-training", "mentoring", "drop-in", "case-study-talk":
		return "LEARNING"
	case "volunteer-matching":
		return "COMMUNITY"
	}
	return "MEETING"
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// intentMembers adds FEP-0837's purpose and Intent to offers and needs.
func intentMembers(l *protocol.Listing, id string) object {
	in := intentFor(l.Kind)
	if in == nil {
		return nil
	}
	if l.Kind == protocol.KindNeed && (l.Seeks == "templates" || l.Seeks == "funding") {
		in.action = "transfer"
	}
	quantity := max(l.Places, 1)
	return object{
		{"purpose", in.purpose},
		{"publishes", object{
			{"type", "Intent"}, {"id", id + "#primary"}, {"action", in.action},
			{"resourceQuantity", object{{"hasUnit", "one"}, {"hasNumericalValue", strconv.Itoa(quantity)}}},
		}},
	}
}

// pictures writes image and attachment. attachment is always there, the image
// first, every entry with a mediaType (Gancio), every image with a name
// (Mobilizon).
func pictures(l *protocol.Listing, page string) object {
	attachments := []any{}
	var doc object
	if i := l.Image; i != nil && i.URL != "" {
		shape := func(kind string) object {
			return object{{"type", kind}, {"mediaType", firstOf(i.MediaType, "image/jpeg")}, {"url", i.URL}, {"name", i.Alt}}
		}
		doc = append(doc, member{"image", shape("Image")})
		attachments = append(attachments, shape("Document"))
		if l.Kind == protocol.KindEvent {
			attachments = append(attachments, object{{"type", "Link"}, {"mediaType", "text/html"}, {"name", "Website"}, {"href", page}})
		}
	}
	return append(doc, member{"attachment", attachments})
}

func hashtags(base string, words []string) []hashtag {
	tags := make([]hashtag, len(words))
	for i, w := range words {
		tags[i] = hashtag{word: w, href: base + "/search?q=" + url.QueryEscape(w)}
	}
	return tags
}

func tagObjects(tags []hashtag) []any {
	list := make([]any, len(tags))
	for i, t := range tags {
		list[i] = object{{"type", "Hashtag"}, {"name", "#" + t.word}, {"href", t.href}}
	}
	return list
}

// Create wraps a listing's first object, Update a later one; the ids carry the
// version, so that each edit has an id of its own. Both carry a proof.
func Create(a Author, l *protocol.Listing, obj []byte, at time.Time) ([]byte, error) {
	return wrap(a, "Create", "#create-", l, obj, at)
}

// Update wraps an object that replaces an earlier one.
func Update(a Author, l *protocol.Listing, obj []byte, at time.Time) ([]byte, error) {
	return wrap(a, "Update", "#update-", l, obj, at)
}

func wrap(a Author, kind, suffix string, l *protocol.Listing, obj []byte, at time.Time) ([]byte, error) {
	return a.sign(object{
		{"@context", contextFor(l.Kind)},
		{"id", ObjectIRI(a.Base, l.UID) + suffix + strconv.FormatUint(l.Version, 10)},
		{"type", kind},
		{"actor", a.Actor},
		{"to", recipients(l)},
		{"cc", copies(a, l)},
		{"published", stamp(at)},
		{"object", json.RawMessage(obj)},
	}, at)
}

// TombstoneObject is what stands at a deleted listing's IRI. Gancio needs the
// formerType.
func TombstoneObject(iri, formerType string, t protocol.Tombstone, at time.Time) ([]byte, error) {
	return encode(append(object{{"@context", tombstoneContext()}}, tombstone(iri, formerType, t, at)...))
}

func tombstone(iri, formerType string, t protocol.Tombstone, at time.Time) object {
	t.V = protocol.ListingVersion
	return object{{"id", iri}, {"type", "Tombstone"}, {"formerType", formerType}, {"deleted", stamp(at)}, {"listing", t}}
}

func tombstoneContext() []any {
	return []any{contextAS, contextProof, listingTerms()}
}

// Delete ends a listing. Its id and its Tombstone carry the version, so that it
// is ordered among the edits whatever the order of arrival.
func Delete(a Author, kind protocol.Kind, t protocol.Tombstone, public bool, at time.Time) ([]byte, error) {
	iri := ObjectIRI(a.Base, t.UID)
	to, cc := []string{}, []string{}
	if public {
		to, cc = []string{protocol.Public}, []string{a.Followers}
	}
	return a.sign(object{
		{"@context", tombstoneContext()},
		{"id", iri + "#delete-" + strconv.FormatUint(t.Version, 10)},
		{"type", "Delete"},
		{"actor", a.Actor},
		{"to", to},
		{"cc", cc},
		{"published", stamp(at)},
		{"object", tombstone(iri, objectType(kind), t, at)},
	}, at)
}

// Announce repeats an object's IRI to those who follow the node's Application
// and do not speak Waypost (Mobilizon lists only what its relay announces).
func Announce(application, objectIRI, group string, at time.Time) ([]byte, error) {
	return encode(object{
		{"@context", contextAS},
		{"id", objectIRI + "#announce-relay"},
		{"type", "Announce"},
		{"actor", application},
		{"published", stamp(at)},
		{"to", []string{protocol.Public}},
		{"cc", []string{application + "/followers", group}},
		{"object", objectIRI},
	})
}

// Follow asks to receive what the target publishes.
func Follow(id, actor, target string) ([]byte, error) {
	return encode(object{{"@context", contextAS}, {"id", id}, {"type", "Follow"}, {"actor", actor},
		{"to", []string{target}}, {"object", target}})
}

// UndoFollow ends a follow; the Follow is embedded whole, as Mastodon needs.
func UndoFollow(id, followID, actor, target string) ([]byte, error) {
	return encode(object{{"@context", contextAS}, {"id", id}, {"type", "Undo"}, {"actor", actor}, {"to", []string{target}},
		{"object", object{{"id", followID}, {"type", "Follow"}, {"actor", actor}, {"object", target}}}})
}

// Accept answers a Follow with its very bytes embedded, which every server
// matches to its request, whether it looks by id or by content.
func Accept(id, actor, follower string, follow []byte) ([]byte, error) {
	return encode(object{{"@context", contextAS}, {"id", id}, {"type", "Accept"}, {"actor", actor},
		{"to", []string{follower}}, {"object", json.RawMessage(follow)}})
}

// Reject refuses a Follow.
func Reject(id, actor, follower string, follow []byte) ([]byte, error) {
	return encode(object{{"@context", contextAS}, {"id", id}, {"type", "Reject"}, {"actor", actor},
		{"to", []string{follower}}, {"object", json.RawMessage(follow)}})
}

// OutboxCreate shows a standing object in an outbox. It is built when asked for
// and carries no proof of its own: the object does.
func OutboxCreate(actor, objectIRI string, version uint64, at time.Time, obj []byte) ([]byte, error) {
	return encode(object{
		{"id", objectIRI + "#create-" + strconv.FormatUint(version, 10)},
		{"type", "Create"},
		{"actor", actor},
		{"to", []string{protocol.Public}},
		{"cc", []string{actor + "/followers"}},
		{"published", stamp(at)},
		{"object", json.RawMessage(obj)},
	})
}
