package proxy

import (
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// reverseRequest takes a request whose path names the upstream:
//
//	/<host[:port]>/<path>        https
//	/http:<host[:port]>/<path>   http
//	/<name>/<path>               a configured route, or one that picks its upstream
func (x *exchange) reverseRequest() *auth.Error {
	x.mode = reverse
	if err := x.locate(x.uri); err != nil {
		return err
	}
	shown, err := reverseCarriers(&x.fields)
	if err != nil {
		return err
	}
	if err := x.recognise(shown); err != nil {
		return err
	}
	return x.road()
}

// locate finds the target that a reverse path and query names, and how its
// URLs are written back.
func (x *exchange) locate(uri string) *auth.Error {
	if err := x.ownName(); err != nil {
		return err
	}
	seg, rest := splitSegment(uri)
	scheme, authority := "https", seg
	switch {
	case seg == "":
		return noUpstream("the path names no upstream", "")
	case seg == "https:", seg == "http:":
		return noUpstream("the path holds a whole URL with its scheme", seg)
	case seg == "ca.pem":
		return noUpstream("ca.pem is no host", seg)
	case strings.HasPrefix(seg, "http:"):
		scheme, authority = "http", seg[len("http:"):]
	case x.policy.pickers[seg] != nil:
		if !strings.HasPrefix(rest, "/") {
			rest = "/" + rest
		}
		x.picking = &picking{picker: x.policy.pickers[seg], name: seg, rest: rest}
		x.back.name = seg
		return nil
	case !strings.ContainsAny(seg, ".:["):
		r, ok := x.policy.routes[seg]
		if !ok {
			return noUpstream("the first path segment names neither a host (there is no dot in it) nor a configured route", seg)
		}
		scheme, authority, rest = r.scheme, r.authority, r.path+rest
		x.back.route, x.back.name = &r, seg
	}
	if rest == "" || rest[0] != '/' {
		rest = "/" + rest
	}
	t, err := auth.ParseTarget(scheme, authority, rest)
	if err != nil {
		return auth.AsError(err)
	}
	return x.aim(t)
}

// noUpstream is the refusal of a path whose first segment is no host: what was
// probably meant is said by that segment.
func noUpstream(reason, seg string) *auth.Error {
	next := "Begin the path with the upstream's host, as in /huggingface.co/org/model/resolve/main/file; an endpoint such as HF_ENDPOINT ends in /huggingface.co."
	switch seg {
	case "https:":
		next = "Leave the scheme out: the path begins with the upstream's host, as in /huggingface.co/org/model/resolve/main/file."
	case "http:":
		next = "Write /http:HOST/PATH for a plain upstream, with one slash."
	case "healthz", "readyz", "ca.pem":
		next = "weighbridge's own pages are below /.weighbridge/: /.weighbridge/" + seg + "."
	}
	return &auth.Error{Code: auth.CodeBadTarget, Reason: reason, Next: next}
}

// splitSegment cuts the first segment of a path off what follows it.
func splitSegment(uri string) (seg, rest string) {
	uri = strings.TrimPrefix(uri, "/")
	if i := strings.IndexAny(uri, "/?"); i >= 0 {
		return uri[:i], uri[i:]
	}
	return uri, ""
}

// ownName refuses a Host field that is no authority: answers may carry it.
func (x *exchange) ownName() *auth.Error {
	if x.authority == "" && x.http10 || x.policy.publicURL != "" {
		return nil
	}
	if _, _, err := auth.ParseAuthority(x.authority, 80); err != nil {
		return auth.AsError(err)
	}
	return nil
}

// base is our own address as this worker knows it.
func (x *exchange) base() string {
	if x.policy.publicURL != "" {
		return x.policy.publicURL
	}
	authority := x.authority
	if authority == "" {
		authority = x.line.localAddr().String()
	}
	if x.secure {
		return "https://" + authority
	}
	return "http://" + authority
}
