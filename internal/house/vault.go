package house

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Vault is a transit engine with one key, called weighbridge, as Vault and
// OpenBao serve it: it verifies the token and binds the associated data.
type Vault struct {
	token string
	aead  cipher.AEAD
	at    *httptest.Server
	asked atomic.Int64
	down  atomic.Bool

	mu   sync.Mutex
	hold chan struct{} // while not nil, answers wait for its end
	free int64         // but for so many
}

// VaultURI is the setting kek for it.
const VaultURI = "vault-transit://weighbridge"

// NewVault listens until the test ends.
func NewVault(t testing.TB) *Vault {
	v := &Vault{token: NewCanary("hvs.").Value()}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails since Go 1.24
	block, err := aes.NewCipher(key)
	if err == nil {
		v.aead, err = cipher.NewGCMWithRandomNonce(block)
	}
	if err != nil {
		t.Fatal(err)
	}
	v.at = httptest.NewServer(http.HandlerFunc(v.serve))
	t.Cleanup(func() {
		v.Release()
		v.at.Close()
	})
	return v
}

// Environ is what a weighbridge needs to reach it.
func (v *Vault) Environ() []string {
	return []string{"VAULT_ADDR=" + v.at.URL, "VAULT_TOKEN=" + v.token}
}

// Asked counts the questions.
func (v *Vault) Asked() int64 { return v.asked.Load() }

// Down makes it answer 503, as a sealed Vault does, or serve again.
func (v *Vault) Down(down bool) { v.down.Store(down) }

// Hold makes answers wait until Release.
func (v *Vault) Hold() { v.HoldAfter(0) }

// HoldAfter is Hold, once so many more are given.
func (v *Vault) HoldAfter(n int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.hold, v.free = make(chan struct{}), n
}

// Release lets answers go that Hold keeps.
func (v *Vault) Release() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.hold != nil {
		close(v.hold)
		v.hold = nil
	}
}

func (v *Vault) wait(r *http.Request) {
	v.mu.Lock()
	hold := v.hold
	if v.free > 0 {
		v.free, hold = v.free-1, nil
	}
	v.mu.Unlock()
	if hold == nil {
		return
	}
	select {
	case <-hold:
	case <-r.Context().Done():
	}
}

func (v *Vault) serve(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Plaintext  []byte `json:"plaintext"`
		Ciphertext string `json:"ciphertext"`
		AAD        []byte `json:"associated_data"`
	}
	unread := json.NewDecoder(r.Body).Decode(&in) != nil
	v.asked.Add(1)
	v.wait(r)
	data := map[string]any{}
	status, words := http.StatusOK, ""
	switch act := strings.TrimPrefix(r.URL.Path, "/v1/transit/"); {
	case v.down.Load():
		status, words = http.StatusServiceUnavailable, "Vault is sealed"
	case r.Header.Get("X-Vault-Token") != v.token:
		status, words = http.StatusForbidden, "permission denied"
	case !unread && act == "encrypt/weighbridge":
		data["ciphertext"] = "vault:v1:" + hex.EncodeToString(v.aead.Seal(nil, nil, in.Plaintext, in.AAD))
	case !unread && act == "decrypt/weighbridge":
		sealed, err := hex.DecodeString(strings.TrimPrefix(in.Ciphertext, "vault:v1:"))
		var plain []byte
		if err == nil {
			plain, err = v.aead.Open(nil, nil, sealed, in.AAD)
		}
		if err != nil {
			status, words = http.StatusBadRequest, "cipher: message authentication failed"
		}
		data["plaintext"] = plain
	default:
		status, words = http.StatusBadRequest, "encryption key not found"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if status != http.StatusOK {
		_ = json.NewEncoder(w).Encode(map[string][]string{"errors": {words}})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
}
