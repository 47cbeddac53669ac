package s3front

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
)

func pair(name, value string) auth.HeaderField { return auth.HeaderField{Name: name, Value: value} }

// TestWhatIsAskedUpstream: the URL, and what of the header travels.
func TestWhatIsAskedUpstream(t *testing.T) {
	y := newYard(t)
	for _, c := range []struct {
		ask  ask
		want string // method of the subject, its URL, the URL sent
	}{
		{ask{key: "reader", uri: "/models/sd/a%20b"}, "GET " + endpoint + "/models/sd/a%20b"},
		{ask{key: "reader", uri: "/models/a+b%2bc%2Fd%252Fe"}, "GET " + endpoint + "/models/a%2Bb%2Bc/d%252Fe"},
		{ask{key: "reader", uri: "/models/%c3%a9~%7E//x/"}, "GET " + endpoint + "/models/%C3%A9~~//x/"},
		{ask{key: "reader", method: "HEAD", uri: "/models/k?partNumber=1&x-id=HeadObject"}, "HEAD " + endpoint + "/models/k?partNumber=1&x-id=HeadObject"},
		{ask{key: "reader", uri: "/models?list-type=2&prefix=sd/&delimiter=%2F"}, "GET " + endpoint + "/models?delimiter=%2F&list-type=2&prefix=sd%2F | " + endpoint + "/models/?list-type=2&prefix=sd%2F"},
		{ask{key: "reader", uri: "/models/?prefix=x"}, "GET " + endpoint + "/models/?prefix=x | " + endpoint + "/models/?list-type=2&prefix=x"},
		{ask{key: "reader", uri: "/models?location"}, "GET " + endpoint + "/models?location= | " + endpoint + "/models/?list-type=2"},
		{ask{key: "part", method: "HEAD", uri: "/models"}, "GET " + endpoint + "/models | " + endpoint + "/models/?list-type=2&prefix=sd%2F"},
		{ask{key: "reader", uri: "/k/e%20y", host: "models.s3.example.com"}, "GET " + endpoint + "/models/k/e%20y"},
		{ask{key: "reader", uri: "/models/k", host: "s3.example.com:8443"}, "GET " + endpoint + "/models/k"},
		{ask{key: "alias", uri: "/mod/k"}, "GET " + endpoint + "/models/k"},
		{ask{key: "alias", uri: "/sdx/k?versionId=1"}, "GET " + endpoint + "/models/sd/xl/k?versionId=1"},
		{ask{key: "alias", uri: "/sdx?list-type=2&start-after=a"}, "GET " + endpoint + "/models?list-type=2&prefix=sd%2Fxl%2F&start-after=sd%2Fxl%2Fa | " + endpoint + "/models/?list-type=2&prefix=sd%2Fxl%2F"},
		{ask{key: "aws", uri: "/acme/k"}, "GET https://s3.eu-west-1.amazonaws.com/acme/k"},
		{ask{key: "both", uri: "/acme/k"}, "GET https://s3.eu-west-1.amazonaws.com/acme/k"},
		{ask{key: "both", uri: "/other/k"}, "GET " + endpoint + "/other/k"},
		{ask{key: "writer", method: "DELETE", uri: "/models/k"}, "DELETE " + endpoint + "/models/k"},
		{ask{key: "writer", method: "POST", uri: "/models/k?uploads"}, "PUT " + endpoint + "/models/k?uploads= | " + endpoint + "/models/k"},
		{ask{key: "writer", uri: "/models/k?uploadId=u"}, "PUT " + endpoint + "/models/k?uploadId=u | " + endpoint + "/models/k"},
	} {
		e, err := y.enter(c.ask)
		if err != nil {
			t.Errorf("%s %s: %v", c.ask.method, c.ask.uri, err)
			continue
		}
		got := e.Subject.Method + " " + e.Target.String()
		if s := e.Subject.Target.String(); s != e.Target.String() {
			got += " | " + s
		}
		if got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.ask.method, c.ask.uri, got, c.want)
		}
		id, err := e.Identify(y.snapshot(), y.now)
		if err != nil || id.KeyID != "key_"+c.ask.key {
			t.Errorf("%v %v", id, err)
		}
	}
}

