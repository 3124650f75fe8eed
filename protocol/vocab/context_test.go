package vocab_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Terms that the named contexts define, as far as we write them.
var known = map[string]string{
	"https://www.w3.org/ns/activitystreams": `id type as xsd
		Accept Announce Application Article Audio Collection Create Delete Document Event Follow Group Image Link Note Object OrderedCollection
		OrderedCollectionPage Organization Page Person Place Profile Reject Relationship Service Tombstone Undo Update Video
		actor altitude attachment attributedTo bcc bto cc content contentMap current deleted duration endTime endpoints first followers following formerType
		generator href hreflang icon image inReplyTo inbox items last latitude location longitude mediaType name nameMap next object orderedItems outbox
		partOf preferredUsername prev published radius rel replies result sharedInbox startIndex startTime streams summary summaryMap tag target to
		totalItems units updated url width height`,
	"https://w3id.org/security/data-integrity/v2": `id type proof DataIntegrityProof created cryptosuite expires proofPurpose proofValue verificationMethod`,
	"https://w3id.org/security/v1":                `id type publicKey owner publicKeyPem`,
	"https://w3id.org/security/multikey/v1":       `id type Multikey controller publicKeyMultibase`,
}

// terms is what a document's @context defines.
type terms struct {
	defined map[string]bool
	inline  map[string]any // those that we declare ourselves
	used    map[string]bool
}

func termsOf(context any) (terms, error) {
	t := terms{defined: map[string]bool{}, inline: map[string]any{}, used: map[string]bool{}}
	list, ok := context.([]any)
	if !ok {
		list = []any{context}
	}
	for _, e := range list {
		switch e := e.(type) {
		case string:
			words, ok := known[e]
			if !ok {
				return t, fmt.Errorf("%q is a context that readers would have to fetch", e)
			}
			for _, w := range strings.Fields(words) {
				t.defined[w] = true
			}
		case map[string]any:
			for name, value := range e {
				t.defined[name], t.inline[name] = true, value
			}
		}
	}
	for name, value := range t.inline {
		if def, ok := value.(map[string]any); ok {
			value = def["@id"]
		}
		prefix, _, compact := strings.Cut(str(value), ":")
		if compact && !strings.Contains(str(value), "://") && !t.defined[prefix] {
			return t, fmt.Errorf("%s uses the prefix %s, which nobody declares", name, prefix)
		}
		t.used[prefix] = true
	}
	return t, nil
}

// undefined returns every member and type in v that no @context defines; used
// gathers the terms that we declare and use.
func undefined(v any, scope terms, used map[string]bool) (list []string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			list = append(list, undefined(e, scope, used)...)
		}
	case map[string]any:
		if own, ok := v["@context"]; ok {
			var err error
			if scope, err = termsOf(own); err != nil {
				return []string{err.Error()}
			}
		}
		for name, value := range v {
			if strings.HasPrefix(name, "@") {
				continue
			}
			words := []string{name}
			if name == "type" || name == "eventStatus" {
				words = append(words, str(value))
			}
			for _, w := range words {
				used[w] = true
				if !scope.defined[w] {
					list = append(list, w)
				}
			}
			if name != "listing" && name != "contentMap" {
				list = append(list, undefined(value, scope, used)...)
			}
		}
	}
	return list
}

// checkTerms wants every term of a document defined, without a fetch.
func checkTerms(t *testing.T, name string, doc map[string]any) (used map[string]bool) {
	t.Helper()
	used = map[string]bool{}
	if list := undefined(doc, terms{}, used); len(list) > 0 {
		slices.Sort(list)
		t.Errorf("%s: no @context defines %s", name, strings.Join(slices.Compact(list), ", "))
	}
	return used
}
