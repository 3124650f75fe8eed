package vocab

import "github.com/waypost-directory/waypost/protocol"

// Contexts that JSON-LD processors carry with them. Ours is always inline: a
// context that cannot be fetched makes JSON-LD servers stop reading us.
const (
	contextAS       = "https://www.w3.org/ns/activitystreams"
	contextProof    = "https://w3id.org/security/data-integrity/v2"
	contextSecurity = "https://w3id.org/security/v1"
	contextMultikey = "https://w3id.org/security/multikey/v1"
)

// Terms of ours that stand in several contexts.
const (
	webfingerTerm  = "https://purl.archive.org/socialweb/webfinger#webfinger"
	implementsTerm = "https://w3id.org/fep/844e#implements"
	assertionTerm  = "https://w3id.org/security#assertionMethod"
)

// set is a term whose values are IRIs or objects, always a list.
func set(iri string) object {
	return object{{"@id", iri}, {"@type", "@id"}, {"@container", "@set"}}
}

// listingTerms declare the record that travels in every object: a JSON literal,
// so that no JSON-LD reader looks into it.
func listingTerms() object {
	return object{{"wp", protocol.Namespace}, {"listing", object{{"@id", "wp:listing"}, {"@type", "@json"}}}}
}

// contextFor returns the @context of an object of a kind, with the terms that
// kind uses and no others.
func contextFor(kind protocol.Kind) []any {
	terms := object{
		{"Hashtag", "as:Hashtag"},
		{"sc", "http://schema.org#"},
		{"PostalAddress", "sc:PostalAddress"},
		{"address", object{{"@id", "sc:address"}, {"@type", "@id"}}},
		{"streetAddress", "sc:streetAddress"},
		{"postalCode", "sc:postalCode"},
		{"addressLocality", "sc:addressLocality"},
		{"addressRegion", "sc:addressRegion"},
		{"addressCountry", "sc:addressCountry"},
		{"inLanguage", "sc:inLanguage"},
	}
	if kind == protocol.KindEvent {
		terms = append(terms, eventTerms()...)
	}
	if intentFor(kind) != nil {
		terms = append(terms, intentTerms()...)
	}
	return []any{contextAS, contextProof, append(terms, listingTerms()...)}
}

// eventTerms are FEP-8a8e's and Mobilizon's words for events.
func eventTerms() object {
	return object{
		{"VirtualLocation", "sc:VirtualLocation"},
		{"maximumAttendeeCapacity", "sc:maximumAttendeeCapacity"},
		{"category", "sc:category"},
		{"mz", "https://joinmobilizon.org/ns#"},
		{"joinMode", "mz:joinMode"},
		{"externalParticipationUrl", "mz:externalParticipationUrl"},
		{"repliesModerationOption", "mz:repliesModerationOption"},
		{"isOnline", "mz:isOnline"},
		{"timezone", "mz:timezone"},
		{"status", "http://www.w3.org/2002/12/cal/ical#status"},
		{"fe", "https://w3id.org/fep/8a8e/"},
		{"eventStatus", object{{"@id", "fe:eventStatus"}, {"@type", "@vocab"}}},
		{"EventScheduled", "fe:EventScheduled"},
		{"EventTentative", "fe:EventTentative"},
		{"EventCancelled", "fe:EventCancelled"},
		{"EventPostponed", "fe:EventPostponed"},
		{"displayEndTime", "fe:displayEndTime"},
		{"organizers", object{{"@id", "fe:organizers"}, {"@type", "@id"}}},
	}
}

// intentTerms are ValueFlows' words for offers and needs (FEP-0837).
func intentTerms() object {
	return object{
		{"om2", "http://www.ontology-of-units-of-measure.org/resource/om-2/"},
		{"vf", "https://w3id.org/valueflows/ont/vf#"},
		{"Intent", "vf:Intent"},
		{"purpose", "vf:purpose"},
		{"publishes", "vf:publishes"},
		{"action", "vf:action"},
		{"resourceQuantity", "vf:resourceQuantity"},
		{"hasUnit", "om2:hasUnit"},
		{"hasNumericalValue", "om2:hasNumericalValue"},
	}
}

// intent is what an offer or a need is, in FEP-0837's words.
type intent struct{ purpose, action string }

// intentFor returns nil for kinds that offer or ask for nothing: events,
// volunteers' records and venues.
func intentFor(kind protocol.Kind) *intent {
	switch kind {
	case protocol.KindOffer:
		return &intent{"offer", "deliverService"}
	case protocol.KindNeed:
		return &intent{"request", "deliverService"}
	case protocol.KindResource:
		return &intent{"offer", "transfer"}
	}
	return nil
}
