//go:build realclients

package realkeys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house/ready"
	"github.com/weighbridge/weighbridge/store"
	"github.com/weighbridge/weighbridge/store/keyservice"
)

// patience bounds the start of a server; reaching it is a failure.
const patience = 2 * time.Minute

// dir is where setup.sh put everything.
var dir string

func TestMain(m *testing.M) {
	dir, _ = ready.Must("keyservices")
	os.Exit(m.Run())
}

// serve starts a server, waits until it listens, and ends it with the test.
func serve(t *testing.T, command func(addr string) []string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	addr = l.Addr().String()
	check(t, l.Close())
	args := command(addr)
	var out bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir}
	cmd.Stdout, cmd.Stderr = &out, &out
	check(t, cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if resp, err := http.Get("http://" + addr + "/"); err == nil {
			_ = resp.Body.Close()
			return addr
		}
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", args[0], out.String())
		default:
		}
		if time.Since(begun) > patience {
			t.Fatalf("%s does not listen", args[0])
		}
	}
}

// ask makes a call of the operator's, past weighbridge, and decodes the answer.
func ask(t *testing.T, method, target string, header map[string]string, body string, out any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	check(t, err)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	check(t, err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	check(t, err)
	if resp.StatusCode >= 300 {
		t.Fatalf("%s %s answered %d: %s", method, target, resp.StatusCode, b)
	}
	if out != nil {
		check(t, json.Unmarshal(b, out))
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, uri string, env map[string]string) *keyservice.KEK {
	t.Helper()
	k, err := keyservice.Open(uri, keyservice.Options{Getenv: func(name string) string { return env[name] }})
	check(t, err)
	return k
}

// works wraps and unwraps, refuses what was changed or moved, and keeps a whole
// store.
func works(t *testing.T, k *keyservice.KEK) (wrapped []byte) {
	t.Helper()
	dek, aad := bytes.Repeat([]byte{7}, 32), []byte("row a")
	wrapped, err := k.Wrap(t.Context(), dek, aad)
	check(t, err)
	got, err := k.Unwrap(t.Context(), wrapped, aad)
	check(t, err)
	if !bytes.Equal(got, dek) {
		t.Fatal("another DEK came out")
	}
	for what, b := range map[string][]byte{"the seal": wrapped[:len(wrapped)-1], "the service's part": flipped(wrapped, 3+(int(wrapped[1])<<8+int(wrapped[2]))/2), "": wrapped} {
		data := aad
		if what == "" {
			data = []byte("row b")
		}
		_, err := k.Unwrap(t.Context(), b, data)
		e, ok := errors.AsType[*keyservice.Error](err)
		if !ok || e.OutOfReach() {
			t.Fatalf("%q changed, or moved: error is %v", what, err)
		}
	}
	path := filepath.Join(t.TempDir(), "weighbridge.db")
	s, err := store.OpenBolt(path, store.Options{KEK: k})
	check(t, err)
	team, err := s.EnsureTeam(t.Context(), auth.DefaultTeam)
	check(t, err)
	c, err := s.CreateCredential(t.Context(), auth.Credential{TeamID: team.ID, Name: "a", Provider: "http_bearer", Status: auth.StatusValid},
		auth.Fields{"token": auth.NewSecret("secret")}, nil, auth.Event{Actor: "cli"})
	check(t, err)
	check(t, s.Close())
	s, err = store.OpenBolt(path, store.Options{KEK: k})
	check(t, err)
	f, err := s.OpenFields(t.Context(), c.ID, c.Version)
	check(t, err)
	if f["token"].Reveal() != "secret" {
		t.Fatal("another secret came out")
	}
	local, err := store.NewMemoryKEK()
	check(t, err)
	check(t, s.RotateKEK(t.Context(), local, "env:LOCAL", auth.Event{Actor: "cli"}, nil))
	check(t, s.RotateKEK(t.Context(), k, k.ID(), auth.Event{Actor: "cli"}, nil))
	_, err = s.OpenFields(t.Context(), c.ID, c.Version)
	check(t, err)
	check(t, s.Close())
	return wrapped
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 4
	return b
}

// denied checks that the service refuses, and that it says so.
func denied(t *testing.T, k *keyservice.KEK) {
	t.Helper()
	_, err := k.Wrap(t.Context(), make([]byte, 32), nil)
	e, ok := errors.AsType[*keyservice.Error](err)
	if !ok || !e.OutOfReach() || e.Transient() {
		t.Fatalf("error is %v", err)
	}
}

func TestT56_AWSKMS(t *testing.T) {
	addr := serve(t, func(addr string) []string {
		host, port, _ := net.SplitHostPort(addr)
		return []string{filepath.Join(dir, "python", "bin", "moto_server"), "-H", host, "-p", port}
	})
	kms := func(act, body string, out any) {
		t.Helper()
		ask(t, http.MethodPost, "http://"+addr+"/", map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService." + act,
			"Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/kms/aws4_request, SignedHeaders=host, Signature=x"}, body, out)
	}
	var made struct{ KeyMetadata struct{ Arn, KeyId string } }
	kms("CreateKey", "{}", &made)
	kms("CreateAlias", fmt.Sprintf(`{"AliasName":"alias/weighbridge","TargetKeyId":%q}`, made.KeyMetadata.KeyId), nil)
	env := map[string]string{"AWS_ENDPOINT_URL_KMS": "http://" + addr, "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}
	works(t, open(t, "awskms:///"+made.KeyMetadata.Arn, env))
	works(t, open(t, "awskms://alias/weighbridge?region=eu-west-1", env))
	denied(t, open(t, "awskms://00000000-0000-0000-0000-000000000000?region=eu-west-1", env))
}

func TestT56_OpenBaoTransit(t *testing.T) {
	const root = "root-token"
	addr := serve(t, func(addr string) []string {
		return []string{filepath.Join(dir, "bao"), "server", "-dev", "-dev-no-store-token", "-dev-root-token-id=" + root, "-dev-listen-address=" + addr}
	})
	bao := func(method, path, body string, out any) {
		t.Helper()
		ask(t, method, "http://"+addr+"/v1/"+path, map[string]string{"X-Vault-Token": root}, body, out)
	}
	bao(http.MethodPost, "sys/mounts/transit", `{"type":"transit"}`, nil)
	bao(http.MethodPost, "transit/keys/weighbridge", `{"type":"aes256-gcm96"}`, nil)
	bao(http.MethodPost, "transit/keys/rsa", `{"type":"rsa-2048"}`, nil)
	bao(http.MethodPut, "sys/policies/acl/weighbridge", `{"policy":"path \"transit/encrypt/weighbridge\" { capabilities = [\"update\"] }\npath \"transit/decrypt/weighbridge\" { capabilities = [\"update\"] }\npath \"transit/encrypt/rsa\" { capabilities = [\"update\"] }"}`, nil)
	var token struct {
		Auth struct {
			Token string `json:"client_token"`
		}
	}
	bao(http.MethodPost, "auth/token/create", `{"policies":["weighbridge"]}`, &token)
	env := map[string]string{"BAO_ADDR": "http://" + addr, "BAO_TOKEN": token.Auth.Token}
	k := open(t, "vault-transit://weighbridge", env)
	wrapped := works(t, k)
	// A new version of the key opens what the old one wrapped.
	bao(http.MethodPost, "transit/keys/weighbridge/rotate", "", nil)
	_, err := k.Unwrap(t.Context(), wrapped, []byte("row a"))
	check(t, err)
	works(t, k)
	// The policy makes no key of a misspelt name, and a key for which everybody
	// could wrap is not taken.
	denied(t, open(t, "vault-transit://weihgbridge", env))
	denied(t, open(t, "vault-transit://rsa", env))
	denied(t, open(t, "vault-transit://weighbridge", map[string]string{"VAULT_ADDR": "http://" + addr, "VAULT_TOKEN": "wrong"}))
}
