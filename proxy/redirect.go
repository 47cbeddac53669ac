package proxy

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/box"
)

// boxLife is how long a sealed URL is good for where the signature in it does
// not end earlier: about the life of the signed URLs that Hugging Face gives
// out.
const boxLife = time.Hour

// prefixLife is how long a sealed prefix is good for. Clients take it once and
// keep it for as long as a download takes (hf_xet 1.8.0 renews its token and
// never the address), and without the token that they bring along it opens
// nothing. Whether the key still stands is asked at each use.
const prefixLife = box.MaxLife

// wayBack is how a reverse request named its upstream.
type wayBack struct {
	// prefix is /.weighbridge/k/<url-key>, or empty.
	prefix string
	// route is the configured route called name, or nil.
	route *route
	name  string
}

// returnURL turns a URL that an upstream wrote into the one by which the
// worker reaches the same thing through us. In forward mode it is ref itself,
// and so is a URL that is none of http.
//
//   - A relative reference stays relative and gets the prefix by which the
//     request came: clients resolve it against our root.
//   - An absolute one goes to our own base.
//   - One with a complete signature, or one that follows from a sealed URL and
//     so comes without a key, is sealed.
//
// What cannot be led back never reaches the worker: it becomes a URL of ours
// that leads nowhere, and x.astray says so.
func (x *exchange) returnURL(ref string) string {
	if x.mode != reverse || ref == "" || strings.HasPrefix(ref, x.base()+"/") {
		return ref
	}
	r, ok := x.resolve(ref)
	switch {
	case !ok && isForeign(ref):
		return ref
	case !ok:
		return x.goesAstray()
	}
	t, err := auth.ParseTarget(r.scheme, r.authority, r.pathAndQuery)
	if err != nil {
		if r.relative && x.box == nil {
			// The worker is to ask us and be told what is wrong with it.
			return x.policy.publicPath + x.pathFor(x.target) + r.pathAndQuery + r.fragment
		}
		return x.goesAstray()
	}
	if x.box != nil || x.isSigned(t) {
		s, ok := x.seal(t)
		switch {
		case ok:
			return s + r.fragment
		case x.p.o.Boxes == nil: // the operator wants it so
			return ref
		}
		return x.goesAstray()
	}
	path := x.pathFor(t)
	rest := r.pathAndQuery
	if x.back.route != nil && path == x.back.prefix+"/"+x.back.name {
		rest = strings.TrimPrefix(rest, x.back.route.path)
	}
	if r.relative {
		return x.policy.publicPath + path + rest + r.fragment
	}
	return x.base() + path + rest + r.fragment
}

// goesAstray is what stands in place of a URL that cannot be led back.
func (x *exchange) goesAstray() string {
	x.astray = true
	return x.base() + "/"
}

