package auth

// FieldLister is a Header of which every field can be looked at, in order.
type FieldLister interface {
	Header
	Each(f func(name, value string))
}

// Refused is an answer of status 300 or more to a request with a credential,
// before anything of it reached the worker.
type Refused struct {
	// Host is the upstream's.
	Host   string
	Status int
	Header Header
	// Body reads the answer's body where it has 64 KiB at most; nil otherwise.
	Body func() []byte
	// Again says that the request had been asked once more already.
	Again bool
	// Repeatable says that it can be: it has no body that is gone by now.
	Repeatable bool
}

// Lesson is what a signer has learned of an answer. The zero Lesson is
// nothing: the answer goes to the worker.
type Lesson struct {
	// Again asks for the same request once more. It is a new one: decided,
	// recorded and signed afresh.
	Again bool
	// Note says for the log what was learned.
	Note string
	// Err is answered in place of the answer.
	Err *Error
}
