package signer

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// fakeSTS answers AssumeRole and AssumeRoleWithWebIdentity.
type fakeSTS struct {
	asked atomic.Int64
	first atomic.Pointer[url.Values]
	last  atomic.Pointer[url.Values]
	auth  atomic.Pointer[string]
	fail  atomic.Bool
	now   func() time.Time
}

func (f *fakeSTS) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(b))
	if err != nil {
		return nil, err
	}
	n := f.asked.Add(1)
	signed := r.URL.Host + " " + r.Header.Get("Authorization")
	f.first.CompareAndSwap(nil, &form)
	f.last.Store(&form)
	f.auth.Store(&signed)
	action, status := form.Get("Action"), 200
	body := fmt.Sprintf(`<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials><AccessKeyId>ASIATEMPORARY%[2]d</AccessKeyId><SecretAccessKey>temporary-secret</SecretAccessKey><SessionToken>temporary-token</SessionToken><Expiration>%[3]s</Expiration></Credentials></%[1]sResult></%[1]sResponse>`,
		action, n, f.now().Add(time.Hour).UTC().Format(time.RFC3339))
	if f.fail.Load() {
		status, body = 403, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"text/xml"}}, Body: io.NopCloser(bytes.NewReader([]byte(body))), Request: r}, nil
}

func s3Role(t *testing.T, params map[string]string, o SetOptions, patterns ...string) (*s3Yard, *fakeSTS) {
	t.Helper()
	y := newS3Yard(t, s3Cred{id: "c", patterns: patterns, params: params})
	f := &fakeSTS{now: time.Now}
	o.Client = &http.Client{Transport: f}
	o.Now = time.Now
	y.set = NewSet(y.vault, o)
	t.Cleanup(y.set.Close)
	return y, f
}

// The keys of a role are good for what the deciding pattern names and for the
// kind of request only, and are asked for once.
func TestS3AssumesANarrowedRole(t *testing.T) {
	y, f := s3Role(t, map[string]string{s3RoleARN: "arn:aws:iam::123456789012:role/models", s3ExternalID: "ours", s3Region: "eu-west-1"}, SetOptions{}, "s3://bkt/models/v*/x", "s3://all/*")
	const base = "https://s3.eu-west-1.amazonaws.com"
	out := y.send("GET", base+"/bkt/models/v1/x")
	y.send("GET", base+"/bkt/models/v2/x")
	if out.Header.Get("X-Amz-Security-Token") != "temporary-token" || !strings.HasPrefix(scope(out), "ASIATEMPORARY1/") || f.asked.Load() != 1 {
		t.Errorf("%s after %d exchanges", scope(out), f.asked.Load())
	}
	form := *f.last.Load()
	const want = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectVersion","s3:GetObjectAttributes","s3:GetObjectVersionAttributes"],"Resource":"arn:aws:s3:::bkt/models/v*"},` +
		`{"Effect":"Allow","Action":["s3:ListBucket","s3:ListBucketVersions"],"Resource":"arn:aws:s3:::bkt","Condition":{"StringLike":{"s3:prefix":"models/v*"}}},` +
		`{"Effect":"Allow","Action":["kms:Decrypt"],"Resource":"*","Condition":{"StringLike":{"kms:ViaService":"s3.*.amazonaws.com"}}}]}`
	if form.Get("Policy") != want || form.Get("ExternalId") != "ours" || form.Get("RoleArn") != "arn:aws:iam::123456789012:role/models" || form.Get("RoleSessionName") != "weighbridge" {
		t.Errorf("asked %v", form)
	}
	if signed := *f.auth.Load(); !strings.HasPrefix(signed, "sts.eu-west-1.amazonaws.com AWS4-HMAC-SHA256 Credential="+s3ID+"/") {
		t.Errorf("STS was asked by %s", signed)
	}
	if out := y.send("PUT", base+"/all/x"); !strings.HasPrefix(scope(out), "ASIATEMPORARY2/") || !strings.Contains(f.last.Load().Get("Policy"), `"s3:PutObject"`) {
		t.Errorf("%s by %v", scope(out), *f.last.Load())
	}
	if out := y.send("GET", base+"/all/x"); !strings.HasPrefix(scope(out), "ASIATEMPORARY3/") || strings.Contains(f.last.Load().Get("Policy"), "PutObject") {
		t.Errorf("%s by %v", scope(out), *f.last.Load())
	}
	// What S3 calls ended is got anew.
	before := f.asked.Load()
	if l := y.learn(out, 400, nil, "<Error><Code>ExpiredToken</Code></Error>", false); !l.Again {
		t.Errorf("%+v", l)
	}
	if y.send("GET", base+"/bkt/models/v1/x"); f.asked.Load() != before+1 {
		t.Errorf("%d exchanges", f.asked.Load()-before)
	}
	// Another request that was sent with the old ones takes no new ones along.
	if l := y.learn(out, 400, nil, "<Error><Code>ExpiredToken</Code></Error>", false); !l.Again {
		t.Errorf("%+v", l)
	}
	if y.send("GET", base+"/bkt/models/v1/x"); f.asked.Load() != before+1 {
		t.Errorf("%d exchanges for two requests", f.asked.Load()-before)
	}
	// A refusal is one, and nothing goes without.
	f.fail.Store(true)
	y.state.Credentials[0].Version++
	y.compile()
	if out, err := y.trySend("GET", base+"/all/x"); auth.AsError(err).Code != auth.CodeCredentialFailed || out.Header.Get("Authorization") != "" {
		t.Errorf("%v", err)
	}
}

