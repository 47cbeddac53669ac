package cases

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

const storageHost = "storage.example"

// frontHouse is a house before a storage with buckets models and other.
func frontHouse(t *testing.T, o house.Options) (*house.House, *bucketS3) {
	t.Helper()
	secret := house.NewCanary("s3_")
	s3 := newBucketS3(secret.Value())
	o.Empty = true
	o.Mount = mount(t, map[string]http.Handler{storageHost: s3})
	if o.Configure == nil {
		o.Configure = func(c *config.Config) { c.S3.Domains = []string{"s3.example.com"} }
	}
	h := house.New(t, o)
	h.Watch.Add(secret)
	h.Watch.Add(house.CanaryOf(s3AccessKey))
	h.AddCredential(admin.NewCredential{NoValidate: true,
		Name: "storage", Provider: "s3", Patterns: []string{"s3://models/*", "s3://other/pub/*"},
		Fields: map[string]string{"accessKeyId": s3AccessKey, "secretAccessKey": secret.Value(), "endpoint": "https://" + storageHost},
	})
	s3.put("models/sd/w.bin", bytes.Repeat([]byte("0123456789"), 1000))
	s3.put("models/xl/secret.bin", []byte("xl"))
	s3.put("other/pub/o", []byte("public"))
	s3.put("other/priv/o", []byte("private"))
	return h, s3
}

// s3Worker is a client with an S3 access key. What it receives is searched.
type s3Worker struct {
	t    testing.TB
	h    *house.House
	key  admin.S3Key
	at   time.Time
	host string // in place of the listener's
	from string // a loopback address, where it counts
}

func (w s3Worker) now() time.Time {
	if w.at.IsZero() {
		return time.Now()
	}
	return w.at
}

// signed is a request that is signed in its header. extra comes in pairs.
func (w s3Worker) signed(method, uri, body string, extra ...string) *http.Request {
	w.t.Helper()
	sum := sha256.Sum256([]byte(body))
	return w.signedAs(method, uri, body, hex.EncodeToString(sum[:]), extra...)
}

func (w s3Worker) signedAs(method, uri, body, payload string, extra ...string) *http.Request {
	w.t.Helper()
	r := w.unsigned(method, uri, body, extra...)
	request := w.request(method, uri, r)
	request.Payload = payload
	signed, err := w.signer().Sign(w.t.Context(), request, w.now())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range signed.Fields() {
		r.Header.Set(f.Name, f.Value)
	}
	return r
}

func (w s3Worker) signer() *sigv4.Signer {
	return sigv4.NewSigner(w.key.AccessKeyID, auth.NewSecret(w.key.SecretAccessKey), auth.Secret{})
}

// presigned is the URI of a presigned URL.
func (w s3Worker) presigned(method, uri string, life time.Duration) string {
	w.t.Helper()
	r := w.unsigned(method, uri, "")
	query, err := w.signer().Presign(w.t.Context(), w.request(method, uri, r), life, w.now())
	if err != nil {
		w.t.Fatal(err)
	}
	path, _, _ := strings.Cut(uri, "?")
	return path + "?" + query
}

func (w s3Worker) request(method, uri string, r *http.Request) sigv4.Request {
	w.t.Helper()
	raw, rawQuery, _ := strings.Cut(uri, "?")
	path, err := sigv4.ParsePath(raw, sigv4.PathRule{EmptySegments: true})
	if err != nil {
		w.t.Fatal(err)
	}
	query, err := sigv4.ParseQuery(rawQuery)
	if err != nil {
		w.t.Fatal(err)
	}
	out := sigv4.Request{Method: method, Host: r.Host, Path: path, Query: query, Region: "us-east-1"}
	for name, values := range r.Header {
		if sigv4.IsAmz(name) {
			for _, v := range values {
				out.Fields = append(out.Fields, sigv4.Field{Name: name, Value: v})
			}
		}
	}
	return out
}

func (w s3Worker) unsigned(method, uri, body string, extra ...string) *http.Request {
	w.t.Helper()
	base, err := url.Parse(w.h.Bridge.ProxyURL())
	if err != nil {
		w.t.Fatal(err)
	}
	path, query, _ := strings.Cut(uri, "?")
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.h.Bridge.ProxyURL(), strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.URL = &url.URL{Scheme: base.Scheme, Host: base.Host, Opaque: "//" + base.Host + path, RawQuery: query}
	r.URL.Opaque = ""
	if r.URL.Path, err = url.PathUnescape(path); err != nil {
		r.URL.Path = path
	}
	r.URL.RawPath = path
	r.Host = base.Host
	if w.host != "" {
		r.Host = w.host
	}
	for i := 0; i < len(extra); i += 2 {
		r.Header.Add(extra[i], extra[i+1])
	}
	return r
}

