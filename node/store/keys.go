package store

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Every key of a node is made on this page, and each begins with one of these
// prefixes. No prefix is the beginning of another. What follows is built of
// three kinds of part, so that no string from outside can reach beyond its
// own row:
//
//	number   8 bytes, big-endian, so that keys sort as the numbers do
//	name     one byte of length, then the bytes; a name over 200 bytes is
//	         replaced by 0xff and its SHA-256
//	hash     32 bytes; IRIs are always hashed, their text is in the value
//
// The comment behind each prefix gives the parts → the value.
const (
	prefixMeta      = "meta/"      // word → format version, last log number, marks of unfinished work
	prefixLog       = "log/"       // number seq → Entry
	prefixBody      = "body/"      // hash of the body → the signed bytes; empty once erased
	prefixListing   = "listing/"   // name cid, name uid → the listing's current state
	prefixHistory   = "history/"   // name cid, name uid, number seq → digest of that revision's body
	prefixClaim     = "claim/"     // name uid, name cid → empty: who claims this uid
	prefixChange    = "change/"    // name cid, number version → uid
	prefixObject    = "object/"    // hash of the object's IRI → cid and uid
	prefixCommunity = "community/" // name cid → the community
	prefixCharter   = "charter/"   // name cid, number charter version → the signed charter
	prefixActor     = "actor/"     // hash of the actor's IRI → cid

	prefixSeen      = "seen/"      // hash of the activity's IRI → log number, so that a replay changes nothing
	prefixSignature = "signature/" // hash of a request signature → when it may be forgotten
	prefixSigExpiry = "sigexpiry/" // number Unix second, hash of the signature → empty: what to forget when

	prefixRemote    = "remote/"    // hash of the actor's IRI → cached remote actor
	prefixFollower  = "follower/"  // hash of our actor's IRI, hash of the follower's → the follower
	prefixFollowing = "following/" // hash of our actor's IRI, hash of the followed → the relation
	prefixDelivery  = "delivery/"  // hash of the inbox's IRI, number seq → what to send there
	prefixInbox     = "inbox/"     // hash of the inbox's IRI → state: failures, next attempt
	prefixPeer      = "peer/"      // name host → the peer
	prefixCursor    = "cursor/"    // name follower → number of the last entry it has whole

	// Never in the log, never synced, erasable row by row.
	prefixPrivate = "private/"
	prefixKey     = prefixPrivate + "key/"     // name → secret key
	prefixSession = prefixPrivate + "session/" // hash of the session's secret → session
	prefixToken   = prefixPrivate + "token/"   // hash of the token's secret → token
	prefixContact = prefixPrivate + "contact/" // name cid, name uid → contact details
)

// IRIHash is the form in which an IRI appears in keys.
func IRIHash(iri string) [32]byte { return sha256.Sum256([]byte(iri)) }

// MetaKey is the row of one fact about the store itself.
func MetaKey(word string) []byte { return newKey(prefixMeta).name(word) }

// LogKey is the row of the log entry with number seq; LogPrefix, the log.
func LogKey(seq uint64) []byte { return newKey(prefixLog).number(seq) }

// LogPrefix is where every log entry lies, in order.
func LogPrefix() []byte { return newKey(prefixLog) }

// BodyKey is the row of the body whose SHA-256 is digest.
func BodyKey(digest Digest) []byte { return newKey(prefixBody).hash(digest) }

// ListingKey is the row of a listing's current state.
func ListingKey(cid, uid string) []byte { return newKey(prefixListing).name(cid).name(uid) }

// ListingPrefix is where every listing of a community lies, by uid.
func ListingPrefix(cid string) []byte { return newKey(prefixListing).name(cid) }

// AllListings is where every listing known to the node lies.
func AllListings() []byte { return newKey(prefixListing) }

// HistoryKey is the row of one revision of a listing, accepted at seq.
func HistoryKey(cid, uid string, seq uint64) []byte {
	return newKey(prefixHistory).name(cid).name(uid).number(seq)
}

// HistoryPrefix is where a listing's revisions lie, oldest first.
func HistoryPrefix(cid, uid string) []byte { return newKey(prefixHistory).name(cid).name(uid) }

// ClaimKey says that community cid has a listing with this uid.
func ClaimKey(uid, cid string) []byte { return newKey(prefixClaim).name(uid).name(cid) }

// ClaimPrefix is where all claims to one uid lie.
func ClaimPrefix(uid string) []byte { return newKey(prefixClaim).name(uid) }

// ChangeKey is the row of a community's edit with that version.
func ChangeKey(cid string, version uint64) []byte {
	return newKey(prefixChange).name(cid).number(version)
}

// ChangePrefix is where a community's edits lie, oldest first.
func ChangePrefix(cid string) []byte { return newKey(prefixChange).name(cid) }

// ObjectKey leads from an object's IRI to its listing.
func ObjectKey(iri string) []byte { return newKey(prefixObject).hash(IRIHash(iri)) }

// CommunityKey is the row of a community.
func CommunityKey(cid string) []byte { return newKey(prefixCommunity).name(cid) }

// CommunityPrefix is where every community known to the node lies.
func CommunityPrefix() []byte { return newKey(prefixCommunity) }

// CharterKey is the row of one version of a community's charter.
func CharterKey(cid string, version uint64) []byte {
	return newKey(prefixCharter).name(cid).number(version)
}

