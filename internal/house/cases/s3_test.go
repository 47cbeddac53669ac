package cases

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/workerenv"
	"github.com/weighbridge/weighbridge/signer/s3err"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

const s3AccessKey = "AKIAIOSFODNN7EXAMPLEAKIAIOSFODNN7EXAMPLE"

// fakeS3 is a region of S3 that verifies, answers as S3 does where it is the
// wrong one, and echoes what it was asked with where it can.
type fakeS3 struct {
	region string
	secret auth.Secret
	// home is the region of the bucket.
	home *atomic.Pointer[string]
	// ahead is how far its clock is before ours.
	ahead *atomic.Int64
	asked *atomic.Int64
	// loops answers every request by a redirect.
	loops *atomic.Bool
	// silent redirects without saying where to, but to a HeadBucket, which has
	// to come without a signature; heads counts those.
	silent *atomic.Bool
	heads  *atomic.Int64
}

func (f fakeS3) now() time.Time { return time.Now().Add(time.Duration(f.ahead.Load())) }

func (f fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.asked.Add(1)
	w.Header()["Date"] = []string{f.now().UTC().Format(http.TimeFormat)}
	w.Header().Set("Content-Type", "application/xml")
	refuse := func(status int, code, more string) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<?xml version=\"1.0\"?>\n<Error><Code>%s</Code><Message>no.</Message>%s<AWSAccessKeyId>%s</AWSAccessKeyId><StringToSign>%s</StringToSign></Error>",
			code, more, strings.Repeat(s3AccessKey, strings.Count(r.Header.Get("Authorization"), s3AccessKey)), r.Header.Get("Authorization"))
	}
	home := *f.home.Load()
	if f.loops.Load() {
		w.Header().Set("X-Amz-Bucket-Region", map[bool]string{true: "eu-west-1", false: "eu-west-2"}[f.region != "eu-west-1"])
		refuse(301, "PermanentRedirect", "<Endpoint>x</Endpoint>")
		return
	}
	if home != f.region && f.silent.Load() {
		if r.Method == http.MethodHead && strings.Count(strings.TrimSuffix(r.URL.Path, "/"), "/") <= 1 && r.Header.Get("Authorization") == "" && r.URL.RawQuery == "" {
			f.heads.Add(1)
			w.Header().Set("X-Amz-Bucket-Region", home)
			w.WriteHeader(http.StatusForbidden)
			return
		}
		refuse(307, "TemporaryRedirect", "")
		return
	}
	if home != f.region {
		w.Header().Set("X-Amz-Bucket-Region", home)
		refuse(301, "PermanentRedirect", "<Endpoint>bkt.s3."+home+".amazonaws.com</Endpoint>")
		return
	}
	if strings.HasSuffix(r.URL.Path, "/broken") {
		refuse(403, "SignatureDoesNotMatch", "")
		return
	}
	in := sigv4.Incoming{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Host: r.Host, EmptySegments: true}
	for name, values := range r.Header {
		for _, v := range values {
			in.Fields = append(in.Fields, sigv4.Field{Name: name, Value: v})
		}
	}
	verifier := sigv4.Verifier{Now: f.now, Region: f.region, Lookup: func(_ context.Context, id string) (auth.Secret, error) {
		if id != s3AccessKey {
			return auth.Secret{}, sigv4.ErrUnknownKey
		}
		return f.secret, nil
	}}
	if _, err := verifier.Verify(r.Context(), &in); err != nil {
		e := s3err.As(err)
		refuse(e.HTTPStatus(), string(e.Code), "")
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = fmt.Fprint(w, r.URL.EscapedPath())
}

// s3House is a house before two regions of a fake S3.
func s3House(t *testing.T) (*house.House, fakeS3, string) {
	t.Helper()
	secret := house.NewCanary("s3_")
	f := fakeS3{
		region: "us-east-1", secret: auth.NewSecret(secret.Value()), home: &atomic.Pointer[string]{}, ahead: &atomic.Int64{},
		asked: &atomic.Int64{}, loops: &atomic.Bool{}, silent: &atomic.Bool{}, heads: &atomic.Int64{},
	}
	home := "us-east-1"
	f.home.Store(&home)
	west, other := f, f
	other.region = "eu-west-2"
	west.region = "eu-west-1"
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{
		"s3.amazonaws.com": f, "bkt.s3.amazonaws.com": f, "s3.us-east-1.amazonaws.com": f,
		"s3.eu-west-1.amazonaws.com": west, "bkt.s3.eu-west-1.amazonaws.com": west, "s3.eu-west-2.amazonaws.com": other,
	})})
	h.Watch.Add(secret)
	h.Watch.Add(house.CanaryOf(s3AccessKey))
	h.AddCredential(admin.NewCredential{NoValidate: true,
		Name: "s3", Provider: "s3", Patterns: []string{"s3://bkt/*", "s3://dot.ted/*"},
		Fields: map[string]string{"accessKeyId": " " + s3AccessKey + "\n", "secretAccessKey": secret.Value()},
	})
	return h, f, h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"s3"}}).Key
}