func (w s3Worker) do(r *http.Request) reply {
	w.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	if w.from != "" {
		transport.DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(w.from)}}).DialContext
	}
	defer transport.CloseIdleConnections()
	got := do(&http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, r)
	if got.err == nil {
		w.h.Watch.See("s3 worker", got.body)
		w.h.Watch.See("s3 worker", fmt.Append(nil, got.header))
	}
	return got
}

func (w s3Worker) ask(method, uri, body string, extra ...string) reply {
	w.t.Helper()
	return w.do(w.signed(method, uri, body, extra...))
}

// s3Code is the code of a document of S3.
func s3Code(r reply) string {
	var doc struct{ Code, RequestId, HostId string }
	if err := xml.Unmarshal(r.body, &doc); err != nil || r.header.Get("Content-Type") != "application/xml" {
		return "no document of S3: " + r.String()
	}
	if r.header.Get("X-Weighbridge-Error") != "" && (doc.RequestId != r.header.Get("X-Amz-Request-Id") || doc.RequestId == "") {
		return doc.Code + " without a request id"
	}
	return doc.Code
}

// TestS3FrontReads: every read, from the object's own bytes to the listing,
// under the worker's names.
func TestS3FrontReads(t *testing.T) {
	t.Parallel()
	h, s3 := frontHouse(t, house.Options{})
	w := s3Worker{t: t, h: h, key: h.AddS3Key(admin.NewS3Key{Name: "reader", Credentials: []string{"storage"}})}
	if r := w.ask("GET", "/models/sd/w.bin", ""); r.status != 200 || len(r.body) != 10_000 {
		t.Errorf("%s", r)
	}
	if r := w.ask("GET", "/models/sd/w.bin", "", "Range", "bytes=5-14"); r.status != 206 || string(r.body) != "5678901234" || r.header.Get("Content-Range") != "bytes 5-14/10000" {
		t.Errorf("%s %v", r, r.header)
	}
	if r := w.ask("GET", "/models/sd/w.bin", "", "Range", "bytes=99999-"); r.status != 416 {
		t.Errorf("%s", r)
	}
	head := w.ask("HEAD", "/models/sd/w.bin", "")
	if head.status != 200 || head.header.Get("Content-Length") != "10000" || len(head.body) != 0 {
		t.Errorf("%s %v", head, head.header)
	}
	if r := w.ask("GET", "/models/sd/w.bin", "", "If-None-Match", head.header.Get("ETag")); r.status != 304 {
		t.Errorf("%s", r)
	}
	if r := w.ask("GET", "/models?list-type=2&prefix=sd%2F", ""); r.status != 200 || !strings.Contains(string(r.body), "<Key>sd/w.bin</Key>") || strings.Contains(string(r.body), "xl") {
		t.Errorf("%s", r)
	}
	if r := w.ask("GET", "/models", ""); r.status != 200 || !strings.Contains(string(r.body), "<Key>xl/secret.bin</Key>") {
		t.Errorf("%s", r)
	}
	if r := w.ask("GET", "/models?location", ""); r.status != 200 || !strings.Contains(string(r.body), "eu-west-1") {
		t.Errorf("%s", r)
	}
	if r := w.ask("HEAD", "/models", ""); r.status != 200 {
		t.Errorf("%s", r)
	}
	if r := w.ask("GET", "/", ""); r.status != 200 || !strings.Contains(string(r.body), "<Name>models</Name>") || !strings.Contains(string(r.body), "<Name>other</Name>") {
		t.Errorf("%s", r)
	}
	if r := w.ask("GET", "/models/none", ""); r.status != 404 || s3Code(r) != "NoSuchKey" {
		t.Errorf("%s", r)
	}
	w.host = "models.s3.example.com"
	if r := w.ask("GET", "/sd/w.bin", ""); r.status != 200 || len(r.body) != 10_000 {
		t.Errorf("virtual host: %s", r)
	}
	w.host = ""
	uri := w.presigned("GET", "/models/sd/w.bin", time.Hour)
	if r := w.do(w.unsigned("GET", uri, "", "Range", "bytes=0-3")); r.status != 206 || string(r.body) != "0123" {
		t.Errorf("presigned: %s", r)
	}
	for _, line := range s3.requests() {
		if strings.Contains(line, w.key.AccessKeyID) || strings.Contains(line, "Signature") {
			t.Errorf("the worker's signature reached the storage: %s", line)
		}
	}
	used := 0
	for _, e := range h.AuditEvents() {
		if e.Action == auth.ActionUsed && e.KeyName == "reader" && e.Mode == "s3" && e.CredentialName == "storage" && e.Host == storageHost {
			used++
		}
	}
	if used < 10 {
		t.Errorf("%d uses are on record", used)
	}
	if strings.Contains(h.Log.String(), "X-Amz") || strings.Contains(h.Log.String(), "Signature=") {
		t.Error("the log holds a query or a signature")
	}
}

