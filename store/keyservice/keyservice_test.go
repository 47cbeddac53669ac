package keyservice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// keys are one of each service, as the cloud has them.
var keys = []string{
	"awskms:///" + awsARN,
	"awskms://alias/weighbridge?region=eu-west-1",
	"azurekeyvault://acme.vault.azure.net/keys/wb",
	"azurekeyvault://acme.vault.azure.net/keys/wb/" + azureKeyVersion,
	"azurekeyvault://acme.vault.azure.net/keys/wb?alg=A256KW",
	"gcpkms://" + gcpKey,
	"vault-transit://wb",
}

// each runs a test for each service.
func each(t *testing.T, fn func(t *testing.T, c *cloud, uri string)) {
	t.Parallel()
	for _, uri := range keys {
		t.Run(strings.NewReplacer("/", "_", ":", "_").Replace(uri), func(t *testing.T) {
			t.Parallel()
			fn(t, newCloud(t), uri)
		})
	}
}

// secrets are what no error and no address may show.
var secrets = []string{"aws-s3cr3t", "aws-s3ssion", "azure-s3cr3t", "vault-s3cr3t", "federated-s3cr3t", "t0ken-"}

// wantFailure checks kind and words of an error.
func wantFailure(t *testing.T, err error, want kind, says string) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("error is a %T: %v", err, err)
	}
	if e.kind != want || !strings.Contains(e.Error(), says) || e.Service == "" || e.Key == "" {
		t.Fatalf("error is %d of %q of %q: %v; want %d and %q", e.kind, e.Service, e.Key, e, want, says)
	}
	text := fmt.Sprintf("%+v %v", err, e.Cause)
	for _, s := range secrets {
		if strings.Contains(text, s) {
			t.Fatalf("the error shows a secret: %s", text)
		}
	}
	return e
}

func TestWrapAndUnwrap(t *testing.T) {
	each(t, func(t *testing.T, c *cloud, uri string) {
		k := c.open(uri)
		dek, aad := bytes.Repeat([]byte{7}, 32), []byte("team\x00credential\x00version 3")
		wrapped, err := k.Wrap(t.Context(), dek, aad)
		check(t, err)
		if bytes.Contains(wrapped, dek) {
			t.Fatal("the DEK is in it as it is")
		}
		another := c.open(uri) // after a restart
		if another.ID() != k.ID() {
			t.Fatalf("ids are %q and %q", k.ID(), another.ID())
		}
		got, err := another.Unwrap(t.Context(), wrapped, aad)
		check(t, err)
		if !bytes.Equal(got, dek) {
			t.Fatal("another DEK came out")
		}
		twice, err := k.Wrap(t.Context(), dek, aad)
		check(t, err)
		if bytes.Equal(twice, wrapped) {
			t.Fatal("two wraps are alike")
		}
	})
}

// TestT56_AWrappedKeyOpensForItsOwnerOnly: whatever of a wrapped DEK is changed,
// cut, exchanged or moved to another row, it does not open; and the verdict says
// that it is the ciphertext that is at fault.
func TestT56_AWrappedKeyOpensForItsOwnerOnly(t *testing.T) {
	each(t, func(t *testing.T, c *cloud, uri string) {
		k := c.open(uri)
		dek, aad := bytes.Repeat([]byte{7}, 32), []byte("row a")
		wrapped, err := k.Wrap(t.Context(), dek, aad)
		check(t, err)
		other, err := k.Wrap(t.Context(), dek, []byte("row b"))
		check(t, err)
		refused := func(what string, b, aad []byte) {
			t.Helper()
			got, err := k.Unwrap(t.Context(), b, aad)
			if err == nil || got != nil {
				t.Fatalf("%s: it opened", what)
			}
			wantFailure(t, err, rejected, "")
		}
		refused("moved to another row", wrapped, []byte("row b"))
		refused("without its row", wrapped, nil)
		n := 3 + int(wrapped[1])<<8 + int(wrapped[2])
		m := 3 + int(other[1])<<8 + int(other[2])
		refused("the seal of another", append(slices.Clone(wrapped[:n]), other[m:]...), aad)
		refused("the key of another", append(slices.Clone(other[:m]), wrapped[n:]...), aad)
		for _, at := range []int{0, 1, 2, 3, n / 2, n - 2, n, n + 12, len(wrapped) - 1} {
			b := slices.Clone(wrapped)
			b[at] ^= 1
			refused(fmt.Sprintf("byte %d of %d changed", at, len(b)), b, aad)
		}
		for _, cut := range []int{0, 1, 3, n - 1, n, len(wrapped) - 1} {
			refused(fmt.Sprintf("cut to %d", cut), wrapped[:cut], aad)
		}
	})
}

