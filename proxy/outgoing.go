package proxy

import (
	"io"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/proxy/box"
	"github.com/weighbridge/weighbridge/proxy/scrub"
)

// outgoing is a request on its way to the upstream.
type outgoing struct {
	auth.Outgoing
	fields fields
	// bytes is the body where it is in memory, stream where it is not; length
	// is that of stream, -1 for chunked.
	bytes  []byte
	stream io.Reader
	length int64
	// ranged says that a Range of the worker was left out, because the answer
	// is looked into as a whole.
	ranged bool
	// sent, if set, is called when the request is on its way to the upstream.
	sent func()
}

// outgoing builds the request that goes to the upstream, all but its
// credential. whole leaves Range out.
//
// The header is what the worker sent, in its order and spelling, without what
// is between the worker and us: hop-by-hop fields and those that Connection
// names (RFC 9110, section 7.6.1), keys, fields by which an upstream could be
// made to see another method, URL or host than the one that was decided, and
// fields that tell where the worker is.
func (x *exchange) outgoing(whole bool) (*outgoing, *auth.Error) {
	d := &x.decision
	out := &outgoing{Outgoing: auth.Outgoing{Method: x.method, Target: x.target, Decided: x.entry != nil}}
	out.Header = &out.fields
	named := x.connectionNamed()
	if len(named) > maxFields {
		return nil, auth.NewError(auth.CodeBadRequest, "the Connection field names more than 256 fields", nil)
	}
	inject := d.Outcome == auth.Inject
	if g, ok := x.p.o.Signer.(Guide); ok && inject {
		if err := g.Aim(d, &out.Outgoing); err != nil {
			return nil, unsigned(d, err)
		}
	}
	out.fields = make(fields, 0, len(x.fields)+2)
	for i := range x.fields {
		f := &x.fields[i]
		if x.drops(f, named) {
			continue
		}
		out.fields = append(out.fields, *f)
	}
	if err := x.keepsKeys(out); err != nil {
		return nil, err
	}
	wants := auth.WantsNothing
	if rw, ok := d.Provider.(auth.Rewriter); ok {
		wants = rw.Prepare(x.asked(), &out.fields)
	}
	if x.entry != nil {
		wants = max(wants, x.entry.Wants)
	}
	if x.observes() {
		wants = max(wants, auth.WantsPlain)
	}
	if whole || wants == auth.WantsWhole {
		out.ranged = true
		out.fields.Del("Range")
		out.fields.Del("If-Range")
	}
	switch {
	case wants != auth.WantsNothing:
		out.fields.Set("Accept-Encoding", "identity")
	case inject:
		// Of the codings that the worker takes, those whose texts can be
		// looked into; for HEAD and for ranges the same, so that lengths and
		// positions are those of what a GET would bring.
		worker := strings.Join(x.fields.Values("Accept-Encoding"), ", ")
		out.fields.Set("Accept-Encoding", scrub.AcceptEncoding("GET", worker, x.fields.has("Accept-Encoding"), false))
	}
	switch {
	case x.hasBody:
		out.bytes = x.body
	case x.length != 0:
		out.stream, out.length = x.pace.Reader(x.transfer.ctx, x.requestBody()), x.length
	}
	return out, nil
}

// connectionNamed are the field names that Connection lists: hop-by-hop,
// whatever they are. All Connection fields count, also behind an empty one.
func (x *exchange) connectionNamed() []string {
	var named []string
	x.fields.tokens("Connection", func(t string) bool {
		named = append(named, t)
		return true
	})
	return named
}

// drops reports whether a field of the worker's request does not travel.
func (x *exchange) drops(f *field, named []string) bool {
	switch kindOf(f.name) {
	case hopByHop, ours, override, position:
		return true
	case secret:
		if x.dropsSecret(f) {
			return true
		}
	case referring:
		if x.toUs() && x.isOurs(f.value) {
			return true
		}
	}
	for _, n := range named {
		if f.is(n) {
			return true
		}
	}
	return false
}

// isOurs reports whether a URL is one of our own listener, which could hold a
// sealed URL or a URL key.
func (x *exchange) isOurs(url string) bool {
	if strings.Contains(url, wellKnown) || strings.HasPrefix(url, x.base()) {
		return true
	}
	_, rest, _ := strings.Cut(url, "://")
	return x.authority != "" && strings.HasPrefix(rest, x.authority)
}

