package sigv4

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
)

const (
	ourID     = "WBAKEXAMPLE"
	ourSecret = "our secret of forty characters, or so...."
)

var errStore = errors.New("the key store is broken")

// verifier knows a few keys; its clock stands.
func verifier(region string, now time.Time) *Verifier {
	return &Verifier{
		Region: region,
		Now:    func() time.Time { return now },
		Lookup: func(_ context.Context, id string) (auth.Secret, error) {
			switch id {
			case ourID, "WBAK/EX/AMPLE":
				return auth.NewSecret(ourSecret), nil
			case exampleID:
				return auth.NewSecret(exampleSecret), nil
			case "WBAKEMPTY":
				return auth.Secret{}, nil
			case "WBAKBROKEN":
				return auth.Secret{}, errStore
			}
			return auth.Secret{}, fmt.Errorf("%w: never made", ErrUnknownKey)
		},
	}
}

// vector is a request that a client signs, what happens to it on the way, and
// what is made of it.
type vector struct {
	Case string

	Method, Path, Query string
	Host, AccessKeyID   *string
	Fields              [][2]string
	// Signed are the names; by default Host and all of x-amz-*.
	Signed, Scope, Date, DateField string
	Secret, Expires                *string
	Presigned, Unsigned            bool

	SendMethod, SendPath, SendQuery, SendHost string
	// Edit replaces in the Authorization or the query.
	Edit           [][2]string
	Add            [][2]string
	Remove         string
	CutSignature   int
	UpperSignature bool

	Now, Region   string
	EmptySegments bool
	Error         s3err.Code
	Says          string
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func deref(v *string, otherwise string) string {
	if v == nil {
		return otherwise
	}
	return *v
}

// signed makes the request, and signs it as a client does that may be wrong
// in any respect.
func (v vector) signed(t testing.TB) *Incoming {
	t.Helper()
	id, scope, date := deref(v.AccessKeyID, ourID), or(v.Scope, "20130524/us-east-1/s3/aws4_request"), or(v.Date, "20130524T000000Z")
	in := &Incoming{Method: or(v.Method, "GET"), Path: or(v.Path, "/b/k"), Query: v.Query, Host: deref(v.Host, "proxy.example:8080"), EmptySegments: v.EmptySegments}
	for _, f := range v.Fields {
		in.Fields = append(in.Fields, Field{f[0], f[1]})
	}
	_, hashes := field(in.Fields, HeaderContentSHA256)
	switch {
	case v.Presigned || v.Unsigned:
	case v.DateField != "":
		in.Fields = append(in.Fields, Field{"Date", v.DateField})
	default:
		in.Fields = append(in.Fields, Field{HeaderDate, date})
	}
	if !v.Presigned && !v.Unsigned && hashes == 0 {
		in.Fields = append(in.Fields, Field{HeaderContentSHA256, EmptyPayload})
	}
	if !v.Unsigned {
		v.sign(t, in, id, scope, date)
	}
	in.Method, in.Path, in.Host = or(v.SendMethod, in.Method), or(v.SendPath, in.Path), or(v.SendHost, in.Host)
	if v.SendQuery != "" {
		in.Query = v.SendQuery
	}
	if v.Remove != "" {
		in.Fields = slices.DeleteFunc(in.Fields, func(f Field) bool { return strings.EqualFold(f.Name, v.Remove) })
	}
	for _, f := range v.Add {
		in.Fields = append(in.Fields, Field{f[0], f[1]})
	}
	return in
}

// sign is written out once more, step by step, so that Verify is not compared
// with itself.
func (v vector) sign(t testing.TB, in *Incoming, id, scope, date string) {
	names := []string{"host"}
	for _, f := range in.Fields {
		if name := strings.ToLower(f.Name); strings.HasPrefix(name, "x-amz-") && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if v.Signed != "" {
		names = strings.Split(v.Signed, ";")
	}
	payload, hashes := field(in.Fields, HeaderContentSHA256)
	query, err := ParseQuery(in.Query)
	if err != nil {
		t.Fatal(err)
	}
	if v.Presigned {
		if hashes == 0 {
			if payload, hashes = query.getFold(paramContentSHA256); hashes == 0 {
				payload = UnsignedPayload
			}
		}
		query = append(query, Param{paramAlgorithm, Algorithm}, Param{paramCredential, id + "/" + scope}, Param{paramDate, date}, Param{paramSignedHeaders, strings.Join(names, ";")})
		if expires := deref(v.Expires, "900"); expires != "" {
			query = append(query, Param{paramExpires, expires})
		}
	}
	path, err := ParsePath(in.Path, PathRule{EmptySegments: true})
	if err != nil {
		t.Fatal(err)
	}
	headers, _ := CanonicalHeaders(in.Host, in.Fields, names)
	request := CanonicalRequest(in.Method, path, query.Canonical(), headers, names, payload)
	parts := append(strings.Split(scope, "/"), "", "", "")
	key := DeriveKey(auth.NewSecret(deref(v.Secret, ourSecret)), Scope{parts[0], parts[1], parts[2]})
	text := StringToSign(date, Scope{parts[0], parts[1], parts[2]}, request)
	signature := key.Sign(text)
	if v.CutSignature > 0 {
		signature = signature[:v.CutSignature]
	}
	if v.UpperSignature {
		signature = strings.ToUpper(signature)
	}
	edit := func(s string) string {
		for _, e := range v.Edit {
			s = strings.Replace(s, e[0], e[1], 1)
		}
		return s
	}
	if v.Presigned {
		in.Query = edit(query.Canonical() + "&X-Amz-Signature=" + signature)
		return
	}
	in.Fields = append(in.Fields, Field{HeaderAuthorization, edit(fmt.Sprintf("%s Credential=%s/%s, SignedHeaders=%s, Signature=%s", Algorithm, id, scope, strings.Join(names, ";"), signature))})
}

// The checks of section 2.2 of the facts in their order, and cases 1–50 and
// 91–100.
func TestVerify(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range load[[]vector](t, "verify.json") {
		if seen[v.Case] {
			t.Errorf("%s is there twice", v.Case)
		}
		seen[v.Case] = true
		t.Run(v.Case, func(t *testing.T) {
			now := exampleTime
			if v.Now != "" {
				d, err := time.ParseDuration(v.Now)
				if err != nil {
					t.Fatal(err)
				}
				now = now.Add(d)
			}
			in := v.signed(t)
			got, err := verifier(v.Region, now).Verify(context.Background(), in)
			if v.Error == "" {
				if err != nil {
					t.Fatal(err)
				}
				wantVerified(t, v, got)
				return
			}
			if err == nil {
				t.Fatalf("verified: %+v", in)
			}
			e := s3err.As(err)
			if e.Code != v.Error || !strings.Contains(e.Message+e.Next, v.Says) {
				t.Errorf("%s: %s %s; want %s with %q", e.Code, e.Message, e.Next, v.Error, v.Says)
			}
			wantDiscreet(t, in, e)
		})
	}
}

func wantVerified(t *testing.T, v vector, got *Verified) {
	t.Helper()
	if got.AccessKeyID != deref(v.AccessKeyID, ourID) || got.Presigned != v.Presigned || !got.SignedAt.Equal(exampleTime) || !slices.Contains(got.SignedHeaders, "host") {
		t.Errorf("%+v", got)
	}
	if end := got.Expires.Sub(got.SignedAt); v.Presigned && end > MaxExpires || !v.Presigned && end != MaxSkew {
		t.Errorf("good for %s", end)
	}
	path, _ := ParsePath(or(v.Path, "/b/k"), PathRule{EmptySegments: true})
	query, _ := ParseQuery(v.Query)
	if got.Path != path || got.Query.Canonical() != query.Without(IsSigningParam).Canonical() {
		t.Errorf("%q ? %q", got.Path, got.Query.Canonical())
	}
	for _, p := range got.Query {
		if IsSigningParam(p.Name) {
			t.Errorf("%s is still there", p.Name)
		}
	}
}

// wantDiscreet: an error never shows what was expected, nor what was
// presented.
func wantDiscreet(t *testing.T, in *Incoming, e *s3err.Error) {
	t.Helper()
	doc := string(s3err.AppendXML(nil, e, s3err.Where{Resource: in.Path + "?" + in.Query}))
	for _, never := range []string{ourSecret, "StringToSign", "CanonicalRequest", ourID, "20130524", "key store"} {
		if strings.Contains(doc, never) {
			t.Errorf("%s shows %q", doc, never)
		}
	}
	if e.HTTPStatus() < 400 || e.HTTPStatus() > 500 || e.Message == "" {
		t.Errorf("%d %q", e.HTTPStatus(), e.Message)
	}
}

// The worked examples of AWS, verified and taken apart.
func TestAWSExamples(t *testing.T) {
	examples := load[struct {
		AccessKeyID, Region, Date string
		Requests                  []struct {
			Name, Method, Host, Path, Query, Body                                                   string
			CanonicalPath, CanonicalQuery, CanonicalRequest, StringToSign, SignedHeaders, Signature string
			Presigned                                                                               bool
			Fields                                                                                  [][2]string
		}
	}](t, "aws-s3-examples.json")
	for _, x := range examples.Requests {
		t.Run(x.Name, func(t *testing.T) {
			in := &Incoming{Method: x.Method, Path: x.Path, Query: x.Query, Host: x.Host}
			for _, f := range x.Fields {
				in.Fields = append(in.Fields, Field{f[0], f[1]})
			}
			path, err := ParsePath(x.Path, PathRule{})
			if err != nil {
				t.Fatal(err)
			}
			query, err := ParseQuery(x.Query)
			if err != nil {
				t.Fatal(err)
			}
			if path.String() != or(x.CanonicalPath, x.Path) || query.Canonical() != x.CanonicalQuery {
				t.Errorf("%s ? %s", path, query.Canonical())
			}
			names := strings.Split(x.SignedHeaders, ";")
			headers, _ := CanonicalHeaders(x.Host, in.Fields, names)
			payload, _ := field(in.Fields, HeaderContentSHA256)
			request := CanonicalRequest(x.Method, path, query.Canonical(), headers, names, or(payload, UnsignedPayload))
			if x.CanonicalRequest != "" && request != x.CanonicalRequest {
				t.Errorf("canonical request\n%s\nwant\n%s", request, x.CanonicalRequest)
			}
			scope := Scope{examples.Date[:8], examples.Region, ServiceS3}
			text := StringToSign(examples.Date, scope, request)
			if text != x.StringToSign {
				t.Errorf("string to sign\n%s\nwant\n%s", text, x.StringToSign)
			}
			if got := DeriveKey(auth.NewSecret(exampleSecret), scope).Sign(text); got != x.Signature {
				t.Errorf("signature %s, want %s", got, x.Signature)
			}
			if x.Presigned {
				in.Query += "&X-Amz-Signature=" + x.Signature
			} else {
				in.Fields = append(in.Fields, Field{HeaderAuthorization, fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=%s,Signature=%s", examples.AccessKeyID, scope, x.SignedHeaders, x.Signature)})
			}
			got, err := verifier("", exampleTime.Add(time.Minute)).Verify(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			if got.AccessKeyID != exampleID || got.Scope != scope || got.Path != path {
				t.Errorf("%+v", got)
			}
			if x.Body != "" {
				if body, err := readBody(got, strings.NewReader(x.Body)); err != nil || body != x.Body {
					t.Errorf("%q, %v", body, err)
				}
			}
		})
	}
}

// T98: for an unknown key the same work is done as for a wrong signature.
func TestVerifyUnknownKeyAllocatesLikeAWrongSignature(t *testing.T) {
	wrong, unknown := vector{Secret: new(string)}, vector{AccessKeyID: new(string), Secret: new(string)}
	*wrong.Secret, *unknown.Secret, *unknown.AccessKeyID = "wrong", "wrong", "WBAKUNKNOWN"
	ver := verifier("", exampleTime)
	ver.Lookup = func(_ context.Context, id string) (auth.Secret, error) {
		if id == ourID {
			return auth.NewSecret(ourSecret), nil
		}
		return auth.Secret{}, ErrUnknownKey
	}
	work := func(v vector) float64 {
		in := v.signed(t)
		return testing.AllocsPerRun(50, func() {
			if _, err := ver.Verify(context.Background(), in); err == nil {
				t.Fatal("verified")
			}
		})
	}
	// Deriving a key and signing with it takes more than twenty.
	if a, b := work(wrong), work(unknown); a-b > 2 || b-a > 2 {
		t.Errorf("%.0f allocations for a wrong signature, %.0f for an unknown key", a, b)
	}
	if n := len(nobody.Reveal()); n != len(exampleSecret) {
		t.Errorf("nobody's secret has %d bytes", n)
	}
}

func TestVerifyTellsTheRegion(t *testing.T) {
	_, err := verifier("eu-west-1", exampleTime).Verify(context.Background(), vector{}.signed(t))
	if e := s3err.As(err); e.Region != "eu-west-1" || e.Code != s3err.AuthHeaderMalformed {
		t.Errorf("%+v", e)
	}
}

func TestVerifyIsBounded(t *testing.T) {
	big := vector{SendQuery: "a=" + strings.Repeat("b", 10<<20)}.signed(t)
	names := vector{Edit: [][2]string{{"=host;", "=host;" + strings.Repeat("x;", maxSignedHeaders)}}}.signed(t)
	long := vector{Edit: [][2]string{{"Signature=", "Signature=" + strings.Repeat("0", maxAuthorization)}}}.signed(t)
	id := strings.Repeat("A", maxAccessKeyID+1)
	for name, c := range map[string]struct {
		in   *Incoming
		want s3err.Code
	}{
		"10 MB of query":   {big, s3err.InvalidArgument},
		"many names":       {names, s3err.AuthHeaderMalformed},
		"a long signature": {long, s3err.AuthHeaderMalformed},
		"a long id":        {vector{AccessKeyID: &id}.signed(t), s3err.AuthHeaderMalformed},
	} {
		_, err := verifier("", exampleTime).Verify(context.Background(), c.in)
		if e := s3err.As(err); e == nil || e.Code != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerifiedShowsNoKey(t *testing.T) {
	got, err := verifier("", exampleTime).Verify(context.Background(), vector{}.signed(t))
	if err != nil {
		t.Fatal(err)
	}
	key := DeriveKey(auth.NewSecret(ourSecret), got.Scope).k.Reveal()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		for _, form := range []string{key, fmt.Sprintf("%x", key), fmt.Sprintf("%q", key), fmt.Sprint([]byte(key))} {
			if text := fmt.Sprintf(verb, *got); strings.Contains(text, form) {
				t.Errorf("%s shows the signing key: %s", verb, text)
			}
		}
	}
}
