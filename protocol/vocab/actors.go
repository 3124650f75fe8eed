package vocab

import (
	"html"
	"net/url"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// Keys are an actor's public keys as its document shows them.
type Keys struct {
	PublicKeyPEM string // RSA, for HTTP signatures
	Multikey     string // Ed25519, for proofs
}

// Group writes a community's actor document. Its publicKey is one object
// (Mobilizon and Gancio take no list); the Ed25519 key stands in
// assertionMethod (FEP-521a).
func Group(c protocol.Community, k Keys, published time.Time) ([]byte, error) {
	base := protocol.Origin(c.Actor)
	host := hostOf(c.Actor)
	return encode(object{
		{"@context", []any{contextAS, contextSecurity, contextMultikey, groupTerms()}},
		{"id", c.Actor},
		{"type", "Group"},
		{"preferredUsername", c.Handle},
		{"webfinger", c.Handle + "@" + host},
		{"name", c.Name},
		{"summary", paragraph(firstOf(c.Summary, c.Name))},
		{"url", c.URL},
		{"published", stamp(published)},
		{"inbox", c.Actor + "/inbox"},
		{"outbox", c.Actor + "/outbox"},
		{"followers", c.Actor + "/followers"},
		{"following", c.Actor + "/following"},
		{"featured", c.Actor + "/featured"},
		{"featuredTags", c.Actor + "/tags"},
		{"upcomingEvents", c.Actor + "/upcoming"},
		{"listings", c.Actor + "/listings"},
		{"endpoints", object{{"sharedInbox", base + "/ap/inbox"}}},
		{"manuallyApprovesFollowers", false},
		{"discoverable", true},
		{"indexable", true},
		{"publicKey", publicKey(c.Actor, k)},
		{"assertionMethod", []any{multikey(c.Actor, k)}},
		{"icon", icon(base, c.Name)},
		{"attachment", groupFields(c, host)},
		{"location", groupPlace(c)},
		{"tag", []any{}},
		{"generator", object{
			{"type", "Application"}, {"id", ApplicationIRI(base)},
			{"implements", implements()},
		}},
	})
}

func groupTerms() object {
	iri := func(id string) object { return object{{"@id", id}, {"@type", "@id"}} }
	return object{
		{"toot", "http://joinmastodon.org/ns#"},
		{"discoverable", "toot:discoverable"},
		{"indexable", "toot:indexable"},
		{"featured", iri("toot:featured")},
		{"featuredTags", iri("toot:featuredTags")},
		{"manuallyApprovesFollowers", "as:manuallyApprovesFollowers"},
		{"schema", "http://schema.org#"},
		{"PropertyValue", "schema:PropertyValue"},
		{"value", "schema:value"},
		{"webfinger", webfingerTerm},
		{"upcomingEvents", iri("https://w3id.org/fep/8a8e/upcomingEvents")},
		{"implements", set(implementsTerm)},
		{"assertionMethod", set(assertionTerm)},
		{"wp", protocol.Namespace},
		{"listings", iri("wp:listings")},
	}
}

func groupFields(c protocol.Community, host string) []any {
	fields := []any{object{
		{"type", "PropertyValue"}, {"name", "Website"},
		{"value", `<a href="` + html.EscapeString(c.URL) + `" rel="me nofollow noopener">` + html.EscapeString(host) + `</a>`},
	}}
	if line := c.Place.Line(); line != "" {
		fields = append(fields, object{{"type", "PropertyValue"}, {"name", "Area"}, {"value", html.EscapeString(line)}})
	}
	return fields
}

func groupPlace(c protocol.Community) any {
	if c.Place.Line() == "" {
		return nil
	}
	doc := object{{"type", "Place"}, {"id", c.Actor + "/place"}, {"name", c.Place.Line()}}
	if lat, lon, ok := c.Place.Point(); ok {
		doc = append(doc, member{"latitude", float(lat)}, member{"longitude", float(lon)})
	}
	return doc
}

func icon(base, name string) object {
	return object{{"type", "Image"}, {"mediaType", "image/png"}, {"url", base + "/static/icon.png"}, {"name", name + " logo"}}
}

func publicKey(actor string, k Keys) object {
	return object{{"id", actor + "#main-key"}, {"owner", actor}, {"publicKeyPem", k.PublicKeyPEM}}
}

func multikey(actor string, k Keys) object {
	return object{{"id", actor + "#ed25519-key"}, {"type", "Multikey"}, {"controller", actor}, {"publicKeyMultibase", k.Multikey}}
}

func implements() []any {
	link := func(href, name string) object {
		return object{{"type", "Link"}, {"href", href}, {"name", name}}
	}
	return []any{
		link(protocol.ImplementsRFC9421, "RFC-9421: HTTP Message Signatures"),
		link(protocol.ImplementsWaypostV1, "Waypost listings v1"),
		link(protocol.ImplementsEd25519, "RFC-9421 signatures using the Ed25519 algorithm"),
	}
}

// ApplicationIRI is the IRI of a node's Application actor.
func ApplicationIRI(base string) string { return base + "/ap/relay" }

// GroupIRI is the IRI of a community's Group actor on a node.
func GroupIRI(base, handle string) string { return base + "/ap/a/" + handle }

// Application writes the node's own actor document: the announcer that peers,
// Mobilizon and relays follow (FEP-2677). It must be served without asking for
// a signature, or secure-mode servers and we would wait for each other.
func Application(base string, k Keys) ([]byte, error) {
	id := ApplicationIRI(base)
	host := hostOf(base)
	return encode(object{
		{"@context", []any{contextAS, contextSecurity, contextMultikey, object{
			{"toot", "http://joinmastodon.org/ns#"},
			{"discoverable", "toot:discoverable"},
			{"manuallyApprovesFollowers", "as:manuallyApprovesFollowers"},
			{"webfinger", webfingerTerm},
			{"implements", set(implementsTerm)},
			{"assertionMethod", set(assertionTerm)},
		}}},
		{"id", id},
		{"type", "Application"},
		{"preferredUsername", "relay"},
		{"webfinger", "relay@" + host},
		{"name", host + " node"},
		{"summary", "<p>Announces every public listing of this node.</p>"},
		{"url", base + "/about"},
		{"inbox", id + "/inbox"},
		{"outbox", id + "/outbox"},
		{"followers", id + "/followers"},
		{"following", id + "/following"},
		{"endpoints", object{{"sharedInbox", base + "/ap/inbox"}}},
		{"manuallyApprovesFollowers", false},
		{"discoverable", true},
		{"publicKey", publicKey(id, k)},
		{"assertionMethod", []any{multikey(id, k)}},
		{"icon", icon(base, host)},
		{"implements", implements()},
	})
}

func hostOf(iri string) string {
	u, err := url.Parse(iri)
	if err != nil {
		return ""
	}
	return u.Host
}

// Collection writes an OrderedCollection that points at its first page, or at
// none when it is empty or hidden.
func Collection(id string, total int, first string) ([]byte, error) {
	return encode(object{{"@context", contextAS}, {"id", id}, {"type", "OrderedCollection"},
		{"totalItems", total}, {"first", orNil(first)}})
}

// FlatCollection writes an OrderedCollection with its items in it, as Mastodon
// wants `featured`.
func FlatCollection(id string, items []any) ([]byte, error) {
	return encode(object{{"@context", contextAS}, {"id", id}, {"type", "OrderedCollection"},
		{"totalItems", len(items)}, {"orderedItems", items}})
}

// CollectionPage writes one page of an OrderedCollection; next is empty on the
// last. Items are IRIs or documents as they were signed, Tombstones among them.
func CollectionPage(id, partOf, next string, total int, items []any) ([]byte, error) {
	return encode(object{{"@context", []any{contextAS, listingTerms()}}, {"id", id}, {"type", "OrderedCollectionPage"}, {"partOf", partOf},
		{"totalItems", total}, {"next", orNil(next)}, {"orderedItems", items}})
}

// GroupPlace writes the Place document of a community, and false when it names
// none.
func GroupPlace(c protocol.Community) ([]byte, bool) {
	doc, ok := groupPlace(c).(object)
	if !ok {
		return nil, false
	}
	raw, err := encode(append(object{{"@context", contextAS}}, doc...))
	return raw, err == nil
}
