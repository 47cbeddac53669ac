package signer

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

const (
	s3ID     = "AKIAIOSFODNN7EXAMPLE"
	s3Secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// s3Yard is a key that is linked to credentials of S3, and what signs for it.
type s3Yard struct {
	t        *testing.T
	state    auth.State
	snapshot *auth.Snapshot
	hash     auth.KeyHash
	set      *Set
	now      time.Time
	vault    *openVault
}

// s3Cred is a credential in a test.
type s3Cred struct {
	id       string
	patterns []string
	params   map[string]string
}

func newS3Yard(t *testing.T, creds ...s3Cred) *s3Yard {
	t.Helper()
	y := &s3Yard{t: t, now: fixedClock()}
	y.hash, _ = auth.HashAPIKey(auth.NewAPIKey().Reveal())
	y.state = auth.State{
		Teams: []auth.Team{{ID: "team_1", Name: auth.DefaultTeam}},
		Keys:  []auth.Key{{ID: "key_1", TeamID: "team_1", Name: "worker", Scope: auth.ScopeWrite, Hash: y.hash}},
	}
	for _, c := range creds {
		y.state.Credentials = append(y.state.Credentials, auth.Credential{
			ID: c.id, TeamID: "team_1", Name: c.id, Provider: "s3", Version: 3, Status: auth.StatusValid, Patterns: c.patterns, Params: c.params,
		})
		y.state.Links = append(y.state.Links, auth.Link{CredentialID: c.id, KeyID: "key_1"})
	}
	y.compile()
	y.vault = &openVault{fields: auth.Fields{s3AccessKeyID: auth.NewSecret(s3ID), s3SecretAccessKey: auth.NewSecret(s3Secret)}}
	y.set = NewSet(y.vault, SetOptions{Now: func() time.Time { return y.now }})
	return y
}

func (y *s3Yard) compile() {
	y.t.Helper()
	var err error
	if y.snapshot, err = auth.Compile(y.state, auth.Options{Providers: Providers()}); err != nil {
		y.t.Fatal(err)
	}
}

func (y *s3Yard) decide(method, url string) auth.Decision {
	y.t.Helper()
	id, err := y.snapshot.Identify(y.hash, y.now)
	if err != nil {
		y.t.Fatal(err)
	}
	return y.snapshot.Decide(auth.Question{Identity: id, Method: method, Target: target(y.t, url), Unmatched: auth.UnmatchedDeny, Now: y.now})
}

// send decides, aims and signs.
func (y *s3Yard) send(method, url string, fields ...auth.HeaderField) *auth.Outgoing {
	y.t.Helper()
	out, err := y.trySend(method, url, fields...)
	if err != nil {
		y.t.Fatalf("%s %s: %v", method, url, err)
	}
	return out
}

func (y *s3Yard) trySend(method, url string, fields ...auth.HeaderField) (*auth.Outgoing, error) {
	y.t.Helper()
	d := y.decide(method, url)
	if d.Outcome != auth.Inject {
		y.t.Fatalf("%s %s: %s %s (%s)", method, url, d.Outcome, d.Code, d.Reason)
	}
	h := headerLines(fields)
	out := &auth.Outgoing{Method: method, Target: target(y.t, url), Header: &h}
	if err := y.set.Aim(&d, out); err != nil {
		return nil, err
	}
	to := out.Target
	if err := y.set.Aim(&d, out); err != nil || out.Target != to {
		y.t.Errorf("%s: aimed at %v, then at %v (%v)", url, to, out.Target, err)
	}
	_, err := y.set.Sign(context.Background(), d, out)
	if out.Target != to {
		y.t.Errorf("%s: signing changed the target to %v", url, out.Target)
	}
	return out, err
}

// learn shows a refusal of what was sent.
func (y *s3Yard) learn(out *auth.Outgoing, status int, h headerLines, body string, again bool) auth.Lesson {
	y.t.Helper()
	return y.set.Learn(context.Background(), y.decide(out.Method, out.Target.String()), out, &auth.Refused{
		Host: out.Target.Host, Status: status, Header: &h, Body: func() []byte { return []byte(body) }, Again: again, Repeatable: true,
	})
}

// verifyS3 judges as a server does that knows nothing of how the request was
// made: it decodes what was sent, encodes it again, and computes the signature.
func verifyS3(t *testing.T, out *auth.Outgoing) {
	t.Helper()
	u, err := url.Parse(out.Target.String())
	if err != nil {
		t.Fatal(err)
	}
	encode := func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			if strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/", c) >= 0 {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
		return b.String()
	}
	var pairs []string
	for name, values := range u.Query() {
		for _, v := range values {
			pairs = append(pairs, strings.ReplaceAll(encode(name), "/", "%2F")+"="+strings.ReplaceAll(encode(v), "/", "%2F"))
		}
	}
	slices.Sort(pairs)
	names := strings.Split(signedHeaders(out), ";")
	for _, f := range *out.Header.(*headerLines) {
		if low := strings.ToLower(f.Name); strings.HasPrefix(low, "x-amz-") && !slices.Contains(names, low) {
			t.Errorf("%s: %s is there and not signed", sent(out), f.Name)
		}
	}
	header := ""
	for _, n := range names {
		v := out.Header.Get(n)
		if n == "host" {
			v = out.Target.Authority()
		}
		header += n + ":" + strings.Join(strings.Fields(v), " ") + "\n"
	}
	canonical := strings.Join([]string{out.Method, encode(u.Path), strings.Join(pairs, "&"), header, strings.Join(names, ";"), out.Header.Get("X-Amz-Content-Sha256")}, "\n")
	parts := strings.SplitN(scope(out), "/", 2)
	hash := sha256.Sum256([]byte(canonical))
	toSign := "AWS4-HMAC-SHA256\n" + out.Header.Get("X-Amz-Date") + "\n" + parts[1] + "\n" + hex.EncodeToString(hash[:])
	key := []byte("AWS4" + s3Secret)
	for _, part := range append(strings.Split(parts[1], "/"), toSign) {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	if parts[0] != s3ID || !strings.HasSuffix(out.Header.Get("Authorization"), "Signature="+hex.EncodeToString(key)) {
		t.Errorf("%s: the signature does not match", sent(out))
	}
}

func sent(out *auth.Outgoing) string {
	s := out.Target.Authority() + out.Target.Path
	if out.Target.HasQuery {
		s += "?" + out.Target.RawQuery
	}
	return s
}

func scope(out *auth.Outgoing) string {
	_, rest, _ := strings.Cut(out.Header.Get("Authorization"), "Credential=")
	rest, _, _ = strings.Cut(rest, ",")
	return rest
}

func signedHeaders(out *auth.Outgoing) string {
	_, rest, _ := strings.Cut(out.Header.Get("Authorization"), "SignedHeaders=")
	rest, _, _ = strings.Cut(rest, ",")
	return rest
}
