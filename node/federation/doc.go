// Package federation is how other servers see this node and how it sees them:
// actors, WebFinger, NodeInfo and collections are served, inboxes take what is
// signed and hand it to the door, and the deliverer follows the log and posts
// what was published here to every follower's inbox.
package federation