// TestS3FrontKeepsToTheKey: buckets, prefixes, links, patterns, permission,
// revocation and expiry; the storage is not asked.
func TestS3FrontKeepsToTheKey(t *testing.T) {
	t.Parallel()
	c := &clock{}
	h, s3 := frontHouse(t, house.Options{Now: c.now})
	soon := c.now().Add(time.Hour)
	part := s3Worker{t: t, h: h, key: h.AddS3Key(admin.NewS3Key{Name: "part", Buckets: []string{"models"}, Prefixes: []string{"sd/"}, Credentials: []string{"storage"}})}
	h.EndKey("part", soon)
	all := s3Worker{t: t, h: h, key: h.AddS3Key(admin.NewS3Key{Name: "all", Credentials: []string{"storage"}})}
	none := s3Worker{t: t, h: h, key: h.AddS3Key(admin.NewS3Key{Name: "none"})}
	for _, x := range []struct {
		w      s3Worker
		method string
		uri    string
		code   string
		ours   auth.Code
	}{
		{part, "GET", "/models/xl/secret.bin", "AccessDenied", auth.CodeRouteForbidden},
		{part, "GET", "/models/xl/does-not-exist", "AccessDenied", auth.CodeRouteForbidden},
		{part, "GET", "/models?list-type=2&prefix=", "AccessDenied", auth.CodeRouteForbidden},
		{part, "GET", "/models?list-type=2&prefix=s", "AccessDenied", auth.CodeRouteForbidden},
		{part, "GET", "/other/pub/o", "AccessDenied", auth.CodeRouteForbidden},
		{part, "GET", "/nosuch/pub/o", "AccessDenied", auth.CodeRouteForbidden},
		{part, "GET", "/models/sd/%2e%2e/xl/secret.bin", "InvalidURI", auth.CodeBadTarget},
		{part, "GET", "/models/sd//w.bin", "InvalidURI", auth.CodeBadTarget},
		{all, "GET", "/other/priv/o", "AccessDenied", auth.CodeNoCredentialMatched},
		{all, "GET", "/other?list-type=2", "AccessDenied", auth.CodeNoCredentialMatched},
		{all, "GET", "/other?list-type=2&prefix=priv/", "AccessDenied", auth.CodeNoCredentialMatched},
		{all, "GET", "/other/pub//o", "InvalidURI", auth.CodeBadTarget},
		{all, "PUT", "/models/sd/new", "AccessDenied", auth.CodeScopeForbidden},
		{all, "DELETE", "/models/sd/w.bin", "AccessDenied", auth.CodeScopeForbidden},
		{all, "GET", "/models/sd/w.bin?acl", "AccessDenied", auth.CodeScopeForbidden},
		{all, "PUT", "/models?policy", "AccessDenied", auth.CodeScopeForbidden},
		{all, "PUT", "/newbucket", "AccessDenied", auth.CodeScopeForbidden},
		{none, "GET", "/models/sd/w.bin", "AccessDenied", auth.CodeRouteForbidden},
	} {
		x.w.at = c.now()
		uri := x.uri
		request := uri
		if strings.Contains(uri, "%2e") {
			// No client of ours signs such a path.
			request = "/models/sd/w.bin"
		}
		r := x.w.signed(x.method, request, "")
		if request != uri {
			r.URL.RawPath, r.URL.Path = uri, "/models/sd/../xl/secret.bin"
		}
		got := x.w.do(r)
		if s3Code(got) != x.code || got.code() != x.ours {
			t.Errorf("%s %s: %s, want %s %s", x.method, x.uri, got, x.code, x.ours)
		}
	}
	if got := s3.requests(); len(got) != 0 {
		t.Errorf("the storage was asked: %v", got)
	}
	part.at = c.now()
	if r := part.ask("GET", "/models/sd/w.bin", ""); r.status != 200 {
		t.Errorf("%s", r)
	}
	if r := part.ask("GET", "/models?list-type=2&prefix=sd/", ""); r.status != 200 || !strings.Contains(string(r.body), "sd/w.bin") {
		t.Errorf("%s", r)
	}
	var again admin.S3Key
	h.Call(http.MethodPost, "/api/v1/s3-keys/part/regenerate", nil, &again)
	h.Watch.Add(house.CanaryOf(again.SecretAccessKey))
	if r := part.ask("GET", "/models/sd/w.bin", ""); s3Code(r) != "SignatureDoesNotMatch" || r.status != 403 || r.code() != auth.CodeSignatureInvalid {
		t.Errorf("the old secret: %s", r)
	}
	part.key = again
	if r := part.ask("GET", "/models/sd/w.bin", ""); r.status != 200 {
		t.Errorf("the new secret: %s", r)
	}
	c.jump(2 * time.Hour)
	part.at = c.now()
	if r := part.ask("GET", "/models/sd/w.bin", ""); s3Code(r) != "InvalidAccessKeyId" || r.code() != auth.CodeKeyExpired {
		t.Errorf("expired: %s", r)
	}
	h.Call(http.MethodPost, "/api/v1/s3-keys/all/revoke", nil, nil)
	all.at = c.now()
	if r := all.ask("GET", "/models/sd/w.bin", ""); s3Code(r) != "InvalidAccessKeyId" || r.code() != auth.CodeKeyRevoked {
		t.Errorf("revoked: %s", r)
	}
}

