// Package protocol is what Waypost nodes say to each other: listings, the
// communities that publish them, the closed lists of words, and the rule by
// which one revision of a listing supersedes another.
//
// Nothing here does I/O, reads a clock or stores anything, so other programs
// may import it. Start with [Listing], then [Supersedes]; docs/protocol/
// fixes the fields and numbers the rules.
package protocol