// TestS3WrongRegionIsLearned: the worker sees 200 and never a redirect of S3;
// what was learned holds for the requests that follow.
func TestS3WrongRegionIsLearned(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		h, f, key := s3House(t)
		w := newWorker(t, h, mode, key)
		home := "eu-west-1"
		f.home.Store(&home)
		if r := w.get("https://bkt.s3.amazonaws.com/models/a+b%2Fc"); r.status != 200 || string(r.body) != "/models/a%2Bb/c" || f.asked.Load() != 2 {
			t.Errorf("%s: %s after %d requests", mode, r, f.asked.Load())
		}
		if r := w.get("https://s3.amazonaws.com/bkt/x"); r.status != 200 || string(r.body) != "/bkt/x" || f.asked.Load() != 3 {
			t.Errorf("%s, remembered: %s after %d requests", mode, r, f.asked.Load())
		}
		if r := w.get("https://dot.ted.s3.amazonaws.com/x"); r.status != 200 || string(r.body) != "/dot.ted/x" {
			t.Errorf("%s, a bucket with dots: %s", mode, r)
		}
		f.loops.Store(true)
		before := f.asked.Load()
		if r := w.ask(http.MethodHead, "https://s3.us-east-1.amazonaws.com/bkt/x", nil); r.status != 502 || f.asked.Load() > before+2 {
			t.Errorf("%s, a loop: %s after %d requests", mode, r, f.asked.Load()-before)
		}
		if r := w.get("https://s3.us-east-1.amazonaws.com/bkt/y"); r.status != 502 || r.code() != auth.CodeUpstreamProtocol || r.header.Get("Location") != "" {
			t.Errorf("%s, a loop: %s", mode, r)
		}
		if !strings.Contains(h.Log.String(), "the bucket bkt is in the region eu-west-1") {
			t.Errorf("%s: the log does not say what was learned", mode)
		}
		h.Close()
	}
}

// TestS3RegionIsAskedFor where a redirect does not name it: by a HeadBucket
// without credential, once.
func TestS3RegionIsAskedFor(t *testing.T) {
	t.Parallel()
	h, f, key := s3House(t)
	w := newWorker(t, h, workerenv.Reverse, key)
	home := "eu-west-1"
	f.home.Store(&home)
	f.silent.Store(true)
	for i, raw := range []string{"https://bkt.s3.amazonaws.com/x", "https://s3.amazonaws.com/bkt/y"} {
		if r := w.get(raw); r.status != 200 || f.heads.Load() != 1 || f.asked.Load() != int64(3+i) {
			t.Errorf("%s: %s after %d requests, %d of them for the region", raw, r, f.asked.Load(), f.heads.Load())
		}
	}
}

// TestS3ClockIsLearned by one retry, said in the log.
func TestS3ClockIsLearned(t *testing.T) {
	t.Parallel()
	h, f, key := s3House(t)
	f.ahead.Store(int64(3 * time.Hour))
	for i, want := range []int64{2, 3} {
		if r := newWorker(t, h, workerenv.Reverse, key).get("https://bkt.s3.amazonaws.com/x"); r.status != 200 || f.asked.Load() != want {
			t.Errorf("request %d: %s after %d requests", i, r, f.asked.Load())
		}
	}
	if !strings.Contains(h.Log.String(), "3h0m0s apart") {
		t.Error("the log does not tell of the clock")
	}
}

// TestS3ErrorsShowNothingOfOurs: the kit searches everything for the access
// key id; the error's own words stay.
func TestS3ErrorsShowNothingOfOurs(t *testing.T) {
	t.Parallel()
	h, _, key := s3House(t)
	for _, mode := range modes {
		w := newWorker(t, h, mode, key)
		r := w.get("https://bkt.s3.amazonaws.com/broken")
		if r.status != 403 || !strings.Contains(string(r.body), "<Code>SignatureDoesNotMatch</Code><Message>no.</Message>") ||
			strings.Contains(string(r.body), "StringToSign") || strings.Contains(string(r.body), "AWS4") || !strings.Contains(r.header.Get("X-Weighbridge-Decision"), `"s3"`) {
			t.Errorf("%s: %s", mode, r)
		}
		for _, c := range []struct {
			url, code string
			status    int
		}{
			{"https://bkt.s3.amazonaws.com/x?acl", "scope_forbidden", 403},
			{"https://bkt.s3.amazonaws.com/a/%2e%2e/x", "bad_target", 400},
			{"https://bkt.s3.amazonaws.com/x?AWSAccessKeyId=a&Signature=b&Expires=9999999999", "bad_target", 400},
			{"https://bkt.s3.amazonaws.com/x?a=1;b=2", "bad_target", 400},
		} {
			if r := w.get(c.url); r.status != c.status || string(r.code()) != c.code {
				t.Errorf("%s, %s: %s", mode, c.url, r)
			}
		}
		// A complete foreign signature reaches S3 as it is, and is judged there.
		const presigned = "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAOTHER%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00"
		h.Server.Record.Reset()
		if r := w.get("https://bkt.s3.amazonaws.com/a+b" + presigned); r.status != 403 {
			t.Errorf("%s, presigned: %s", mode, r)
		}
		rows := h.Server.Record.On("bkt.s3.amazonaws.com")
		if len(rows) != 1 || "?"+rows[0].Query != presigned || rows[0].Authorization() != "" || rows[0].Path != "/a+b" {
			t.Errorf("%s, presigned: %+v", mode, rows)
		}
	}
}