// TestS3FrontWrites: what permission read-write adds, with bodies of every
// kind; a body that is not the one that was signed never arrives whole.
func TestS3FrontWrites(t *testing.T) {
	t.Parallel()
	h, s3 := frontHouse(t, house.Options{})
	w := s3Worker{t: t, h: h, key: h.AddS3Key(admin.NewS3Key{
		Name: "writer", Permission: "read-write", Aliases: map[string]string{"sdx": "models/sd/"}, Credentials: []string{"storage"},
	})}
	big := strings.Repeat("weights ", 40_000)
	if r := w.ask("PUT", "/models/up/hashed", big); r.status != 200 || string(s3.get("models/up/hashed")) != big {
		t.Errorf("%s", r)
	}
	if r := w.do(w.signedAs("PUT", "/models/up/unsigned", big, sigv4.UnsignedPayload, "X-Amz-Meta-A", "b")); r.status != 200 || string(s3.get("models/up/unsigned")) != big {
		t.Errorf("%s", r)
	}
	if r := w.do(w.signedAs("PUT", "/models/up/tampered", big, sigv4.EmptyPayload)); s3Code(r) != "XAmzContentSHA256Mismatch" || s3.get("models/up/tampered") != nil {
		t.Errorf("%s", r)
	}
	if r := w.ask("PUT", "/models/up/copy", "", "X-Amz-Copy-Source", "sdx/w.bin"); r.status != 200 || len(s3.get("models/up/copy")) != 10_000 {
		t.Errorf("%s", r)
	}
	if r := w.ask("PUT", "/models/up/stolen", "", "X-Amz-Copy-Source", "other/priv/o"); r.code() != auth.CodeNoCredentialMatched || s3.get("models/up/stolen") != nil {
		t.Errorf("%s", r)
	}
	if r := w.ask("DELETE", "/models/up/copy", ""); r.status != 204 || s3.get("models/up/copy") != nil {
		t.Errorf("%s", r)
	}
	if r := w.ask("PUT", "/sdx/new%20one", "x"); r.status != 200 || string(s3.get("models/sd/new one")) != "x" {
		t.Errorf("%s", r)
	}
	if r := w.ask("GET", "/sdx?list-type=2", ""); !strings.Contains(string(r.body), "<Name>sdx</Name><Prefix></Prefix>") || !strings.Contains(string(r.body), "<Key>new one</Key>") || strings.Contains(string(r.body), "sd/") {
		t.Errorf("%s", r)
	}
	if r := w.ask("POST", "/sdx?delete", "<Delete><Object><Key>new one</Key></Object><Object><Key>w.bin</Key></Object></Delete>"); r.status != 200 ||
		string(r.body) != "<DeleteResult><Deleted><Key>new one</Key></Deleted><Deleted><Key>w.bin</Key></Deleted></DeleteResult>" || s3.get("models/sd/w.bin") != nil {
		t.Errorf("%s", r)
	}
	if r := w.ask("POST", "/other?delete", "<Delete><Object><Key>pub/o</Key></Object><Object><Key>priv/o</Key></Object></Delete>"); r.code() != auth.CodeNoCredentialMatched || s3.get("other/pub/o") == nil {
		t.Errorf("%s", r)
	}
	if r := w.ask("POST", "/other?delete", "<Delete><Object><Key>pub/o</Key></Object></Delete>"); r.status != 200 || s3.get("other/pub/o") != nil {
		t.Errorf("a pattern for a part of the bucket: %s", r)
	}
	// Content that is cut short.
	c := dial(t, h)
	r := w.signedAs("PUT", "/models/up/cut", big, sigv4.UnsignedPayload)
	c.say(fmt.Sprintf("PUT /models/up/cut HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nX-Amz-Date: %s\r\nX-Amz-Content-Sha256: %s\r\nContent-Length: %d\r\n\r\n%s",
		r.Host, r.Header.Get("Authorization"), r.Header.Get("X-Amz-Date"), r.Header.Get("X-Amz-Content-Sha256"), len(big), big[:100_000]))
	_ = c.tcp.CloseWrite()
	c.answer("PUT")
	if s3.get("models/up/cut") != nil {
		t.Error("a part of a body was stored")
	}
}

