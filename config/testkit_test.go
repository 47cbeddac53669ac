package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

var update = flag.Bool("update", false, "rewrite the expected results and the generated pages")

// hub, apiKey and bearer have the shape of real providers.
var schemas = []auth.Schema{
	{Name: "huggingface", DefaultPatterns: []string{"huggingface.co/*"}, Fields: []auth.Field{{Name: "token", Title: "Access token", Required: true, Secret: true}}},
	{Name: "http_api_key", Fields: []auth.Field{
		{Name: "headerName", Title: "Header", Required: true}, {Name: "headerValue", Title: "Value", Required: true, Secret: true},
	}},
	{Name: "http_bearer", Fields: []auth.Field{{Name: "token", Title: "Token", Required: true, Secret: true}}},
}

// strict is a provider with an opinion about values and patterns.
type strict struct{ auth.Provider }

func (strict) Schema() auth.Schema { return schemas[0] }

func (strict) Check(f auth.Fields) error {
	if strings.HasPrefix(f["token"].Reveal(), "refused") {
		return errors.New("token: does not begin with hf_")
	}
	return nil
}

func (strict) Expand(p auth.Pattern) ([]auth.Rule, error) {
	if strings.Contains(p.String(), "refused") {
		return nil, errors.New("there is no such repository form")
	}
	return []auth.Rule{{Pattern: p}}, nil
}

const (
	testKey    = "wbk_CANARYkeyCANARYkeyCANARYkeyCANARYkeyCANARY1"
	testKey2   = "wbk_CANARYkeyCANARYkeyCANARYkeyCANARYkeyCANARY2"
	testURLKey = "wbu_CANARYurlCANARYurlCANARYurlCANARYurlCANARY1"
)

// files makes what the test configurations name.
func files(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("token", "CANARY_token\n", 0o600)
	write("refused", "refused CANARY\n", 0o600)
	write("readable", "CANARY_readable\n", 0o644)
	write("grouped", "CANARY_grouped\n", 0o640)
	write("empty", "\n", 0o600)
	write("key", testKey+"\n", 0o600)
	write("key2", testKey2+"\n", 0o600)
	write("urlkey", testURLKey, 0o600)
	write("metrics", "CANARYmetricsCANARYmetricsCANARYmetrics\n", 0o600)
	caCert, caKey := certificate(t, true)
	leafCert, leafKey := certificate(t, false)
	write("ca.crt", caCert, 0o644)
	write("ca.key", caKey, 0o600)
	write("readable.key", caKey, 0o644)
	write("leaf.crt", leafCert, 0o644)
	write("leaf.key", leafKey, 0o600)
	return dir
}

func certificate(t testing.TB, authority bool) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: authority,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	kder, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kder}))
}

func options(environ ...string) LoadOptions {
	return LoadOptions{
		Environ: append([]string{"HF_TOKEN=CANARY_env_token"}, environ...), Schemas: schemas, Providers: []auth.Provider{strict{}},
		Tracing: true, Now: func() time.Time { return time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC) },
	}
}

// loadText loads text as if it were a file called test.yaml.
func loadText(o LoadOptions, text string) (*Loaded, error) {
	l := newLoader(o)
	l.parse("test.yaml", []byte(text))
	return l.finish()
}

// mustLoad loads text that has no mistake.
func mustLoad(t testing.TB, o LoadOptions, text string) *Loaded {
	t.Helper()
	l, err := loadText(o, text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// problemsOf loads text that has mistakes.
func problemsOf(t testing.TB, o LoadOptions, text string) Problems {
	t.Helper()
	_, err := loadText(o, text)
	var p Problems
	if !errors.As(err, &p) {
		t.Fatalf("got %v, want Problems", err)
	}
	return p
}

// wantProblem fails where no problem has this beginning.
func wantProblem(t testing.TB, got Problems, text string) {
	t.Helper()
	if !slices.ContainsFunc(got, func(p Problem) bool { return strings.Contains(p.Error(), text) }) {
		t.Errorf("got\n%v\nwant one with %q", got, text)
	}
}
