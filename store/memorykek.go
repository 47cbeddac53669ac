package store

import "crypto/rand"

// NewMemoryKEK makes a KEK that lives in this process and nowhere else: for
// the memory store, whose rows end with it.
func NewMemoryKEK() (KEK, error) {
	key := make([]byte, kekSize)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	return newLocalKEK(key)
}
