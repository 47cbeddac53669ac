package auth

// Target is where a request goes, in the one form that is matched, signed and
// sent. Every field is exactly as it will travel: nothing is decoded and
// encoded again on the way.
type Target struct {
	// Scheme is "https" or "http".
	Scheme string
	// Host is a lower-case A-label name without trailing dot, a dotted-quad
	// IPv4 address, or an IPv6 address without brackets or zone.
	Host string
	// Port is never zero.
	Port uint16
	// Path is the escaped path, beginning with "/", byte for byte.
	Path string
	// RawQuery is what follows "?", byte for byte; HasQuery tells an empty
	// query from none.
	RawQuery string
	HasQuery bool
}
