package protocol

import (
	"errors"
	"fmt"
	"strings"
)

// ErrorKind says what sort of failure an [Error] is. It decides the HTTP
// status and whether trying again can help.
type ErrorKind string

// The kinds of failure.
const (
	Invalid     ErrorKind = "invalid"     // the input is malformed or breaks a stated rule; trying again will not help
	TooLarge    ErrorKind = "too large"   // the input is over a stated size
	Unverified  ErrorKind = "unverified"  // a signature or proof is missing, wrong, stale or made by another
	Forbidden   ErrorKind = "forbidden"   // known, but not allowed to do this
	NotFound    ErrorKind = "not found"   // absent, or not for you to see
	Gone        ErrorKind = "gone"        // it was here and was deleted
	Conflict    ErrorKind = "conflict"    // it clashes with what is already here
	Unavailable ErrorKind = "unavailable" // try again later
	Internal    ErrorKind = "internal"    // our fault
)

// Error is a failure that crosses a package boundary. Strangers see the Kind
// and Err's words when the kind is theirs to mend; operators see the chain.
type Error struct {
	Op   string    // what we were doing, e.g. "directory.Accept"
	Kind ErrorKind // never empty
	ID   string    // the IRI, uid or path that it concerns; may be empty
	Err  error     // the cause, in words a person can act on
}

// Errorf makes an [Error] whose cause is formatted as fmt.Errorf does.
func Errorf(op string, kind ErrorKind, id, format string, args ...any) *Error {
	return &Error{Op: op, Kind: kind, ID: id, Err: fmt.Errorf(format, args...)}
}

// Error joins the operation, the id and the cause in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.ID != "" {
		b.WriteString(" " + e.ID)
	}
	b.WriteString(": ")
	if e.Err != nil {
		b.WriteString(e.Err.Error())
	} else {
		b.WriteString(string(e.Kind))
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the outermost [Error] in err's chain, Internal
// when there is none, and "" for a nil error.
func KindOf(err error) ErrorKind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// FieldError is one field's problem, in words that say what to do.
type FieldError struct {
	Field   string `json:"field"`   // path in the listing's JSON, e.g. "place.address.postalCode"
	Problem string `json:"problem"` // e.g. "is longer than 200 characters; shorten it"
}

// FieldErrors is every problem found in one record, in field order.
type FieldErrors []FieldError

// Error lists the problems in one line.
func (f FieldErrors) Error() string {
	parts := make([]string, len(f))
	for i, e := range f {
		parts[i] = e.Field + " " + e.Problem
	}
	return strings.Join(parts, "; ")
}