// isForeign reports whether ref is a URL of another scheme than http and https
// (RFC 3986, section 3.1), which leads to no upstream. A scheme in any other
// spelling is nothing that clients agree on.
func isForeign(ref string) bool {
	scheme, _, ok := strings.Cut(ref, ":")
	if !ok || scheme == "" || strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https") {
		return false
	}
	for i := 0; i < len(scheme); i++ {
		c := scheme[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return true
}

// pathFor is the path below our root that stands for the root of t's host, or
// of the route that the request came by.
func (x *exchange) pathFor(t auth.Target) string {
	authority := t.Authority()
	if r := x.back.route; r != nil && r.scheme == t.Scheme && r.authority == authority &&
		(r.path == "" || t.Path == r.path || strings.HasPrefix(t.Path, r.path+"/")) {
		return x.back.prefix + "/" + x.back.name
	}
	if t.Scheme == "http" {
		return x.back.prefix + "/http:" + authority
	}
	if !strings.ContainsAny(authority, ".:[") {
		authority += ":443" // a bare name would be a route
	}
	return x.back.prefix + "/" + authority
}

// isSigned asks what the decision about t would be if it came in a sealed URL.
func (x *exchange) isSigned(t auth.Target) bool {
	if !t.HasQuery {
		return false
	}
	d := x.snap.Decide(auth.Question{
		Identity: x.identity, Method: "GET", Target: t, Unmatched: auth.UnmatchedPass,
		Boxed: true, Origin: x.origin(), Now: x.at,
	})
	return d.Signed
}

// origin is the URL that a sealed one is put down to: the one that was asked
// for, without its query.
func (x *exchange) origin() auth.Target {
	if x.box != nil {
		return x.box.Origin
	}
	t := x.target
	t.RawQuery, t.HasQuery = "", false
	return t
}

// returnPrefix is returnURL for a base on which the worker builds URLs, for
// requests that carry no key (see auth.Answer). Only what the key could reach
// by itself and without a credential is sealed so.
func (x *exchange) returnPrefix(ref string, write bool) string {
	if x.mode != reverse || strings.HasPrefix(ref, x.base()+"/") {
		return ref
	}
	r, ok := x.resolve(ref)
	t, err := auth.ParseTarget(r.scheme, r.authority, r.pathAndQuery)
	if !ok || err != nil || t.HasQuery || r.fragment != "" {
		return x.returnURL(ref)
	}
	d := x.snap.Decide(auth.Question{
		Identity: x.identity, Method: "GET", Target: t, Unmatched: x.policy.unmatched(x.mode), Now: x.at,
	})
	if d.Outcome != auth.Bare {
		return x.returnURL(ref)
	}
	kind := box.KindPrefix
	if write && x.identity.Scope == auth.ScopeWrite && !x.identity.ViaURLKey {
		kind = box.KindWritePrefix
	}
	s, ok := x.sealAs(kind, t, x.at.Add(prefixLife))
	switch {
	case ok:
		return s
	case x.p.o.Boxes == nil: // the operator wants it so
		return ref
	}
	return x.goesAstray()
}

// seal makes the sealed URL for t.
func (x *exchange) seal(t auth.Target) (string, bool) {
	expires := x.at.Add(boxLife)
	if end, ok := signatureEnd(t.RawQuery); ok && end.Before(expires) {
		expires = end
	}
	return x.sealAs(box.KindURL, t, expires)
}

func (x *exchange) sealAs(kind box.Kind, t auth.Target, expires time.Time) (string, bool) {
	if x.p.o.Boxes == nil {
		return "", false
	}
	s, err := x.p.o.Boxes.Seal(box.Box{
		Kind: kind, TeamID: x.identity.TeamID, KeyID: x.identity.KeyID,
		Target: t, Origin: x.origin(), Expires: expires,
	})
	if err != nil {
		x.p.o.Logger.Warn().Str("request_id", x.id).Str("url", t.Redacted()).Err(err).Msg("a URL could not be sealed")
		return "", false
	}
	return x.base() + sealed + s, true
}

// reference is a resolved URL reference (RFC 3986, section 5.2).
type reference struct {
	scheme, authority, pathAndQuery, fragment string
	// relative says that it had no authority of its own.
	relative bool
}

// resolve resolves ref against the URL that was asked for. Nothing is decoded,
// and nothing encoded but what clients encode who are given it: see escaped. ok
// is false for schemes other than http and https.
func (x *exchange) resolve(ref string) (r reference, ok bool) {
	if i := strings.IndexByte(ref, '#'); i >= 0 {
		ref, r.fragment = ref[:i], ref[i:]
	}
	r.scheme, r.authority, r.relative = x.target.Scheme, x.target.Authority(), true
	if i := strings.IndexAny(ref, ":/?"); i > 0 && ref[i] == ':' {
		r.scheme = strings.ToLower(ref[:i])
		if ref = ref[i+1:]; r.scheme != "http" && r.scheme != "https" || !strings.HasPrefix(ref, "//") {
			return r, false
		}
	}
	if strings.HasPrefix(ref, "//") {
		end := strings.IndexAny(ref[2:], "/?")
		if end < 0 {
			end = len(ref) - 2
		}
		r.authority, ref, r.relative = ref[2:2+end], ref[2+end:], false
	}
	path, query, hasQuery := strings.Cut(ref, "?")
	switch {
	case path == "" && !r.relative:
		path = "/"
	case path == "":
		path = x.target.Path
		if !hasQuery {
			query, hasQuery = x.target.RawQuery, x.target.HasQuery
		}
	case path[0] != '/':
		path = x.target.Path[:strings.LastIndexByte(x.target.Path, '/')+1] + path
	}
	r.pathAndQuery = escaped(withoutDots(path))
	if hasQuery {
		r.pathAndQuery += "?" + escaped(query)
	}
	return r, true
}

// escaped writes as percent escapes what has no place in a URL and servers
// send raw nonetheless: spaces and bytes outside ASCII. Browsers and download
// clients do the same (URL Standard, section 1.3). Controls and backslashes
// stay, and are refused: of those every client makes something else.
func escaped(s string) string {
	const hex = "0123456789ABCDEF"
	var b []byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != ' ' && c < 0x80 {
			if b != nil {
				b = append(b, c)
			}
			continue
		}
		if b == nil {
			b = append(make([]byte, 0, len(s)+16), s[:i]...)
		}
		b = append(b, '%', hex[c>>4], hex[c&15])
	}
	if b == nil {
		return s
	}
	return string(b)
}

// withoutDots removes dot segments (RFC 3986, section 5.2.4).
func withoutDots(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	segments := strings.Split(path, "/")
	out := segments[:1]
	for i, s := range segments[1:] {
		last := i == len(segments)-2
		switch s {
		case ".", "..":
			if s == ".." && len(out) > 1 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, s)
		}
	}
	return strings.Join(out, "/")
}

// returnLink rewrites the targets in a Link field (RFC 8288, section 3).
func (x *exchange) returnLink(v string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case quoted && c == '\\' && i+1 < len(v):
			b.WriteByte(c)
			i++
			c = v[i]
		case c == '"':
			quoted = !quoted
		case c == '<' && !quoted:
			if end := strings.IndexByte(v[i:], '>'); end > 0 {
				b.WriteString("<" + x.returnURL(v[i+1:i+end]) + ">")
				i += end
				continue
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}

// signatureEnd reads from a signed URL's query when it ends: X-Amz-Date and
// X-Amz-Expires (SigV4), X-Goog-… alike, Expires (CloudFront, SigV2, GCS V2),
// and se (SAS). ok is false where none is there to be read.
func signatureEnd(rawQuery string) (end time.Time, ok bool) {
	q, _ := url.ParseQuery(rawQuery)
	get := func(name string) string {
		for k, v := range q {
			if strings.EqualFold(k, name) && len(v) > 0 {
				return v[0]
			}
		}
		return ""
	}
	for _, vendor := range [...]string{"X-Amz-", "X-Goog-"} {
		from, err := time.Parse("20060102T150405Z", get(vendor+"Date"))
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(get(vendor+"Expires"), 10, 32); err == nil && n >= 0 {
			return from.Add(time.Duration(n) * time.Second), true
		}
	}
	if n, err := strconv.ParseInt(get("Expires"), 10, 64); err == nil && n > 0 {
		return time.Unix(n, 0), true
	}
	se := get("se")
	for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04Z", "2006-01-02"} {
		if t, err := time.Parse(layout, se); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
