package signer

import "github.com/weighbridge/weighbridge/auth"

// anywhere is the deciding half of the providers that stand for no service in
// particular: a pattern means itself, there are no companions, and the method
// alone says what a request does.
type anywhere struct{}

func (anywhere) Expand(p auth.Pattern) ([]auth.Rule, error) {
	return []auth.Rule{{Pattern: p}}, nil
}

func (anywhere) Companions() []auth.Companion { return nil }

func (anywhere) Classify(method string, _ auth.Target) auth.Class {
	return classifyMethod(method)
}

// classifyMethod tells reading from writing by the method (RFC 9110, section
// 9.2.1: GET, HEAD and OPTIONS are safe). Methods are case-sensitive, and one
// that is not known is not understood: TRACE echoes what was put on the
// request, CONNECT leaves HTTP, others may do anything.
func classifyMethod(method string) auth.Class {
	switch method {
	case "GET", "HEAD", "OPTIONS":
		return auth.ClassRead
	case "POST", "PUT", "PATCH", "DELETE":
		return auth.ClassWrite
	default:
		return auth.ClassForbidden
	}
}
