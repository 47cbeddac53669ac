package keyservice

import (
	"context"
	"encoding/json"
	"hash/crc32"
	"net/http"
	"net/url"
	"strings"
)

// gcp is a symmetric key of Google Cloud KMS. Source: Cloud KMS API v1,
// cryptoKeys.encrypt and cryptoKeys.decrypt; "Verifying end-to-end data
// integrity" for the checksums.
type gcp struct {
	c     *caller
	name  string
	token gcpToken
}

const gcpKMS = "https://cloudkms.googleapis.com/v1/"

func openGCP(rest string, query url.Values, o Options) (*KEK, error) {
	parts := strings.Split(rest, "/")
	bad := len(parts) != 8 || !only(query)
	for i, fixed := range []string{"projects", "locations", "keyRings", "cryptoKeys"} {
		bad = bad || parts[2*i] != fixed || !word(parts[2*i+1], "-_.:")
	}
	if bad {
		return nil, badURI("gcpkms", "the form is gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/KEY")
	}
	c := newCaller(o, o.Roots, false)
	return &KEK{id: "gcpkms://" + rest, name: "Google Cloud KMS", svc: &gcp{
		c: c, name: rest, token: gcpToken{o: o, c: c, local: newCaller(o, o.Roots, true)},
	}}, nil
}

// crc is the checksum that the API asks for: CRC-32C, a number in a string.
func crc(b []byte) int64 { return int64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))) }

type gcpRequest struct {
	Plaintext     []byte `json:"plaintext,omitempty"`
	PlaintextCRC  int64  `json:"plaintextCrc32c,string,omitempty"`
	Ciphertext    []byte `json:"ciphertext,omitempty"`
	CiphertextCRC int64  `json:"ciphertextCrc32c,string,omitempty"`
	AAD           []byte `json:"additionalAuthenticatedData"`
	AADCRC        int64  `json:"additionalAuthenticatedDataCrc32c,string"`
}

type gcpAnswer struct {
	Name              string `json:"name"`
	Plaintext         []byte `json:"plaintext"`
	PlaintextCRC      int64  `json:"plaintextCrc32c,string"`
	Ciphertext        []byte `json:"ciphertext"`
	CiphertextCRC     int64  `json:"ciphertextCrc32c,string"`
	VerifiedPlaintext bool   `json:"verifiedPlaintextCrc32c"`
	VerifiedAAD       bool   `json:"verifiedAdditionalAuthenticatedDataCrc32c"`
}

func (k *gcp) wrap(ctx context.Context, key, aad []byte) ([]byte, error) {
	out, err := k.ask(ctx, "encrypt", gcpRequest{Plaintext: key, PlaintextCRC: crc(key), AAD: aad, AADCRC: crc(aad)})
	if err != nil {
		return nil, err
	}
	if !out.VerifiedPlaintext || !out.VerifiedAAD || crc(out.Ciphertext) != out.CiphertextCRC {
		return nil, &Error{Detail: "what was sent or answered was damaged on its way", kind: unreachable}
	}
	if !strings.HasPrefix(out.Name, k.name+"/cryptoKeyVersions/") {
		return nil, &Error{Detail: "it answered for another key than it was asked", kind: denied}
	}
	return out.Ciphertext, nil
}

func (k *gcp) unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error) {
	out, err := k.ask(ctx, "decrypt", gcpRequest{Ciphertext: wrapped, CiphertextCRC: crc(wrapped), AAD: aad, AADCRC: crc(aad)})
	if err != nil {
		return nil, err
	}
	if crc(out.Plaintext) != out.PlaintextCRC {
		return nil, &Error{Detail: "what it answered was damaged on its way", kind: unreachable}
	}
	return out.Plaintext, nil
}

func (k *gcp) ask(ctx context.Context, act string, in gcpRequest) (*gcpAnswer, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	defer clear(body)
	var token string
	renewed := false
	a, err := k.c.call(ctx, func(ctx context.Context) (*http.Request, error) {
		if token, err = k.token.get(ctx); err != nil {
			return nil, err
		}
		req, err := post(ctx, gcpKMS+k.name+":"+act, body)
		if err == nil {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		return req, err
	}, func(a *answer) *Error {
		e := gcpJudge(act, a, token)
		if a.status == http.StatusUnauthorized && !renewed {
			renewed, e.again = true, true
			k.token.kept.forget()
		}
		return e
	})
	if err != nil {
		return nil, err
	}
	defer clear(a.body)
	out := &gcpAnswer{}
	if e := decode(a, out); e != nil {
		return nil, e
	}
	return out, nil
}

func gcpJudge(act string, a *answer, token string) *Error {
	if a.status == http.StatusOK {
		return nil
	}
	var words struct {
		Error struct {
			Status  string `json:"status"`
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(a.body, &words) // where it cannot be read there are no words
	e := &Error{Detail: said(a.status, words.Error.Status, words.Error.Message, token), kind: denied}
	switch {
	case passing(a.status):
		e.kind, e.again = unreachable, true
	case a.status == http.StatusForbidden:
		e.Next = "allow cloudkms.cryptoKeyVersions.useToEncrypt and useToDecrypt on this key"
	case a.status == http.StatusBadRequest && act == "decrypt" && words.Error.Status == "INVALID_ARGUMENT":
		e.kind = rejected
	}
	return e
}