// TestT56_APublicKeyWrapsNothingOfItsOwn: everybody can wrap under the public
// half of an RSA key; without its signature that is not taken.
func TestT56_APublicKeyWrapsNothingOfItsOwn(t *testing.T) {
	c := newCloud(t)
	k := c.open("azurekeyvault://acme.vault.azure.net/keys/wb")
	svc := k.svc.(*azure)
	own := &KEK{id: k.id, name: k.name, svc: forgery{svc}}
	wrapped, err := own.Wrap(t.Context(), make([]byte, 32), []byte("row"))
	check(t, err)
	_, err = k.Unwrap(t.Context(), wrapped, []byte("row"))
	wantFailure(t, err, rejected, "not signed by this key")
}

// forgery wraps as whoever has the public key can.
type forgery struct{ *azure }

func (f forgery) wrap(ctx context.Context, key, _ []byte) ([]byte, error) {
	value, version, err := azureAsk[base64url](ctx, f.azure, "", "wrapkey", azureRequest{Alg: azureRSA, Value: key})
	if err != nil {
		return nil, err
	}
	return json.Marshal(azureWrapped{Version: version, Alg: azureRSA, Key: value, Signature: make([]byte, 256)})
}

// TestT12_NoKeyServiceIsFollowedElsewhere: a redirect is an error, and what it
// points at hears nothing, be it in answer to the key's operation or to the
// request for a token.
func TestT12_NoKeyServiceIsFollowedElsewhere(t *testing.T) {
	each(t, func(t *testing.T, c *cloud, uri string) {
		for _, code := range []int{301, 302, 303, 307, 308} {
			k := c.open(uri) // has no token yet
			c.mu.Lock()
			c.seen = nil
			c.mu.Unlock()
			c.first(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://cloudkms.googleapis.com/stolen", code)
			})
			_, err := k.Wrap(t.Context(), make([]byte, 32), nil)
			wantFailure(t, err, denied, fmt.Sprint(code))
			if len(c.seen) != 1 {
				t.Fatalf("%d: asked %q", code, c.seen)
			}
		}
	})
}

// TestT14_NothingIsSentToAServiceThatIsNotVerified: another certificate, and
// not a byte of a request arrives.
func TestT14_NothingIsSentToAServiceThatIsNotVerified(t *testing.T) {
	each(t, func(t *testing.T, c *cloud, uri string) {
		o := c.options()
		transport := o.Transport.(*http.Transport).Clone()
		_, transport.TLSClientConfig.RootCAs = identity(t, "elsewhere.example")
		o.Transport = transport
		k, err := Open(uri, o)
		check(t, err)
		_, err = k.Wrap(t.Context(), make([]byte, 32), nil)
		wantFailure(t, err, unreachable, "cannot be reached")
		if len(c.seen) != 0 {
			t.Fatalf("it was asked: %q", c.seen)
		}
	})
}