// TestT09_WhatIsSignedAgainCarriesOneSignature: that of the credential, and in
// one place, however the worker's own came.
func TestT09_WhatIsSignedAgainCarriesOneSignature(t *testing.T) {
	t.Parallel()
	h, s3 := frontHouse(t, house.Options{})
	w := s3Worker{t: t, h: h, key: h.AddS3Key(admin.NewS3Key{Name: "reader", Credentials: []string{"storage"}})}
	for name, r := range map[string]*http.Request{
		"header":    w.signed("GET", "/models/sd/w.bin", ""),
		"presigned": w.unsigned("GET", w.presigned("GET", "/models/sd/w.bin", time.Hour), "", "Date", "x", "X-Amz-Date", "20200101T000000Z"),
	} {
		if got := w.do(r); got.status != 200 {
			t.Fatalf("%s: %s", name, got)
		}
		s3.mu.Lock()
		header, line := s3.headers["models/sd/w.bin"], s3.asked[len(s3.asked)-1]
		s3.mu.Unlock()
		for _, field := range []string{"Authorization", "X-Amz-Date", "X-Amz-Content-Sha256"} {
			if v := header.Values(field); len(v) != 1 || strings.Contains(v[0], w.key.AccessKeyID) || strings.Contains(v[0], "20200101") {
				t.Errorf("%s: %s is %d times there", name, field, len(v))
			}
		}
		if line != "GET /models/sd/w.bin" || len(header.Values("X-Amz-Security-Token"))+len(header.Values("Date")) > 0 {
			t.Errorf("%s: %s %v", name, line, header)
		}
	}
}

// TestT29_ARuleForABucketHoldsForEveryStyle: what a pattern leaves out is left
// out under every name of the bucket, and what it covers is signed for.
func TestT29_ARuleForABucketHoldsForEveryStyle(t *testing.T) {
	t.Parallel()
	h, _, _ := s3House(t)
	secret := house.NewCanary("s3_")
	h.Watch.Add(secret)
	h.AddCredential(admin.NewCredential{NoValidate: true,
		Name: "part", Provider: "s3", Patterns: []string{"s3://acme/pub/*"},
		Fields: map[string]string{"accessKeyId": s3AccessKey, "secretAccessKey": secret.Value()},
	})
	h.AddKey(admin.NewKey{Name: "part", Credentials: []string{"part"}})
	explain := func(url string) (e auth.Explanation) {
		h.Call(http.MethodPost, "/api/v1/explain", map[string]string{"url": url, "key": "part"}, &e)
		return e
	}
	for _, base := range []string{
		"https://acme.s3.amazonaws.com", "https://s3.amazonaws.com/acme", "https://acme.s3.eu-west-1.amazonaws.com", "https://s3.eu-west-1.amazonaws.com/acme",
		"https://acme.s3.dualstack.eu-west-1.amazonaws.com", "https://s3.dualstack.us-west-2.amazonaws.com/acme", "https://acme.s3-fips.us-west-2.amazonaws.com",
		"https://acme.s3-us-west-2.amazonaws.com", "https://s3-us-west-2.amazonaws.com/acme", "https://acme.s3-accelerate.amazonaws.com", "https://ACME.S3.amazonaws.com:443",
	} {
		if e := explain(base + "/pub/x"); e.Outcome != "allow" {
			t.Errorf("%s/pub/x: %s %s", base, e.Outcome, e.Reason)
		}
		for _, path := range []string{"/priv/x", "/pub", "/%70ubx/x", "/pub//x", "/?list-type=2", "/?list-type=2&prefix=priv/"} {
			if e := explain(base + path); e.Outcome == "allow" {
				t.Errorf("%s%s: %s %s", base, path, e.Outcome, e.Reason)
			}
		}
	}
}
