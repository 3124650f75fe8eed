package federation

import (
	"net/http"
	"strings"
)

// WantsActivity reports whether a request asks for ActivityStreams JSON.
func WantsActivity(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "application/activity+json") || strings.Contains(accept, "application/ld+json")
}

// WantsPage reports whether a request comes from a browser.
func WantsPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}
