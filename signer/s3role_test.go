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
	const want = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectVersion","s3:GetObjectAttributes"],"Resource":"arn:aws:s3:::bkt/models/v*"},` +
		`{"Effect":"Allow","Action":["s3:ListBucket","s3:ListBucketVersions"],"Resource":"arn:aws:s3:::bkt","Condition":{"StringLike":{"s3:prefix":"models/v*"}}}]}`
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
	// Where the machine has none it is said, and nothing is sent.
	y, _ = s3Role(t, map[string]string{s3Source: s3WebIdentity}, SetOptions{}, "s3://bkt/*")
	if _, err := y.trySend("GET", url); err == nil || !strings.Contains(err.Error(), "AWS_WEB_IDENTITY_TOKEN_FILE") {
		t.Errorf("%v", err)
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
