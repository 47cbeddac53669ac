package keyservice

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// vault is a key of the transit engine of Vault or OpenBao, of a type with
// associated data (aes256-gcm96, aes128-gcm96, chacha20-poly1305). Source:
// "Transit secrets engine (API)", Encrypt data and Decrypt data.
type vault struct {
	c    *caller
	base *url.URL // ADDR/v1/MOUNT
	key  string
}

func openVault(rest string, query url.Values, o Options) (*KEK, error) {
	mount, key := "transit", rest
	if i := strings.LastIndexByte(rest, '/'); i >= 0 {
		mount, key = rest[:i], rest[i+1:]
	}
	bad := !word(key, "-_.") || !only(query)
	for part := range strings.SplitSeq(mount, "/") {
		bad = bad || !word(part, "-_.")
	}
	if bad {
		return nil, badURI("vault-transit", "the form is vault-transit://[MOUNT/]KEY")
	}
	addr := vaultEnv(o, "ADDR")
	if addr == "" {
		return nil, errors.New("vault-transit: VAULT_ADDR is not set: it is the address of Vault or OpenBao")
	}
	base, err := secure(addr, "VAULT_ADDR")
	if err != nil {
		return nil, err
	}
	roots := o.Roots
	if file := vaultEnv(o, "CACERT"); file != "" {
		pem, err := o.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("VAULT_CACERT: %w", err)
		}
		if roots == nil {
			if roots, err = x509.SystemCertPool(); err != nil {
				return nil, err
			}
		}
		roots = roots.Clone()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, errors.New("VAULT_CACERT: the file holds no certificate")
		}
	}
	v := &vault{c: newCaller(o, roots, true), base: base.JoinPath("v1", mount), key: key}
	return &KEK{id: "vault-transit://" + mount + "/" + key, name: "Vault transit", svc: v}, nil
}

// vaultEnv reads VAULT_name, or BAO_name where that is not set.
func vaultEnv(o Options, name string) string {
	if v := o.Getenv("VAULT_" + name); v != "" {
		return v
	}
	return o.Getenv("BAO_" + name)
}

// token is read anew for each call: an agent may have renewed the file.
func (v *vault) token() (string, error) {
	if t := vaultEnv(v.c.o, "TOKEN"); t != "" {
		return t, nil
	}
	file := vaultEnv(v.c.o, "TOKEN_FILE")
	if file == "" {
		return "", errors.New("neither VAULT_TOKEN nor VAULT_TOKEN_FILE is set")
	}
	b, err := v.c.o.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("VAULT_TOKEN_FILE: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

type vaultRequest struct {
	Plaintext  []byte `json:"plaintext,omitempty"`
	Ciphertext string `json:"ciphertext,omitempty"`
	AAD        []byte `json:"associated_data,omitempty"`
}

type vaultAnswer struct {
	Data struct {
		Plaintext  []byte `json:"plaintext"`
		Ciphertext string `json:"ciphertext"`
	} `json:"data"`
}

func (v *vault) wrap(ctx context.Context, key, aad []byte) ([]byte, error) {
	out, err := v.ask(ctx, "encrypt", vaultRequest{Plaintext: key, AAD: aad})
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(out.Data.Ciphertext, "vault:") {
		return nil, &Error{Detail: "its answer holds no ciphertext", kind: denied}
	}
	return []byte(out.Data.Ciphertext), nil
}

func (v *vault) unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error) {
	out, err := v.ask(ctx, "decrypt", vaultRequest{Ciphertext: string(wrapped), AAD: aad})
	if err != nil {
		return nil, err
	}
	return out.Data.Plaintext, nil
}

func (v *vault) ask(ctx context.Context, act string, in vaultRequest) (*vaultAnswer, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	defer clear(body)
	var token string
	a, err := v.c.call(ctx, func(ctx context.Context) (*http.Request, error) {
		if token, err = v.token(); err != nil {
			return nil, err
		}
		req, err := post(ctx, v.base.JoinPath(act, v.key).String(), body)
		if err != nil {
			return nil, err
		}
		req.Header.Set("X-Vault-Token", token)
		req.Header.Set("X-Vault-Request", "true")
		if ns := vaultEnv(v.c.o, "NAMESPACE"); ns != "" {
			req.Header.Set("X-Vault-Namespace", ns)
		}
		return req, nil
	}, func(a *answer) *Error { return vaultJudge(act, a, token) })
	if err != nil {
		return nil, err
	}
	defer clear(a.body)
	out := &vaultAnswer{}
	if e := decode(a, out); e != nil {
		return nil, e
	}
	return out, nil
}

// vaultJudge reads an answer. 412 and 472 to 473 are those of replicas that are
// not there yet ("HTTP status codes").
func vaultJudge(act string, a *answer, token string) *Error {
	if a.status == http.StatusOK {
		return nil
	}
	var words struct {
		Errors []string `json:"errors"`
	}
	_ = json.Unmarshal(a.body, &words) // where it cannot be read there are no words
	text := strings.Join(words.Errors, "; ")
	e := &Error{Detail: said(a.status, "", text, token), kind: denied}
	switch {
	case passing(a.status) || a.status == http.StatusPreconditionFailed || a.status == 472 || a.status == 473:
		e.kind, e.again = unreachable, true
	case a.status == http.StatusForbidden:
		e.Next = "check the token and its policy: update on " + act + " of this key"
	case a.status == http.StatusBadRequest && act == "decrypt" && !strings.Contains(text, "not found"):
		e.kind = rejected
	}
	return e
}
