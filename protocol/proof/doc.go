// Package proof makes and checks the signatures that travel inside documents:
// FEP-8b32 integrity proofs with the cryptosuite eddsa-jcs-2022, and keys as
// FEP-521a Multikey.
//
// A document is handled as the bytes that arrived. Verify brings the whole of
// it to its canonical form (RFC 8785) once and takes the proof out of that
// form, so that no value passes through a Go map or a float on the way and two
// readers cannot see two documents. Whether the key belongs to the document's
// author is for the caller to say, through the function that resolves keys.
package proof
