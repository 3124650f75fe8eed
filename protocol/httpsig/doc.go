// Package httpsig signs requests and verifies who sent one, in the two schemes
// that the fediverse speaks: draft-cavage-http-signatures-12 (every server) and
// RFC 9421 (the newer ones).
//
// Verify trusts nothing that it has not seen signed: the method, the address,
// the host, the body's digest, which it computes again, and a time that lies
// within a narrow window. The address and host are held against the server's
// own configured address, never against what the client claims alone. Which key
// belongs to whom is for the caller to say.
//
// go-fed/httpsig does the draft-cavage signing strings and the cryptography. It
// checks neither the digest, nor the date, nor which headers are signed; that
// is done here, and it sees only a copy of the request that holds what was
// checked. RFC 9421 is built on dunglas/httpsfv: remitly-oss/httpsig-go leaves
// the path out of @target-uri for ordinary addresses and takes its scheme and
// host from the connection.
package httpsig
