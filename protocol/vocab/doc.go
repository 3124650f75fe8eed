// Package vocab turns ActivityStreams JSON into protocol types and back. It
// reads through a small view that keeps the raw bytes (a round trip through
// any JSON library would break the proof), and it writes the shapes that
// Mastodon, Mobilizon, Gancio and GoToSocial take (FEDERATION.md). It is the
// only importer of go-fed/activity, which types the actors of other software.
package vocab