// TestCaseR_WhatPassesIsTriedAgain: answers that say "later" are tried again,
// after pauses that grow and differ; others are not.
func TestCaseR_WhatPassesIsTriedAgain(t *testing.T) {
	each(t, func(t *testing.T, c *cloud, uri string) {
		k := c.open(uri)
		_, err := k.Wrap(t.Context(), make([]byte, 32), nil) // and it has a token
		check(t, err)
		c.first(status(503, "{}"), status(500, "not JSON"), status(429, `{}`))
		_, err = k.Wrap(t.Context(), make([]byte, 32), nil)
		check(t, err)
		if len(c.slept) != 3 {
			t.Fatalf("it slept %v", c.slept)
		}
		for i, d := range c.slept {
			if most := firstPause << i; d < most/2 || d > most {
				t.Fatalf("pause %d is %v, want %v to %v", i, d, most/2, most)
			}
		}
		c.seen, c.slept = nil, nil
		for range maxAttempts {
			c.first(status(502, "{}"))
		}
		_, err = k.Wrap(t.Context(), make([]byte, 32), nil)
		if e := wantFailure(t, err, unreachable, "502"); !e.Transient() || !e.OutOfReach() {
			t.Fatal("it is not transient")
		}
		if len(c.seen) != maxAttempts {
			t.Fatalf("asked %d times", len(c.seen))
		}
		c.seen = nil
		c.first(status(403, `{"errors":["no"]}`))
		_, err = k.Wrap(t.Context(), make([]byte, 32), nil)
		if e := wantFailure(t, err, denied, "403"); e.Transient() || !e.OutOfReach() {
			t.Fatal("it is transient, or blames the ciphertext")
		}
		if len(c.seen) != 1 {
			t.Fatalf("asked %q", c.seen)
		}
	})
}

// TestCaseR_NoAnswerEndsInTime: neither a service that cannot be reached nor
// one that says nothing holds a caller longer than the limit.
func TestCaseR_NoAnswerEndsInTime(t *testing.T) {
	each(t, func(t *testing.T, c *cloud, uri string) {
		o := c.options()
		silent, err := net.Listen("tcp", "127.0.0.1:0")
		check(t, err)
		defer silent.Close()
		transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, silent.Addr().String())
		}}
		defer transport.CloseIdleConnections()
		o.Transport, o.Limit = transport, 50*time.Millisecond
		k, err := Open(uri, o)
		check(t, err)
		_, err = k.Wrap(t.Context(), make([]byte, 32), nil)
		wantFailure(t, err, unreachable, "in time")
	})
}

// TestTheOtherIdentities: each way in which a process may prove who it is.
func TestTheOtherIdentities(t *testing.T) {
	const pod = "http://169.254.170.23/v1/credentials"
	for name, test := range map[string]struct {
		uri   string
		env   map[string]string
		asked string
	}{
		"AWS web identity": {keys[0], map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "arn:role"}, "POST sts.eu-west-1.amazonaws.com /"},
		"AWS pod":          {keys[0], map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": pod, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/pod"}, "GET 169.254.170.23 /v1/credentials"},
		"AWS machine":      {keys[0], nil, "PUT 169.254.169.254 /latest/api/token"},
		"Azure federated":  {keys[2], map[string]string{"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client", "AZURE_FEDERATED_TOKEN_FILE": "/token"}, "POST login.microsoftonline.com /tenant/oauth2/v2.0/token"},
		"Azure machine":    {keys[2], nil, "GET 169.254.169.254 /metadata/identity/oauth2/token"},
		"Google machine":   {keys[5], nil, "GET 169.254.169.254 /computeMetadata/v1/instance/service-accounts/default/token"},
		"Vault token file": {keys[6], map[string]string{"BAO_ADDR": "https://vault.example", "VAULT_TOKEN_FILE": "/vault", "BAO_NAMESPACE": "team"}, "POST vault.example /v1/transit/encrypt/wb"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			c.env = test.env
			c.files["/token"], c.files["/pod"], c.files["/vault"] = "federated-s3cr3t\n", "pod-s3cr3t\n", "vault-s3cr3t\n"
			k := c.open(test.uri)
			wrapped, err := k.Wrap(t.Context(), make([]byte, 32), []byte("row"))
			check(t, err)
			_, err = k.Unwrap(t.Context(), wrapped, []byte("row"))
			check(t, err)
			if c.seen[0] != test.asked {
				t.Fatalf("asked %q, want %q first", c.seen, test.asked)
			}
			if n := len(slices.DeleteFunc(slices.Clone(c.seen), func(s string) bool { return s != test.asked })); n != 1 && name != "Vault token file" {
				t.Fatalf("the token was fetched %d times: %q", n, c.seen)
			}
		})
	}
}

