package keyservice

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// azure is a key of Azure Key Vault or Managed HSM. Source: Azure Key Vault
// REST API 7.4, Wrap Key, Unwrap Key, Sign, Verify.
//
// wrapKey takes no associated data, so that of the local seal alone binds (see
// the package). And an RSA key wraps for everybody who has its public half:
// whoever can write to the store could put a key of their own choice in place
// of the one that tags the rows. So what an RSA key wrapped, together with the
// associated data, is signed by the same key, and verified before it is
// unwrapped. An oct-HSM key is secret and needs none of that (RFC 3394,
// section 2.2.3: AES key wrap authenticates).
type azure struct {
	c     *caller
	vault *url.URL
	name  string
	// version is the one that the URI pins; empty is the newest, and each
	// wrapped key names its own.
	version string
	alg     string
	token   azureToken
}

const (
	azureVersion = "7.4"
	azureRSA     = "RSA-OAEP-256"
	azureHSM     = "A256KW"
	azureSign    = "PS256"
)

// azureDomains are those of Key Vault and Managed HSM in Azure's clouds ("Azure
// Key Vault security", "DNS suffixes"). The token goes nowhere else.
var azureDomains = []string{
	".vault.azure.net", ".vault.usgovcloudapi.net", ".vault.azure.cn",
	".managedhsm.azure.net", ".managedhsm.usgovcloudapi.net", ".managedhsm.azure.cn",
}

func openAzure(rest string, query url.Values, o Options) (*KEK, error) {
	const wanted = "the form is azurekeyvault://VAULT.vault.azure.net/keys/NAME[/VERSION]"
	parts := strings.Split(rest, "/")
	alg := query.Get("alg")
	if alg == "" {
		alg = azureRSA
	}
	if len(parts) < 3 || len(parts) > 4 || parts[1] != "keys" || !word(parts[2], "-") || !only(query, "alg") || alg != azureRSA && alg != azureHSM {
		return nil, badURI("azurekeyvault", wanted)
	}
	host := strings.ToLower(parts[0])
	label, _, _ := strings.Cut(host, ".")
	if !word(label, "-") || !slices.Contains(azureDomains, host[len(label):]) {
		return nil, badURI("azurekeyvault", "the host is not one of Azure Key Vault's")
	}
	version := ""
	if len(parts) == 4 {
		if version = parts[3]; !word(version, "") {
			return nil, badURI("azurekeyvault", wanted)
		}
	}
	id := "azurekeyvault://" + host + "/keys/" + strings.Join(parts[2:], "/")
	if alg != azureRSA {
		id += "?alg=" + alg
	}
	c := newCaller(o, o.Roots, false)
	return &KEK{id: id, name: "Azure Key Vault", svc: &azure{
		c: c, vault: &url.URL{Scheme: "https", Host: host}, name: parts[2], version: version, alg: alg,
		token: azureToken{o: o, c: c, local: newCaller(o, o.Roots, true), resource: "https://" + host[len(label)+1:]},
	}}, nil
}

// azureWrapped is what is kept of a wrapped key.
type azureWrapped struct {
	Version   string `json:"version"`
	Alg       string `json:"alg"`
	Key       []byte `json:"key"`
	Signature []byte `json:"signature,omitempty"`
}

type azureRequest struct {
	Alg    string    `json:"alg"`
	Value  base64url `json:"value"`
	Digest base64url `json:"digest,omitempty"`
}

func (k *azure) wrap(ctx context.Context, key, aad []byte) ([]byte, error) {
	out, version, err := azureAsk[base64url](ctx, k, k.version, "wrapkey", azureRequest{Alg: k.alg, Value: key})
	if err != nil {
		return nil, err
	}
	if !word(version, "") || k.version != "" && k.version != version {
		return nil, &Error{Detail: "it answered for another key than it was asked", kind: denied}
	}
	w := azureWrapped{Version: version, Alg: k.alg, Key: out}
	if k.alg == azureRSA {
		sig, signer, err := azureAsk[base64url](ctx, k, version, "sign", azureRequest{Alg: azureSign, Value: w.digest(aad)})
		if err != nil {
			return nil, err
		}
		if signer != version {
			return nil, &Error{Detail: "it answered for another key than it was asked", kind: denied}
		}
		w.Signature = sig
	}
	return json.Marshal(w)
}