// A batch of deletions is decided by its keys, and signed for by keys that may
// delete.
func TestS3RoleForABatchOfDeletionsMayDelete(t *testing.T) {
	y, f := s3Role(t, map[string]string{s3RoleARN: "arn:aws:iam::123456789012:role/models", s3Region: "eu-west-1"}, SetOptions{}, "s3://all/*")
	d := y.decide("DELETE", "https://s3.eu-west-1.amazonaws.com/all/x")
	out := &auth.Outgoing{Method: "POST", Target: target(t, "https://s3.eu-west-1.amazonaws.com/all?delete="), Header: &headerLines{}, Decided: true}
	if err := y.set.Aim(&d, out); err != nil {
		t.Fatal(err)
	}
	if _, err := y.set.Sign(t.Context(), d, out); err != nil {
		t.Fatal(err)
	}
	if policy := f.last.Load().Get("Policy"); !strings.Contains(policy, `"s3:DeleteObject"`) {
		t.Error(policy)
	}
	// What it names by other rules is in the session as well, and used as it is
	// used; the keys for it are no other request's.
	y, f = s3Role(t, map[string]string{s3RoleARN: "arn:aws:iam::123456789012:role/models"}, SetOptions{}, "s3://out/*", "s3://src/sd/*")
	d = y.decide("PUT", "https://s3.amazonaws.com/out/x")
	source := y.decide("GET", "https://s3.amazonaws.com/src/sd/x")
	copied := d
	copied.Also = []auth.Ruling{{Method: "GET", Rule: source.Rule}, {Method: "GET", Rule: d.Rule}}
	for i, d := range []*auth.Decision{&copied, &d, &copied} {
		out := &auth.Outgoing{Method: "PUT", Target: target(t, "https://s3.amazonaws.com/out/x"), Header: &headerLines{{Name: "x-amz-copy-source", Value: "src/sd/x"}}, Decided: true}
		if err := y.set.Aim(d, out); err != nil {
			t.Fatal(err)
		}
		if _, err := y.set.Sign(t.Context(), *d, out); err != nil {
			t.Fatal(err)
		}
		policy := f.last.Load().Get("Policy")
		reads := strings.Contains(policy, `{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectVersion","s3:GetObjectAttributes","s3:GetObjectVersionAttributes"],"Resource":"arn:aws:s3:::src/sd/*"}`)
		if i < 2 && (reads != (i == 0) || !strings.Contains(policy, `"s3:ListMultipartUploadParts"],"Resource":"arn:aws:s3:::out/*"}`) || !strings.Contains(policy, `"kms:GenerateDataKey"`)) {
			t.Errorf("request %d: %s", i, policy)
		}
	}
	if n := f.asked.Load(); n != 2 {
		t.Errorf("%d sessions", n)
	}
	for i := range 60 {
		copied.Also = append(copied.Also, auth.Ruling{Method: "DELETE", Rule: fmt.Sprintf("s3.amazonaws.com/src/a-directory-of-a-batch-%d/*", i)})
	}
	out = &auth.Outgoing{Method: "PUT", Target: target(t, "https://s3.amazonaws.com/out/x"), Header: &headerLines{}, Decided: true}
	if err := y.set.Aim(&copied, out); err != nil {
		t.Fatal(err)
	}
	if _, err := y.set.Sign(t.Context(), copied, out); err == nil || !strings.Contains(err.Error(), "ask for less in one request") || f.asked.Load() != 2 {
		t.Errorf("more than a policy holds: %v", err)
	}
	// So it is where the pattern is about a part of the bucket, and only then.
	y = newS3Yard(t, s3Cred{id: "c", patterns: []string{"s3://bkt/models/*"}})
	for _, c := range []struct {
		method, url string
		decided, ok bool
	}{
		{"POST", "/bkt?delete=", true, true}, {"POST", "/bkt?delete=", false, false}, {"GET", "/bkt?list-type=2", true, false},
		{"POST", "/bk?delete=", true, false}, {"POST", "/other?delete=", true, false},
	} {
		d := y.decide("DELETE", "https://s3.eu-west-1.amazonaws.com/bkt/models/x")
		out := &auth.Outgoing{Method: c.method, Target: target(t, "https://s3.eu-west-1.amazonaws.com"+c.url), Header: &headerLines{}, Decided: c.decided}
		err := y.set.Aim(&d, out)
		if err == nil {
			_, err = y.set.Sign(t.Context(), d, out)
		}
		if (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestS3KeysOfTheMachineAndThePod(t *testing.T) {
	env := map[string]string{"AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "s", "AWS_WEB_IDENTITY_TOKEN_FILE": "/run/token", "AWS_ROLE_ARN": "arn:aws:iam::1:role/pod"}
	o := SetOptions{Getenv: func(n string) string { return env[n] }, ReadFile: func(n string) ([]byte, error) {
		if n != "/run/token" {
			return nil, fs.ErrNotExist
		}
		return []byte("the.pods.token"), nil
	}}
	const url = "https://s3.us-east-1.amazonaws.com/bkt/x"
	y, f := s3Role(t, map[string]string{s3Source: s3Environment}, o, "s3://bkt/*")
	y.vault.fields = auth.Fields{}
	if out := y.send("GET", url); !strings.HasPrefix(scope(out), "AKIAENVIRONMENT/") || f.asked.Load() != 0 {
		t.Error(scope(out))
	}
	y, f = s3Role(t, map[string]string{s3Source: s3WebIdentity}, o, "s3://bkt/*")
	y.vault.fields = auth.Fields{}
	if out := y.send("GET", url); !strings.HasPrefix(scope(out), "ASIATEMPORARY1/") || f.last.Load().Get("WebIdentityToken") != "the.pods.token" {
		t.Error(scope(out))
	}
	// Its session is narrowed as that of any role is.
	if policy := f.last.Load().Get("Policy"); !strings.Contains(policy, `"arn:aws:s3:::bkt/*"`) || !strings.Contains(policy, "kms:Decrypt") || strings.Contains(policy, "PutObject") {
		t.Errorf("the session of the pod: %q", policy)
	}
	if y.send("PUT", url); !strings.Contains(f.last.Load().Get("Policy"), "PutObject") {
		t.Errorf("the session of an upload: %q", f.last.Load().Get("Policy"))
	}
	// Of an access point no policy can name the bucket.
	y, f = s3Role(t, map[string]string{s3Source: s3WebIdentity}, o, "https://ap-123456789012.s3-accesspoint.us-east-1.amazonaws.com/*")
	y.vault.fields = auth.Fields{}
	if y.send("GET", "https://ap-123456789012.s3-accesspoint.us-east-1.amazonaws.com/x"); f.asked.Load() != 1 || f.last.Load().Has("Policy") {
		t.Errorf("an access point: %v", f.last.Load())
	}
	// Of two roles the second is narrowed: the first has to assume it.
	y, f = s3Role(t, map[string]string{s3Source: s3WebIdentity, s3RoleARN: "arn:aws:iam::123456789012:role/models"}, o, "s3://bkt/*")
	y.vault.fields = auth.Fields{}
	if y.send("GET", url); f.asked.Load() != 2 || f.first.Load().Has("Policy") || !f.last.Load().Has("Policy") {
		t.Errorf("%v, then %v", f.first.Load(), f.last.Load())
	}
	// Where the machine has none it is said, and nothing is sent.
	y, _ = s3Role(t, map[string]string{s3Source: s3WebIdentity}, SetOptions{}, "s3://bkt/*")
	if _, err := y.trySend("GET", url); err == nil || !strings.Contains(err.Error(), "AWS_WEB_IDENTITY_TOKEN_FILE") {
		t.Errorf("%v", err)
	}
}

// STS is asked in the partition that the role is of: in another one nobody knows
// its keys, and they would be called wrong.
func TestS3AsksTheSTSOfThePartition(t *testing.T) {
	env := map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/run/token", "AWS_ROLE_ARN": "arn:aws-us-gov:iam::1:role/pod"}
	o := SetOptions{Getenv: func(n string) string { return env[n] }, ReadFile: func(string) ([]byte, error) { return []byte("the.pods.token"), nil }}
	for _, c := range []struct{ role, region, pattern, url, want string }{
		{"arn:aws-cn:iam::1:role/x", "", "bkt.s3.cn-north-1.amazonaws.com.cn/*", "https://bkt.s3.cn-north-1.amazonaws.com.cn/k", "sts.cn-north-1.amazonaws.com.cn"},
		{"arn:aws-cn:iam::1:role/x", "cn-northwest-1", "s3://bkt/*", "https://s3.cn-north-1.amazonaws.com.cn/bkt/k", "sts.cn-northwest-1.amazonaws.com.cn"},
		{"arn:aws-us-gov:iam::1:role/x", "", "s3.us-gov-east-1.amazonaws.com/bkt/*", "https://s3.us-gov-east-1.amazonaws.com/bkt/k", "sts.us-gov-west-1.amazonaws.com"},
		{"arn:aws-eusc:iam::1:role/x", "", "bkt.s3.eusc-de-east-1.amazonaws.eu/*", "https://bkt.s3.eusc-de-east-1.amazonaws.eu/k", "sts.eusc-de-east-1.amazonaws.eu"},
		{"arn:aws:iam::1:role/x", "", "s3://bkt/*", "https://s3.eu-west-1.amazonaws.com/bkt/k", "sts.us-east-1.amazonaws.com"},
		{"arn:aws:iam::1:role/x", "eu-west-1", "s3://bkt/*", "https://s3.eu-west-1.amazonaws.com/bkt/k", "sts.eu-west-1.amazonaws.com"},
		{"", "", "s3.us-gov-west-1.amazonaws.com/bkt/*", "https://s3.us-gov-west-1.amazonaws.com/bkt/k", "sts.us-gov-west-1.amazonaws.com"},
	} {
		params := map[string]string{}
		if params[s3RoleARN] = c.role; c.role == "" {
			params[s3Source] = s3WebIdentity
		}
		if c.region != "" {
			params[s3Region] = c.region
		}
		y, f := s3Role(t, params, o, c.pattern)
		y.send("GET", c.url)
		if host, _, _ := strings.Cut(*f.auth.Load(), " "); host != c.want {
			t.Errorf("%s, region %q: %s was asked, want %s", c.role, c.region, host, c.want)
		}
		if policy := f.last.Load().Get("Policy"); c.role != "" && !strings.Contains(policy, `"`+arnPrefix(c.role)+`:s3:::bkt/*"`) {
			t.Errorf("%s: %s", c.role, policy)
		}
	}
	// A probe that names no bucket asks there too, and of keys that are not
	// Amazon's it asks nobody.
	for _, c := range []struct{ role, region, pattern, want string }{
		{"", "", "*.s3.cn-north-1.amazonaws.com.cn/*", "sts.cn-north-1.amazonaws.com.cn"},
		{"", "us-gov-east-1", "*.s3.us-gov-east-1.amazonaws.com/*", "sts.us-gov-east-1.amazonaws.com"},
		{"", "", "*.s3.eusc-de-east-1.amazonaws.eu/*", "sts.eusc-de-east-1.amazonaws.eu"},
		{"", "", "*.s3.us-iso-east-1.c2s.ic.gov/*", "sts.us-iso-east-1.c2s.ic.gov"},
		{"arn:aws-cn:iam::1:role/x", "", "bkt.s3.cn-north-1.amazonaws.com.cn/*", "sts.cn-north-1.amazonaws.com.cn"},
		{"", "", "*.s3.amazonaws.com/*", "sts.us-east-1.amazonaws.com"},
		{"", "auto", "*.0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com/*", ""},
	} {
		sts := &fakeSTS{now: time.Now}
		set := NewSet(nil, SetOptions{Client: &http.Client{Transport: sts}, Now: time.Now})
		q := auth.Inquiry{Credential: auth.Credential{Provider: "s3", Patterns: []string{c.pattern}, Params: map[string]string{s3RoleARN: c.role, s3Region: c.region}},
			Fields: auth.Fields{s3AccessKeyID: auth.NewSecret(s3ID), s3SecretAccessKey: auth.NewSecret(canary)}}
		if host := set.Host(q); host != c.want {
			t.Errorf("%s: a probe would ask %s, want %s", c.pattern, host, c.want)
		}
		sts.fail.Store(true) // what it says is not looked at here
		r := set.Probe(t.Context(), q)
		set.Close()
		switch signed := sts.auth.Load(); {
		case c.want == "" && (signed != nil || r.Verdict != auth.VerdictUnasked):
			t.Errorf("%s: %+v", c.pattern, r)
		case c.want != "" && (signed == nil || !strings.HasPrefix(*signed, c.want+" ") || r.Asked != "POST https://"+c.want+"/"):
			t.Errorf("%s: %+v", c.pattern, r)
		}
	}
}

func arnPrefix(arn string) string { return strings.Join(strings.SplitN(arn, ":", 3)[:2], ":") }

// A bucket itself is found by a session of its own where the pattern is about a
// part of it: the request names no prefix by which S3 could hold it to that.
func TestS3RoleForABucketItself(t *testing.T) {
	y, f := s3Role(t, map[string]string{s3RoleARN: "arn:aws:iam::123456789012:role/models"}, SetOptions{}, "s3://bkt/sd/*", "s3://all/*")
	for _, c := range []struct{ method, url, subject, want string }{
		{"HEAD", "/bkt", "/bkt/?list-type=2&prefix=sd/", `[{"Effect":"Allow","Action":["s3:ListBucket","s3:GetBucketLocation"],"Resource":"arn:aws:s3:::bkt"}]`},
		{"GET", "/bkt?location=", "/bkt/?list-type=2&prefix=sd/", `[{"Effect":"Allow","Action":["s3:ListBucket","s3:GetBucketLocation"],"Resource":"arn:aws:s3:::bkt"}]`},
		{"GET", "/bkt?uploads=&prefix=sd/x", "/bkt/?list-type=2&prefix=sd/x", `{"Effect":"Allow","Action":["s3:ListBucketMultipartUploads"],"Resource":"arn:aws:s3:::bkt"}`},
		{"GET", "/bkt?uploads=", "/bkt/?list-type=2&prefix=sd/", ""},
		{"GET", "/bkt?uploads=&prefix=other/", "/bkt/?list-type=2&prefix=sd/", ""},
		{"GET", "/bkt?policy=&prefix=sd/", "/bkt/?list-type=2&prefix=sd/", ""},
		{"GET", "/bkt?uploads=&policy=&prefix=sd/", "/bkt/?list-type=2&prefix=sd/", ""},
		{"HEAD", "/bkt?versioning=", "/bkt/?list-type=2&prefix=sd/", ""},
		{"HEAD", "/other", "/bkt/?list-type=2&prefix=sd/", ""},
		{"HEAD", "/all", "/all/?list-type=2", `"Action":["s3:ListBucket","s3:ListBucketVersions","s3:GetBucketLocation"],"Resource":"arn:aws:s3:::all"}`},
	} {
		const base = "https://s3.amazonaws.com"
		before := f.asked.Load()
		d := y.decide("GET", base+c.subject)
		out := &auth.Outgoing{Method: c.method, Target: target(t, base+c.url), Header: &headerLines{}, Decided: true}
		err := y.set.Aim(&d, out)
		if err == nil {
			_, err = y.set.Sign(t.Context(), d, out)
		}
		switch {
		case c.want == "" && (err == nil || f.asked.Load() != before):
			t.Errorf("%s %s: %v", c.method, c.url, err)
		case c.want != "" && err != nil:
			t.Errorf("%s %s: %v", c.method, c.url, err)
		case c.want != "" && !strings.Contains(f.last.Load().Get("Policy"), c.want):
			t.Errorf("%s %s: %s", c.method, c.url, f.last.Load().Get("Policy"))
		}
		// Only what a front has decided is let through so.
		if out.Decided = false; c.url != "/all" {
			if _, err := y.set.Sign(t.Context(), d, out); c.url != "/bkt?uploads=&prefix=sd/x" && err == nil {
				t.Errorf("%s %s, decided by nobody: signed", c.method, c.url)
			}
		}
	}
}

func TestS3SourcesAreChecked(t *testing.T) {
	for _, c := range []struct {
		f    auth.Fields
		want string
	}{
		{auth.Fields{}, "accessKeyId: is required; secretAccessKey: is required"},
		{auth.Fields{s3Source: auth.NewSecret(s3Environment)}, ""},
		{auth.Fields{s3Source: auth.NewSecret(s3WebIdentity), s3RoleARN: auth.NewSecret("arn:aws-cn:iam::1:role/x")}, ""},
		{auth.Fields{s3Source: auth.NewSecret(s3WebIdentity), s3RoleARN: auth.NewSecret("role/x")}, "roleArn: is not the ARN"},
		{auth.Fields{s3Source: auth.NewSecret("elsewhere")}, "source: is one of static, environment, web_identity"},
	} {
		err := s3{}.Check(c.f)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