// TestATokenThatEndedEarlyIsFetchedAnew: the service does not take it, and a
// new one is fetched once.
func TestATokenThatEndedEarlyIsFetchedAnew(t *testing.T) {
	for _, uri := range []string{keys[2], keys[5]} {
		c := newCloud(t)
		k := c.open(uri)
		_, err := k.Wrap(t.Context(), make([]byte, 32), nil)
		check(t, err)
		c.token() // the one that k has is the newest no more
		_, err = k.Wrap(t.Context(), make([]byte, 32), nil)
		check(t, err)
		c.first(status(401, "{}"), nil, status(401, "{}"))
		_, err = k.Wrap(t.Context(), make([]byte, 32), nil)
		wantFailure(t, err, denied, "401")
	}
}

func TestRefusedCredentials(t *testing.T) {
	for uri, variable := range map[string]string{keys[0]: "AWS_SECRET_ACCESS_KEY", keys[2]: "AZURE_CLIENT_SECRET", keys[6]: "VAULT_TOKEN"} {
		c := newCloud(t)
		c.env[variable] = "wr0ng-one"
		_, err := c.open(uri).Wrap(t.Context(), make([]byte, 32), nil)
		e := wantFailure(t, err, denied, "answered 40")
		if uri == keys[2] {
			wantFailure(t, err, denied, "Microsoft Entra answered 401")
		}
		if strings.Contains(e.Error(), "wr0ng") {
			t.Fatalf("the error shows the secret: %v", e)
		}
	}
}

func TestURIsThatAreRefused(t *testing.T) {
	c := newCloud(t)
	for uri, says := range map[string]string{
		"s3://x":          "not known",
		"awskms://":       "the form is",
		"awskms://key":    "names no region",
		"awskms://key?x=": "the form is",
		"awskms://key?region=eu-west-1&token=s3cr3t":              "the form is",
		"awskms:///arn:aws:s3:::bucket":                           "the form is",
		"awskms://user:s3cr3t@key?region=r":                       "user information",
		"awskms:///" + awsARN + "?region=us-east-1":               "the form is",
		"azurekeyvault://attacker.example/keys/s3cr3t":            "not one of Azure",
		"azurekeyvault://acme.vault.azure.net.evil.com/keys/k":    "not one of Azure",
		"azurekeyvault://acme.vault.azure.net:444/keys/k":         "not one of Azure",
		"azurekeyvault://.vault.azure.net/keys/k":                 "not one of Azure",
		"azurekeyvault://acme.vault.azure.net/secrets/k":          "the form is",
		"azurekeyvault://acme.vault.azure.net/keys/../secrets":    "the form is",
		"azurekeyvault://acme.vault.azure.net/keys/k?alg=RSA1_5":  "the form is",
		"gcpkms://projects/p/locations/l/keyRings/r":              "the form is",
		"gcpkms://projects/../locations/l/keyRings/r/cryptoKeys/": "the form is",
		"vault-transit://":               "the form is",
		"vault-transit://../sys/s3cr3t":  "the form is",
		"vault-transit://token@host/key": "user information",
		"vault-transit://a%2Fb":          "user information",
	} {
		_, err := Open(uri, c.options())
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error is %v, want %q", uri, err, says)
			continue
		}
		if strings.Contains(fmt.Sprintf("%+v", err), "s3cr3t") {
			t.Errorf("%s: the error tells more than the scheme: %v", uri, err)
		}
	}
	for _, addr := range []string{"http://vault.example", "vault.example:8200", "https://token@vault.example", "https://vault.example?x=s3cr3t", ""} {
		c.env["VAULT_ADDR"] = addr
		_, err := Open("vault-transit://wb", c.options())
		if err == nil || !strings.Contains(err.Error(), "VAULT_ADDR") || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("VAULT_ADDR=%s: error is %v", addr, err)
		}
	}
	c.env["VAULT_ADDR"] = "http://127.0.0.1:8200"
	_, err := Open("vault-transit://kv/transit/wb", c.options())
	check(t, err)
}
