// Package charter holds who a community is. A charter is a short public
// document that says who the stewards are, how many of them must agree, and
// where the community lives; its stewards sign it. The hash of the first one is
// the community's identity, its cid, which no domain and no host can take away.
//
// Mint makes the first charter together with its steward's recovery card, from
// which the steward's keys are derived and which is stored nowhere. Parse
// believes a charter only after it has counted the distinct stewards who signed
// it. A listing that claims a cid is believed only when the charter behind that
// cid names the listing's author and key.
package charter
