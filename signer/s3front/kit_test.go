package s3front

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

// fakeS3 is a provider that is called as the real one is and matches URLs as
// they are: which credential decides is not what these tests are about.
type fakeS3 struct{}

func (fakeS3) Schema() auth.Schema { return auth.Schema{Name: Provider, Title: "S3"} }

func (fakeS3) Check(auth.Fields) error { return nil }

func (fakeS3) Companions() []auth.Companion { return nil }

func (fakeS3) Expand(p auth.Pattern) ([]auth.Rule, error) { return []auth.Rule{{Pattern: p}}, nil }

func (fakeS3) Classify(method string, _ auth.Target) auth.Class {
	if method == "GET" || method == "HEAD" {
		return auth.ClassRead
	}
	return auth.ClassWrite
}

// vault holds the secrets of the yard's keys by id.
type vault map[string]auth.Secret

var errNoSecret = errors.New("there is no such secret")

func (v vault) S3Secret(_ context.Context, keyID string, version uint64) (auth.Secret, error) {
	s, ok := v[keyID+"/"+strconv.FormatUint(version, 10)]
	if !ok {
		return s, errNoSecret
	}
	return s, nil
}

// yard is a front with keys and a credential of each kind.
type yard struct {
	t     testing.TB
	front *Front
	state auth.State
	vault vault
	now   time.Time
	ids   map[string]string
}

const endpoint = "https://storage.example:9000"

func newYard(t testing.TB) *yard {
	t.Helper()
	y := &yard{t: t, vault: vault{}, now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC), ids: map[string]string{}}
	y.state = auth.State{
		Revision: 1, Teams: []auth.Team{{ID: "team_1", Name: "default"}},
		Credentials: []auth.Credential{
			{ID: "cred_minio", TeamID: "team_1", Name: "minio", Provider: Provider, Version: 1, Status: auth.StatusValid,
				Patterns: []string{endpoint + "/*"}, Params: map[string]string{"endpoint": endpoint}},
			{ID: "cred_aws", TeamID: "team_1", Name: "aws", Provider: Provider, Version: 1, Status: auth.StatusValid,
				Patterns: []string{"s3.eu-west-1.amazonaws.com/acme/*"}, Params: map[string]string{"region": "eu-west-1"}},
		},
	}
	y.key("reader", auth.ScopeRead, auth.S3Access{}, "cred_minio")
	y.key("writer", auth.ScopeWrite, auth.S3Access{}, "cred_minio")
	y.key("part", auth.ScopeWrite, auth.S3Access{Buckets: []string{"models"}, Prefixes: []string{"sd/"}}, "cred_minio")
	y.key("alias", auth.ScopeWrite, auth.S3Access{Buckets: []string{"models"}, Aliases: map[string]string{"mod": "models", "sdx": "models/sd/xl/"}}, "cred_minio")
	y.key("both", auth.ScopeRead, auth.S3Access{}, "cred_minio", "cred_aws")
	y.key("aws", auth.ScopeRead, auth.S3Access{}, "cred_aws")
	front, err := New(Options{Secrets: y.vault, Domains: []string{"s3.example.com"}, HostID: "here"})
	if err != nil {
		t.Fatal(err)
	}
	y.front = front
	return y
}

func (y *yard) key(name string, scope auth.Scope, access auth.S3Access, credentials ...string) {
	access.AccessKeyID, access.Version = auth.NewS3AccessKeyID(), 1
	k := auth.Key{ID: "key_" + name, TeamID: "team_1", Name: name, Scope: scope, S3: &access}
	y.ids[name] = access.AccessKeyID
	y.vault[k.ID+"/1"] = auth.NewS3Secret()
	y.state.Keys = append(y.state.Keys, k)
	for _, c := range credentials {
		y.state.Links = append(y.state.Links, auth.Link{CredentialID: c, KeyID: k.ID})
	}
}

func (y *yard) snapshot() *auth.Snapshot {
	y.t.Helper()
	s, err := auth.Compile(y.state, auth.Options{Providers: []auth.Provider{fakeS3{}}})
	if err != nil {
		y.t.Fatal(err)
	}
	return s
}

// ask is a request before it is signed.
type ask struct {
	key, method, uri, host string
	fields                 []auth.HeaderField
	body                   string
	payload                string
	at                     time.Time
}

// sign makes the request that a client would send.
func (y *yard) sign(q ask) *auth.Arrival {
	y.t.Helper()
	if q.method == "" {
		q.method = "GET"
	}
	if q.host == "" {
		q.host = "proxy:8080"
	}
	if q.at.IsZero() {
		q.at = y.now
	}
	raw, rawQuery, _ := strings.Cut(q.uri, "?")
	path, err := sigv4.ParsePath(raw, sigv4.PathRule{EmptySegments: true})
	if err != nil {
		y.t.Fatal(err)
	}
	query, err := sigv4.ParseQuery(rawQuery)
	if err != nil {
		y.t.Fatal(err)
	}
	if q.payload == "" {
		q.payload = sigv4.UnsignedPayload
	}
	r := sigv4.Request{Method: q.method, Host: q.host, Path: path, Query: query, Region: "us-east-1", Payload: q.payload}
	for _, f := range q.fields {
		if sigv4.IsAmz(f.Name) {
			r.Fields = append(r.Fields, sigv4.Field{Name: f.Name, Value: f.Value})
		}
	}
	signed, err := sigv4.NewSigner(y.ids[q.key], y.vault["key_"+q.key+"/1"], auth.Secret{}).Sign(y.t.Context(), r, q.at)
	if err != nil {
		y.t.Fatal(err)
	}
	a := &auth.Arrival{Method: q.method, URI: q.uri, Host: q.host, Fields: append([]auth.HeaderField{{Name: "Host", Value: q.host}}, q.fields...), Now: y.now, RequestID: "req_1", Snapshot: y.snapshot()}
	for _, f := range signed.Fields() {
		a.Fields = append(a.Fields, auth.HeaderField{Name: f.Name, Value: f.Value})
	}
	if q.method != "GET" && q.method != "HEAD" {
		a.Fields = append(a.Fields, auth.HeaderField{Name: "Content-Length", Value: strconv.Itoa(len(q.body))})
	}
	if q.body != "" {
		a.Body, a.Length = strings.NewReader(q.body), int64(len(q.body))
	}
	return a
}

func (y *yard) enter(q ask) (*auth.Entry, error) {
	y.t.Helper()
	return y.front.Enter(y.t.Context(), y.sign(q))
}

// refused is what a refusal says in both worlds.
func (y *yard) refused(err error) string {
	y.t.Helper()
	if err == nil {
		return ""
	}
	e := auth.AsError(err)
	r := y.front.Refuse(e, "/bucket/key", "req_1")
	var doc struct {
		Code, Message, RequestID string
	}
	if x := xml.Unmarshal(bytes.ReplaceAll(r.Body, []byte("RequestId"), []byte("RequestID")), &doc); x != nil || doc.RequestID != "req_1" || doc.Message == "" {
		y.t.Errorf("the refusal is no document of S3: %s", r.Body)
	}
	return strconv.Itoa(r.Status) + " " + doc.Code + " " + string(e.Code)
}

func field(e *auth.Entry, name string) (out []string) {
	for _, f := range e.Fields {
		if strings.EqualFold(f.Name, name) {
			out = append(out, f.Value)
		}
	}
	return out
}

func read(t testing.TB, r io.Reader) string {
	t.Helper()
	if r == nil {
		return ""
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
