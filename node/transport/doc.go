// Package transport is the only way out of a node to other hosts. Every
// request to an address that a stranger may have chosen (actors, keys,
// WebFinger, NodeInfo, collections, deliveries, pulls) goes through one
// [Client], so the rules that keep a node safe stand in one place.
//
// A request passes, in this order: the URL rules of the fetch guard, the
// budget of the incoming activity that caused it, a slot for its host, the
// signature, and at connect time the guard's address rules, which see the
// address that is really dialled and so cannot be fooled by the DNS. Redirects
// start again from the top. Answers are bounded in time, in decompressed size
// and by their media type before anybody parses them.
//
// Failures are [protocol.Error] values that wrap a [Failure]; [Explain] turns
// one into words for the person who looks after the peers.
package transport
