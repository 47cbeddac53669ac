package cases

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

// TestS3FrontSignatures: every check of an inbound signature, by what a client
// sees; of all that is refused nothing reaches the storage.
func TestS3FrontSignatures(t *testing.T) {
	t.Parallel()
	h, s3 := frontHouse(t, house.Options{})
	w := s3Worker{t: t, h: h, key: h.AddS3Key(admin.NewS3Key{Name: "reader", Credentials: []string{"storage"}})}
	const object = "/models/sd/w.bin"
	at := func(d time.Duration) s3Worker { o := w; o.at = time.Now().Add(d); return o }
	header := func(o s3Worker, change func(r *http.Request)) *http.Request {
		r := o.signed("GET", object, "")
		if change != nil {
			change(r)
		}
		return r
	}
	authorization := func(from, to string) func(*http.Request) {
		return func(r *http.Request) {
			v := r.Header.Get("Authorization")
			if !strings.Contains(v, from) {
				t.Fatalf("no %q in %q", from, v)
			}
			r.Header.Set("Authorization", strings.Replace(v, from, to, 1))
		}
	}
	presigned := func(o s3Worker, life time.Duration, from, to string) *http.Request {
		uri := o.presigned("GET", object, life)
		if !strings.Contains(uri, from) {
			t.Fatalf("no %q in %q", from, uri)
		}
		return o.unsigned("GET", strings.Replace(uri, from, to, 1), "")
	}
	stranger := w
	stranger.key.AccessKeyID = auth.NewS3AccessKeyID()
	worker := 1
	wrong := w
	wrong.key.SecretAccessKey = auth.NewS3Secret().Reveal()
	day := time.Now().UTC().Format("20060102")
	for name, c := range map[string]struct {
		r      *http.Request
		status int
		code   string
		ours   auth.Code
	}{
		"good":                       {header(w, nil), 200, "", ""},
		"good presigned":             {presigned(w, time.Hour, "", ""), 200, "", ""},
		"91 the longest life":        {presigned(w, sigv4.MaxExpires, "", ""), 200, "", ""},
		"91 longer":                  {presigned(w, time.Hour, "X-Amz-Expires=3600", "X-Amz-Expires=604801"), 400, "AuthorizationQueryParametersError", auth.CodeBadRequest},
		"91 negative":                {presigned(w, time.Hour, "X-Amz-Expires=3600", "X-Amz-Expires=-1"), 400, "AuthorizationQueryParametersError", auth.CodeBadRequest},
		"91 no number":               {presigned(w, time.Hour, "X-Amz-Expires=3600", "X-Amz-Expires=abc"), 400, "AuthorizationQueryParametersError", auth.CodeBadRequest},
		"91 nothing":                 {presigned(w, time.Hour, "X-Amz-Expires=3600", "X-Amz-Expires=0"), 400, "AuthorizationQueryParametersError", auth.CodeBadRequest},
		"92 late":                    {header(at(-16*time.Minute), nil), 403, "RequestTimeTooSkewed", auth.CodeSignatureInvalid},
		"92 early":                   {header(at(16*time.Minute), nil), 403, "RequestTimeTooSkewed", auth.CodeSignatureInvalid},
		"92 just in time":            {header(at(-14*time.Minute), nil), 200, "", ""},
		"expired presigned":          {presigned(at(-2*time.Hour), time.Hour, "", ""), 403, "AccessDenied", auth.CodeSignatureInvalid},
		"presigned for later":        {presigned(at(time.Hour), time.Hour, "", ""), 403, "AccessDenied", auth.CodeSignatureInvalid},
		"93 another date":            {header(w, authorization("/"+day+"/", "/20200101/")), 400, "AuthorizationHeaderMalformed", auth.CodeBadRequest},
		"94 another service":         {header(w, authorization("/s3/", "/sts/")), 400, "AuthorizationHeaderMalformed", auth.CodeBadRequest},
		"95 host is not signed":      {header(w, authorization("SignedHeaders=host;", "SignedHeaders=")), 403, "AccessDenied", auth.CodeSignatureInvalid},
		"96 an unsigned field":       {header(w, func(r *http.Request) { r.Header.Set("X-Amz-Request-Payer", "requester") }), 403, "AccessDenied", auth.CodeSignatureInvalid},
		"97 capitals":                {header(w, func(r *http.Request) { upperSignature(r) }), 403, "SignatureDoesNotMatch", auth.CodeSignatureInvalid},
		"97 too short":               {header(w, func(r *http.Request) { cutSignature(r) }), 403, "SignatureDoesNotMatch", auth.CodeSignatureInvalid},
		"98 unknown key":             {header(stranger, nil), 403, "InvalidAccessKeyId", auth.CodeKeyInvalid},
		"98 wrong secret":            {header(wrong, nil), 403, "SignatureDoesNotMatch", auth.CodeSignatureInvalid},
		"99 a streamed upload":       {w.signedAs("PUT", object, "x", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Decoded-Content-Length", "1"), 403, "AccessDenied", auth.CodeScopeForbidden},
		"100 a session token":        {w.unsigned("GET", w.presigned("GET", object, time.Hour)+"&X-Amz-Security-Token=x", ""), 403, "SignatureDoesNotMatch", auth.CodeSignatureInvalid},
		"another method":             {w.unsigned("HEAD", w.presigned("GET", object, time.Hour), ""), 403, "", auth.CodeSignatureInvalid},
		"another key":                {presigned(w, time.Hour, "w.bin", "x.bin"), 403, "SignatureDoesNotMatch", auth.CodeSignatureInvalid},
		"another parameter":          {w.unsigned("GET", w.presigned("GET", object, time.Hour)+"&versionId=1", ""), 403, "SignatureDoesNotMatch", auth.CodeSignatureInvalid},
		"another host":               {header(w, func(r *http.Request) { r.Host = "other.example" }), 403, "SignatureDoesNotMatch", auth.CodeSignatureInvalid},
		"a forwarded host":           {header(w, func(r *http.Request) { r.Header.Set("X-Forwarded-Host", r.Host); r.Host = "other.example" }), 403, "SignatureDoesNotMatch", auth.CodeSignatureInvalid},
		"two places":                 {header(w, func(r *http.Request) { r.URL.RawQuery = presigned(w, time.Hour, "", "").URL.RawQuery }), 400, "InvalidArgument", auth.CodeBadRequest},
		"48 two fields":              {header(w, func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }), 400, "InvalidRequest", auth.CodeBadRequest},
		"47 no payload hash":         {header(w, func(r *http.Request) { r.Header.Del("X-Amz-Content-Sha256") }), 400, "InvalidRequest", auth.CodeBadRequest},
		"no date":                    {header(w, func(r *http.Request) { r.Header.Del("X-Amz-Date") }), 403, "AccessDenied", auth.CodeSignatureInvalid},
		"a malformed date":           {header(w, func(r *http.Request) { r.Header.Set("X-Amz-Date", "2026-01-01") }), 403, "AccessDenied", auth.CodeSignatureInvalid},
		"an empty date":              {header(w, func(r *http.Request) { r.Header.Set("X-Amz-Date", "") }), 403, "AccessDenied", auth.CodeSignatureInvalid},
		"a malformed scope":          {header(w, authorization("/aws4_request", "")), 400, "AuthorizationHeaderMalformed", auth.CodeBadRequest},
		"36 version 2":               {w.unsigned("GET", object+"?AWSAccessKeyId="+w.key.AccessKeyID+"&Signature=x&Expires=9999999999", ""), 400, "InvalidRequest", auth.CodeBadRequest},
		"version 2 in the header":    {w.unsigned("GET", object, "", "Authorization", "AWS "+w.key.AccessKeyID+":c2ln"), 400, "InvalidRequest", auth.CodeBadRequest},
		"version 4A":                 {w.unsigned("GET", object, "", "Authorization", "AWS4-ECDSA-P256-SHA256 Credential="+w.key.AccessKeyID+"/"+day+"/s3/aws4_request, SignedHeaders=host, Signature=x"), 400, "InvalidRequest", auth.CodeBadRequest},
		"29 a semicolon":             {header(w, func(r *http.Request) { r.URL.RawQuery = "a=1;b=2" }), 400, "InvalidArgument", auth.CodeBadRequest},
		"30 a bad escape":            {header(w, func(r *http.Request) { r.URL.RawQuery = "a=%zz" }), 400, "InvalidArgument", auth.CodeBadRequest},
		"18 a bad escape":            {header(w, func(r *http.Request) { r.URL.Opaque = "//" + r.URL.Host + "/models/bad%zz" }), 400, "InvalidURI", auth.CodeBadTarget},
		"19 a control character":     {header(w, func(r *http.Request) { r.URL.Opaque = "//" + r.URL.Host + "/models/nul%00" }), 400, "InvalidURI", auth.CodeBadTarget},
		"23 a key of 1,025 bytes":    {w.signed("GET", "/models/"+strings.Repeat("k", 1025), ""), 400, "KeyTooLongError", auth.CodeBadTarget},
		"a stranger of another kind": {header(w, authorization(w.key.AccessKeyID, "AKIAIOSFODNN7EXAMPLF")), 403, "InvalidAccessKeyId", auth.CodeKeyInvalid},
	} {
		before := len(s3.requests())
		var got reply
		worker++
		w.from = fmt.Sprint("127.0.0.", worker) // none of them guesses often
		if c.r.URL.Opaque != "" {
			got = s3Raw(t, h, c.r)
		} else {
			got = w.do(c.r)
		}
		code := ""
		if c.code != "" {
			code = s3Code(got)
		}
		if got.status != c.status || code != c.code || got.code() != c.ours {
			t.Errorf("%s: %s, want %d %s %s", name, got, c.status, c.code, c.ours)
		}
		if reached := len(s3.requests()) > before; reached != (c.status == 200) {
			t.Errorf("%s: reached the storage: %v", name, reached)
		}
	}
	// A token that is signed as well: the signature is good and the key has none.
	r := w.signed("GET", object, "")
	withToken := sigv4.NewSigner(w.key.AccessKeyID, auth.NewSecret(w.key.SecretAccessKey), auth.NewSecret("token"))
	signed, err := withToken.Sign(t.Context(), w.request("GET", object, w.unsigned("GET", object, "")), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range signed.Fields() {
		r.Header.Set(f.Name, f.Value)
	}
	if got := w.do(r); got.status != 400 || s3Code(got) != "InvalidToken" {
		t.Errorf("100: %s", got)
	}
	// Long queries and two framings.
	for name, text := range map[string]string{
		"10 MB of query": "GET " + object + "?X-Amz-Signature=" + strings.Repeat("x", 10<<20) + " HTTP/1.1\r\nHost: h\r\n\r\n",
		"16 KB of query": "GET " + object + "?X-Amz-Credential=" + w.key.AccessKeyID + "&x=" + strings.Repeat("x", 17<<10) + " HTTP/1.1\r\nHost: h\r\n\r\n",
		"49 CL and TE":   "PUT " + object + " HTTP/1.1\r\nHost: h\r\nAuthorization: AWS4-HMAC-SHA256 Credential=" + w.key.AccessKeyID + "\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"63 another Host": "GET http://evil.example" + object + " HTTP/1.1\r\nHost: " + strings.TrimPrefix(h.Bridge.ProxyURL(), "http://") + "\r\nAuthorization: " +
			w.signed("GET", object, "").Header.Get("Authorization") + "\r\n\r\n",
	} {
		c := dial(t, h)
		go func() { _, _ = c.Write([]byte(text)) }() // it may not be taken to the end
		if got := c.answer("GET"); got.err == nil && (got.status < 400 || got.status >= 500 || got.code() == "") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := len(s3.requests()); got != 4 {
		t.Errorf("%d requests reached the storage", got)
	}
}

func upperSignature(r *http.Request) {
	head, sig, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	r.Header.Set("Authorization", head+"Signature="+strings.ToUpper(sig))
}

func cutSignature(r *http.Request) {
	v := r.Header.Get("Authorization")
	r.Header.Set("Authorization", v[:len(v)-1])
}

// s3Raw sends a request whose target no client library would send.
func s3Raw(t *testing.T, h *house.House, r *http.Request) reply {
	t.Helper()
	path := strings.TrimPrefix(r.URL.Opaque, "//"+r.URL.Host)
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, path, r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			text += name + ": " + v + "\r\n"
		}
	}
	c := dial(t, h)
	c.say(text + "\r\n")
	return c.answer(r.Method)
}

// Whoever guesses at secrets or at keys is told to wait after ten guesses a
// minute, also with a key that exists; the right secret passes from the same
// address at any time, and what is no guess is not counted.
func TestT58_GuessesAtSecretsAreCounted(t *testing.T) {
	t.Parallel()
	h, s3 := frontHouse(t, house.Options{})
	w := s3Worker{t: t, h: h, key: h.AddS3Key(admin.NewS3Key{Name: "reader", Credentials: []string{"storage"}})}
	const object = "/models/sd/w.bin"
	late, wrong, stranger := w, w, w
	late.at = time.Now().Add(-time.Hour)
	wrong.key.SecretAccessKey = auth.NewS3Secret().Reveal()
	stranger.key.AccessKeyID = auth.NewS3AccessKeyID()
	for range 12 {
		if got := late.ask("GET", object, ""); s3Code(got) != "RequestTimeTooSkewed" {
			t.Fatalf("%s", got)
		}
	}
	for i := range 12 {
		guess, want := wrong, "SignatureDoesNotMatch"
		if i%2 == 1 {
			guess, want = stranger, "InvalidAccessKeyId"
		}
		got := guess.ask("GET", object, "")
		if i < 10 && s3Code(got) != want {
			t.Errorf("guess %d: %s", i, got)
		}
		if i >= 10 && (got.code() != auth.CodeTooManyAttempts || got.header.Get("Retry-After") == "") {
			t.Errorf("guess %d: %s", i, got)
		}
	}
	if got := w.ask("GET", object, ""); got.status != 200 || len(s3.requests()) != 1 {
		t.Errorf("the right secret: %s after %d requests", got, len(s3.requests()))
	}
}