// dropsSecret decides about the worker's own Authorization and Cookie.
func (x *exchange) dropsSecret(f *field) bool {
	d := &x.decision
	authorization := f.is("Authorization")
	switch {
	case d.Outcome == auth.Inject, d.Signed:
		bearer := authorization && d.KeepBearer && len(f.value) > 7 && strings.EqualFold(f.value[:7], "Bearer ")
		return !bearer || x.isKey(f.value)
	case !authorization:
		return false
	case x.box != nil && x.box.Kind == box.KindURL, x.isKey(f.value):
		return true
	}
	p, ok := d.Provider.(auth.Placeholderer)
	return ok && p.IsPlaceholder(f.value)
}

// isKey reports whether the value of an Authorization field is one of our
// keys, or a token that was made for us.
func (x *exchange) isKey(value string) bool {
	for _, t := range credentialTokens(value) {
		if x.holds(t) {
			return true
		}
	}
	return x.holds(value)
}

// keepsKeys refuses a request that would carry a key of ours upstream in a
// field that is not known to carry keys.
func (x *exchange) keepsKeys(out *outgoing) *auth.Error {
	for i := range out.fields {
		if f := &out.fields[i]; x.holds(f.value) {
			return carriesKey("the header field " + f.name)
		}
	}
	return nil
}

// fieldKind sorts header fields of requests by what becomes of them.
type fieldKind uint8

const (
	plain fieldKind = iota
	// hopByHop fields are for us, or are written anew. Max-Forwards is among them
	// though it is to be counted down for OPTIONS (RFC 9110, section 7.6.2): we
	// answer none in an upstream's place.
	hopByHop
	// ours are X-Weighbridge-….
	ours
	// override fields make some servers see another method, URL or host.
	override
	// position fields tell where a request came from. None is added, not even the
	// Via that proxies are to send (RFC 9110, section 7.6.3): docs/security.md
	// says why.
	position
	// secret fields are the worker's own authorization.
	secret
	// referring fields name the URL of another request.
	referring
)

// longestKnown is the longest name in kinds.
const longestKnown = len("x-http-method-override")

// kinds are the names that are not plain, lower-case.
var kinds = map[string]fieldKind{
	"connection": hopByHop, "keep-alive": hopByHop, "te": hopByHop, "trailer": hopByHop,
	"transfer-encoding": hopByHop, "upgrade": hopByHop, "http2-settings": hopByHop,
	"host": hopByHop, "content-length": hopByHop, "expect": hopByHop, "max-forwards": hopByHop,

	"x-http-method": override, "x-http-method-override": override, "x-method-override": override,
	"x-method": override, "x-original-method": override, "x-original-path": override, "x-override-url": override,
	"x-original-url": override, "x-rewrite-url": override, "x-original-uri": override,
	"x-original-host": override, "x-host": override, "x-http-host-override": override,

	"forwarded": position, "x-real-ip": position, "x-client-ip": position, "client-ip": position,
	"true-client-ip": position, "x-cluster-client-ip": position, "via": position,

	"authorization": secret, "cookie": secret, "cookie2": secret, "x-amz-security-token": secret,

	"referer": referring, "origin": referring,
}

// kindOf sorts a field name.
func kindOf(name string) fieldKind {
	var buf [longestKnown]byte
	n := len(name)
	if n > len(buf) {
		n = len(buf)
	}
	for i := 0; i < n; i++ {
		c := name[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		case c == '_':
			c = '-' // CGI and its heirs read both as one (RFC 3875, section 4.1.18)
		}
		buf[i] = c
	}
	low := buf[:n]
	switch {
	case hasPrefix(low, "proxy-"):
		return hopByHop
	case hasPrefix(low, "x-weighbridge-"):
		return ours
	case hasPrefix(low, "x-forwarded-"):
		return position
	case strings.IndexByte(name, '_') >= 0 && (hasPrefix(low, "x-amz-") || hasPrefix(low, "x-goog-") || hasPrefix(low, "x-ms-")):
		// What storages are told by is signed or looked at under its own name.
		return override
	case len(name) > len(buf):
		return plain
	}
	return kinds[string(low)]
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}