// TestNothingOfTheSignatureTravels: neither the worker's signature nor what
// its SDK says of itself, and everything else does.
func TestNothingOfTheSignatureTravels(t *testing.T) {
	y := newYard(t)
	e, err := y.enter(ask{key: "reader", uri: "/models/k", fields: []auth.HeaderField{
		pair("Range", "bytes=0-1"), pair("If-None-Match", `"x"`), pair("X-Amz-Checksum-Mode", "ENABLED"), pair("Amz-Sdk-Invocation-Id", "1"),
		pair("x-amz-user-agent", "sdk"), pair("X-Amz-Server-Side-Encryption-Customer-Key", "k"), pair("User-Agent", "boto"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range e.Fields {
		names = append(names, f.Name)
	}
	want := []string{"Host", "Range", "If-None-Match", "X-Amz-Checksum-Mode", "X-Amz-Server-Side-Encryption-Customer-Key", "User-Agent"}
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

// TestRefusals: what a key may not do, in the words of S3.
func TestRefusals(t *testing.T) {
	y := newYard(t)
	y.key("revoked", auth.ScopeRead, auth.S3Access{}, "cred_minio")
	y.state.Keys[len(y.state.Keys)-1].RevokedAt = y.now.Add(-time.Minute)
	y.key("expired", auth.ScopeRead, auth.S3Access{}, "cred_minio")
	y.state.Keys[len(y.state.Keys)-1].ExpiresAt = y.now
	y.key("unlinked", auth.ScopeRead, auth.S3Access{})
	denied := "403 AccessDenied "
	for _, c := range []struct {
		ask  ask
		want string
	}{
		{ask{key: "revoked", uri: "/models/k"}, "403 InvalidAccessKeyId key_revoked"},
		{ask{key: "expired", uri: "/models/k"}, "403 InvalidAccessKeyId key_expired"},
		{ask{key: "unlinked", uri: "/models/k"}, denied + "route_forbidden"},
		{ask{key: "aws", uri: "/other/k"}, denied + "route_forbidden"},
		{ask{key: "part", uri: "/other/sd/k"}, denied + "route_forbidden"},
		{ask{key: "part", uri: "/models/xl/k"}, denied + "route_forbidden"},
		{ask{key: "part", uri: "/models/sd"}, denied + "route_forbidden"},
		{ask{key: "part", uri: "/models?list-type=2"}, denied + "route_forbidden"},
		{ask{key: "part", uri: "/models?list-type=2&prefix=sd"}, denied + "route_forbidden"},
		{ask{key: "part", uri: "/models?prefix=xl/"}, denied + "route_forbidden"},
		{ask{key: "part", uri: "/models?prefix=sd/../xl/"}, "400 InvalidURI bad_target"},
		{ask{key: "part", uri: "/models?prefix=sd//xl/"}, "400 InvalidURI bad_target"},
		{ask{key: "part", uri: "/models/sd//k"}, "400 InvalidURI bad_target"},
		{ask{key: "part", uri: "/models?uploads&prefix=xl"}, denied + "route_forbidden"},
		{ask{key: "part", method: "HEAD", uri: "/other"}, denied + "route_forbidden"},
		{ask{key: "alias", uri: "/sdx//k"}, "400 InvalidURI bad_target"},
		{ask{key: "alias", uri: "/other/k"}, denied + "route_forbidden"},
		{ask{key: "reader", uri: "/models/k?acl"}, denied + "scope_forbidden"},
		{ask{key: "writer", method: "PUT", uri: "/models/k?acl"}, denied + "scope_forbidden"},
		{ask{key: "writer", method: "PUT", uri: "/models/k?tagging"}, denied + "scope_forbidden"},
		{ask{key: "writer", method: "PUT", uri: "/models?policy"}, denied + "scope_forbidden"},
		{ask{key: "writer", method: "PUT", uri: "/models"}, denied + "scope_forbidden"},
		{ask{key: "writer", method: "DELETE", uri: "/models"}, denied + "scope_forbidden"},
		{ask{key: "writer", method: "DELETE", uri: "/models?lifecycle"}, denied + "scope_forbidden"},
		{ask{key: "writer", method: "POST", uri: "/models/k?select&select-type=2"}, denied + "scope_forbidden"},
		{ask{key: "reader", uri: "/models/k?torrent"}, denied + "scope_forbidden"},
		{ask{key: "reader", uri: "/models/k?unheard-of"}, denied + "scope_forbidden"},
		{ask{key: "reader", uri: "/models/k?list-type=2"}, denied + "scope_forbidden"},
		{ask{key: "reader", uri: "/models?prefix=a&prefix=b"}, "400 InvalidArgument bad_target"},
		{ask{key: "reader", uri: "/models?uploads"}, denied + "scope_forbidden"},
		{ask{key: "reader", method: "PUT", uri: "/models/k"}, denied + "scope_forbidden"},
		{ask{key: "reader", method: "DELETE", uri: "/models/k"}, denied + "scope_forbidden"},
		{ask{key: "reader", method: "POST", uri: "/models?delete", body: "<Delete/>"}, denied + "scope_forbidden"},
		{ask{key: "reader", method: "PATCH", uri: "/models/k"}, "405 MethodNotAllowed scope_forbidden"},
		{ask{key: "reader", method: "PUT", uri: "/"}, "405 MethodNotAllowed scope_forbidden"},
		{ask{key: "reader", uri: "/a/k"}, denied + "route_forbidden"},
		{ask{key: "reader", uri: "//k"}, "400 InvalidBucketName bad_target"},
		{ask{key: "writer", method: "PUT", uri: "/models/k", fields: []auth.HeaderField{pair("X-Amz-Acl", "public-read")}}, denied + "scope_forbidden"},
		{ask{key: "writer", method: "PUT", uri: "/models/k", fields: []auth.HeaderField{pair("X-Amz-Grant-Read", "x")}}, denied + "scope_forbidden"},
		{ask{key: "writer", method: "DELETE", uri: "/models/k", fields: []auth.HeaderField{pair("X-Amz-Bypass-Governance-Retention", "true")}}, denied + "scope_forbidden"},
		// What a storage that keeps files would make a path of.
		{ask{key: "writer", method: "PUT", uri: "/models/k?partNumber=7&uploadId=..%2F..%2F..%2Fother"}, "400 InvalidArgument bad_target"},
		{ask{key: "writer", method: "DELETE", uri: "/models/k?uploadId=..%2F..%2Fother"}, "400 InvalidArgument bad_target"},
		{ask{key: "writer", method: "PUT", uri: "/models/k?partNumber=..%2F7&uploadId=x"}, "400 InvalidArgument bad_target"},
		{ask{key: "reader", uri: "/models/k?versionId=..%2F..%2Fother"}, "400 InvalidArgument bad_target"},
		{ask{key: "reader", uri: "/models/k?versionId=a%5C..%5Cb"}, "400 InvalidArgument bad_target"},
		{ask{key: "writer", method: "POST", uri: "/models?delete", body: "<Delete><Object><Key>k</Key><VersionId>../../x</VersionId></Object></Delete>"}, "400 MalformedXML bad_request"},
		{ask{key: "writer", method: "PUT", uri: "/models/k", fields: []auth.HeaderField{pair("X-Amz-Copy-Source", "/models/a?versionId=..%2F..%2Fx")}}, "400 InvalidArgument bad_target"},
		// What would be taken away behind the signature.
		{ask{key: "writer", method: "PUT", uri: "/models/k", fields: []auth.HeaderField{pair("X-Amz-Storage-Class", "COLD"), pair("Connection", "keep-alive, X-Amz-Storage-Class")}}, "400 InvalidRequest bad_request"},
	} {
		_, err := y.enter(c.ask)
		if got := y.refused(err); got != c.want {
			t.Errorf("%s %s %s: got %q, want %q (%v)", c.ask.key, c.ask.method, c.ask.uri, got, c.want, err)
		}
	}
}

// TestIdentifyFollowsTheState: a request that goes on is held to what the key
// may by then.
func TestIdentifyFollowsTheState(t *testing.T) {
	y := newYard(t)
	e, err := y.enter(ask{key: "part", uri: "/models/sd/k"})
	if err != nil {
		t.Fatal(err)
	}
	index := slices.IndexFunc(y.state.Keys, func(k auth.Key) bool { return k.Name == "part" })
	was := y.state.Keys[index]
	for name, change := range map[string]func(k *auth.Key){
		"revoked":        func(k *auth.Key) { k.RevokedAt = y.now },
		"another prefix": func(k *auth.Key) { k.S3.Prefixes = []string{"xl/"} },
		"another bucket": func(k *auth.Key) { k.S3.Buckets = []string{"other"} },
		"a new secret":   func(k *auth.Key) { k.S3.Version++ },
	} {
		k := was
		s3 := *was.S3
		k.S3 = &s3
		change(&k)
		y.state.Keys[index] = k
		if _, err := e.Identify(y.snapshot(), y.now); err == nil {
			t.Errorf("%s: still identified", name)
		}
		y.state.Keys[index] = was
	}
	if _, err := e.Identify(y.snapshot(), y.now); err != nil {
		t.Error(err)
	}
}

func TestListBuckets(t *testing.T) {
	y := newYard(t)
	for key, want := range map[string]string{
		"reader": "", "part": "models", "alias": "mod models sdx", "aws": "acme", "both": "acme",
	} {
		e, err := y.enter(ask{key: key, uri: "/"})
		if err != nil || e.Reply == nil {
			t.Fatal(err)
		}
		body := string(e.Reply.Body)
		var names []string
		for _, part := range strings.Split(body, "<Bucket><Name>")[1:] {
			n, _, _ := strings.Cut(part, "<")
			names = append(names, n)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %q, want %q in %s", key, got, want, body)
		}
	}
	e, err := y.enter(ask{key: "alias", uri: "/?max-buckets=1&prefix=mod"})
	if err != nil || !strings.Contains(string(e.Reply.Body), "<ContinuationToken>mod</ContinuationToken>") || strings.Contains(string(e.Reply.Body), "<Name>models") {
		t.Errorf("%v %s", err, e.Reply.Body)
	}
}

func TestSpeaks(t *testing.T) {
	y := newYard(t)
	for _, c := range []struct {
		uri, host, authorization string
		want                     auth.Speech
	}{
		{"/b/k", "", "AWS4-HMAC-SHA256 Credential=WBAKAAAAAAAAAAAAAAAA/2026", auth.Native},
		{"/b/k", "", "AWS4-HMAC-SHA256 Credential=AKIA/2026", auth.Perhaps},
		{"/b/k", "", "AWS4-ECDSA-P256-SHA256 Credential=WBAKAAAAAAAAAAAAAAAA/2026", auth.Native},
		{"/b/k", "", "AWS WBAKAAAAAAAAAAAAAAAA:sig", auth.Native},
		{"/b/k", "", "Bearer wbk_x", auth.Foreign},
		{"/b/k?X-Amz-Algorithm=x&x-amz-credential=WBAKAAAAAAAAAAAAAAAA%2F2026", "", "", auth.Native},
		{"/b/k?X-Amz-Algorithm=x&X-Amz-Credential=AKIA%2F2026", "", "", auth.Perhaps},
		{"/b/k?AWSAccessKeyId=WBAKAAAAAAAAAAAAAAAA", "", "", auth.Native},
		{"/b/k?prefix=WBAK", "", "", auth.Foreign},
		{"/k", "models.s3.example.com:8443", "", auth.Native},
		{"/b/k", "s3.example.com", "", auth.Foreign},
		{"/b/k", "models.s3.example.com.evil", "", auth.Foreign},
	} {
		h := header{}
		if c.authorization != "" {
			h["Authorization"] = c.authorization
		}
		if got := y.front.Speaks("GET", c.uri, c.host, h); got != c.want {
			t.Errorf("%s %s %s: %v, want %v", c.uri, c.host, c.authorization, got, c.want)
		}
	}
}

type header map[string]string

func (h header) Get(name string) string { return h[name] }
func (h header) Values(name string) []string {
	if v, ok := h[name]; ok {
		return []string{v}
	}
	return nil
}
func (h header) Set(name, value string) { h[name] = value }
func (h header) Add(name, value string) { h[name] = value }
func (h header) Del(name string)        { delete(h, name) }

func TestRefusalsThatPassAreWordedAsSuch(t *testing.T) {
	y := newYard(t)
	inner := deny(auth.CodeKeyInvalid, s3err.InvalidAccessKeyID, "unknown", "")
	for code, want := range map[auth.Code]string{
		auth.CodeTooManyAttempts: "SlowDown", auth.CodeTooManyRequests: "SlowDown", auth.CodeTooManyTransfers: "SlowDown", auth.CodeAuditUnavailable: "ServiceUnavailable", auth.CodeDraining: "ServiceUnavailable",
	} {
		r := y.front.Refuse(auth.NewError(code, "later", inner), "/b/k", "req_1")
		if !strings.Contains(string(r.Body), "<Code>"+want+"<") || r.Status < 429 {
			t.Errorf("%s: %d %s", code, r.Status, r.Body)
		}
	}
}