// CharterPrefix is where a community's charters lie, first to newest.
func CharterPrefix(cid string) []byte { return newKey(prefixCharter).name(cid) }

// ActorKey leads from a community's actor to its cid.
func ActorKey(iri string) []byte { return newKey(prefixActor).hash(IRIHash(iri)) }

// SeenKey leads from an activity's IRI to the log entry that it became.
func SeenKey(activity string) []byte { return newKey(prefixSeen).hash(IRIHash(activity)) }

// SignatureKey is the row of a request signature that was used already.
func SignatureKey(hash [32]byte) []byte { return newKey(prefixSignature).hash(hash) }

// SignatureExpiryKey sorts used signatures by when they may be forgotten.
func SignatureExpiryKey(expires time.Time, hash [32]byte) []byte {
	return newKey(prefixSigExpiry).number(uint64(max(expires.Unix(), 0))).hash(hash)
}

// SignaturesExpiredBy selects the SignatureExpiryKeys up to and including t.
func SignaturesExpiredBy(t time.Time) Range {
	return Range{
		Prefix: newKey(prefixSigExpiry),
		To:     newKey(prefixSigExpiry).number(uint64(max(t.Unix(), 0)) + 1),
	}
}

// RemoteKey is the row of a cached remote actor.
func RemoteKey(actor string) []byte { return newKey(prefixRemote).hash(IRIHash(actor)) }

// RemotePrefix is where every cached remote actor lies.
func RemotePrefix() []byte { return newKey(prefixRemote) }

// FollowerKey is the row that says follower follows our actor.
func FollowerKey(actor, follower string) []byte {
	return newKey(prefixFollower).hash(IRIHash(actor)).hash(IRIHash(follower))
}

// FollowerPrefix is where the followers of one of our actors lie.
func FollowerPrefix(actor string) []byte { return newKey(prefixFollower).hash(IRIHash(actor)) }

// FollowingKey is the row that says our actor follows another.
func FollowingKey(actor, followed string) []byte {
	return newKey(prefixFollowing).hash(IRIHash(actor)).hash(IRIHash(followed))
}

// FollowingPrefix is where those whom one of our actors follows lie.
func FollowingPrefix(actor string) []byte { return newKey(prefixFollowing).hash(IRIHash(actor)) }

// DeliveryKey is the row of one activity to be sent to one inbox.
func DeliveryKey(inbox string, seq uint64) []byte {
	return newKey(prefixDelivery).hash(IRIHash(inbox)).number(seq)
}

// DeliveryPrefix is where all that waits for one inbox lies, oldest first.
func DeliveryPrefix(inbox string) []byte { return newKey(prefixDelivery).hash(IRIHash(inbox)) }

// AllDeliveries is where every waiting delivery lies, inbox by inbox.
func AllDeliveries() []byte { return newKey(prefixDelivery) }

// InboxKey is the row of how deliveries to one inbox are doing.
func InboxKey(inbox string) []byte { return newKey(prefixInbox).hash(IRIHash(inbox)) }

// InboxPrefix is where the state of every inbox lies.
func InboxPrefix() []byte { return newKey(prefixInbox) }

// PeerKey is the row of a peer, by host and port.
func PeerKey(host string) []byte { return newKey(prefixPeer).name(host) }

// PeerPrefix is where every peer lies.
func PeerPrefix() []byte { return newKey(prefixPeer) }

// CursorKey is the row of a follower's position in the log.
func CursorKey(follower string) []byte { return newKey(prefixCursor).name(follower) }

// PrivatePrefix is where everything lies that is never synced.
func PrivatePrefix() []byte { return newKey(prefixPrivate) }

// SecretKey is the row of one of the node's secret keys.
func SecretKey(name string) []byte { return newKey(prefixKey).name(name) }

// SessionKey is the row of a session; the secret itself is not stored.
func SessionKey(secretHash [32]byte) []byte { return newKey(prefixSession).hash(secretHash) }

// SessionPrefix is where every session lies.
func SessionPrefix() []byte { return newKey(prefixSession) }

// TokenKey is the row of an API token; the secret itself is not stored.
func TokenKey(secretHash [32]byte) []byte { return newKey(prefixToken).hash(secretHash) }

// TokenPrefix is where every API token lies.
func TokenPrefix() []byte { return newKey(prefixToken) }

// ContactKey is the row of the contact details behind a listing.
func ContactKey(cid, uid string) []byte { return newKey(prefixContact).name(cid).name(uid) }

// ContactPrefix is where a community's contact details lie.
func ContactPrefix(cid string) []byte { return newKey(prefixContact).name(cid) }

// KeyNumber returns the number that ends a key such as [LogKey],
// [HistoryKey], [ChangeKey] or [DeliveryKey]; 0 if key is too short.
func KeyNumber(key []byte) uint64 {
	if len(key) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(key[len(key)-8:])
}

// key is a key being built; see the parts at the head of this page.
type key []byte

// longestName is how many bytes of a name are kept as they are.
const longestName = 200

func newKey(prefix string) key {
	return append(make(key, 0, len(prefix)+72), prefix...)
}

func (k key) number(n uint64) key { return binary.BigEndian.AppendUint64(k, n) }

func (k key) hash(h [32]byte) key { return append(k, h[:]...) }

func (k key) name(s string) key {
	if len(s) > longestName {
		return append(k, 0xff).hash(sha256.Sum256([]byte(s)))
	}
	return append(append(k, byte(len(s))), s...)
}
