package bridge

import (
	"maps"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// TestMetricsTellWhichCredentialEndsFirst, by provider, and never its name.
func TestMetricsTellWhichCredentialEndsFirst(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	cred := func(provider string, status auth.Status, left time.Duration) auth.Credential {
		c := auth.Credential{Name: "secretly-named", Provider: provider, Status: status}
		if left != 0 {
			c.ExpiresAt = now.Add(left)
		}
		return c
	}
	st := auth.State{Credentials: []auth.Credential{
		cred("huggingface", auth.StatusValid, 9*time.Hour),
		cred("huggingface", auth.StatusValid, 10*time.Minute),
		cred("huggingface", auth.StatusValid, 0),
		cred("huggingface", auth.StatusValid, -time.Minute), // has ended, which the engine has not stored yet
		cred("huggingface", auth.StatusInvalid, time.Minute),
		cred("azure_blob", auth.StatusValid, 30*24*time.Hour),
		cred("s3", auth.StatusValid, 0),
		cred("http_bearer", auth.StatusRevoked, time.Hour),
	}}
	if got, want := ends(st, now), map[string]float64{"huggingface": 600, "azure_blob": 2592000}; !maps.Equal(got, want) {
		t.Errorf("ends %v, want %v", got, want)
	}
	want := map[string]float64{"valid": 5, "expired": 1, "invalid": 1, "revoked": 1, "pending": 0, "expiring": 2}
	if got := statuses(st, now); !maps.Equal(got, want) {
		t.Errorf("statuses %v, want %v", got, want)
	}
}