func (k *azure) unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error) {
	var w azureWrapped
	if err := json.Unmarshal(wrapped, &w); err != nil || !word(w.Version, "") || w.Alg != k.alg || k.version != "" && w.Version != k.version {
		return nil, &Error{Detail: "what is to be unwrapped was not wrapped by this key", kind: rejected}
	}
	if k.alg == azureRSA {
		ok, _, err := azureAsk[bool](ctx, k, w.Version, "verify", azureRequest{Alg: azureSign, Digest: w.digest(aad), Value: w.Signature})
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, &Error{Detail: "what is to be unwrapped is not signed by this key: it was changed, or wrapped for something else", kind: rejected}
		}
	}
	key, _, err := azureAsk[base64url](ctx, k, w.Version, "unwrapkey", azureRequest{Alg: k.alg, Value: w.Key})
	return key, err
}

// digest is what is signed of a wrapped key: everything, each part preceded by
// its length.
func (w *azureWrapped) digest(aad []byte) []byte {
	h := sha256.New()
	for _, part := range [][]byte{[]byte("weighbridge Azure wrap 1"), []byte(w.Version), []byte(w.Alg), w.Key, aad} {
		_ = binary.Write(h, binary.BigEndian, uint32(len(part))) // a hash never fails
		h.Write(part)
	}
	return h.Sum(nil)
}

// azureAsk makes one operation of the key and returns the value and the version
// that it was made with.
func azureAsk[T any](ctx context.Context, k *azure, version, act string, in azureRequest) (value T, made string, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return value, "", err
	}
	defer clear(body)
	target := k.vault.JoinPath("keys", k.name, version, act)
	target.RawQuery = "api-version=" + azureVersion
	var token string
	renewed := false
	a, err := k.c.call(ctx, func(ctx context.Context) (*http.Request, error) {
		if token, err = k.token.get(ctx); err != nil {
			return nil, err
		}
		req, err := post(ctx, target.String(), body)
		if err == nil {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		return req, err
	}, func(a *answer) *Error {
		e := azureJudge(act, a, token)
		if a.status == http.StatusUnauthorized && !renewed {
			renewed, e.again = true, true
			k.token.kept.forget()
		}
		return e
	})
	if err != nil {
		return value, "", err
	}
	defer clear(a.body)
	var out struct {
		KID   string `json:"kid"`
		Value T      `json:"value"`
	}
	if e := decode(a, &out); e != nil {
		return value, "", e
	}
	return out.Value, out.KID[strings.LastIndexByte(out.KID, '/')+1:], nil
}

func azureJudge(act string, a *answer, token string) *Error {
	if a.status == http.StatusOK {
		return nil
	}
	var words struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(a.body, &words) // where it cannot be read there are no words
	e := &Error{Detail: said(a.status, words.Error.Code, words.Error.Message, token), kind: denied}
	switch {
	case passing(a.status):
		e.kind, e.again = unreachable, true
	case a.status == http.StatusForbidden:
		e.Next = "allow wrapKey, unwrapKey, sign and verify on this key (the role Key Vault Crypto User)"
	case a.status == http.StatusBadRequest && (act == "unwrapkey" || act == "verify"):
		e.kind = rejected
	}
	return e
}

// base64url is a byte string in JSON as Azure writes it (RFC 7515, section 2).
type base64url []byte

// MarshalText implements encoding.TextMarshaler.
func (b base64url) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *base64url) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.AppendDecode(nil, text)
	return err
}
