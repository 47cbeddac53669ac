package auth

import (
	"testing"
	"time"
)

func TestS3AccessKeys(t *testing.T) {
	id, secret := NewS3AccessKeyID(), NewS3Secret()
	if !IsS3AccessKeyID(id) || IsS3AccessKeyID("AKIAIOSFODNN7EXAMPLE") || IsS3AccessKeyID(id[:19]) || IsS3AccessKeyID(id[:19]+"1") {
		t.Errorf("the form of %q is not told apart", id)
	}
	if n := len(secret.Reveal()); n != 40 {
		t.Errorf("a secret has %d characters", n)
	}
	a := S3Access{AccessKeyID: id, Buckets: []string{"models"}, Prefixes: []string{"sd/", "llm/a"}, Aliases: map[string]string{"m-1": "models/sd/", "whole": "models"}}
	if err := a.Check(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		bucket, key string
		want        bool
	}{
		{"models", "sd/x", true}, {"models", "sd/", true}, {"models", "sd", false}, {"models", "llm/ab", true},
		{"models", "", false}, {"models", "other", false}, {"models2", "sd/x", false}, {"", "sd/x", false},
	} {
		if got := a.Allows(c.bucket, c.key); got != c.want {
			t.Errorf("Allows(%q, %q) is %v", c.bucket, c.key, got)
		}
	}
	for _, c := range [][4]string{
		{"m-1", "x", "models", "sd/x"}, {"whole", "x", "models", "x"}, {"models", "x", "models", "x"}, {"m-1", "", "models", "sd/"},
	} {
		if b, k := a.Resolve(c[0], c[1]); b != c[2] || k != c[3] {
			t.Errorf("Resolve(%q, %q) is %q, %q", c[0], c[1], b, k)
		}
	}
}

func TestS3KeysAreFoundByTheirIDAlone(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	k := Key{ID: "key_s3", TeamID: "team_1", Name: "trainer", S3: &S3Access{AccessKeyID: NewS3AccessKeyID()}}
	compile := func(keys ...Key) (*Snapshot, error) {
		return Compile(State{Keys: keys}, Options{})
	}
	s, err := compile(k)
	if err != nil {
		t.Fatal(err)
	}
	id, access, err := s.IdentifyS3(k.S3.AccessKeyID, now)
	if err != nil || id.KeyID != k.ID || access.AccessKeyID != k.S3.AccessKeyID || id.Scope != ScopeRead {
		t.Errorf("identified as %+v, %v", id, err)
	}
	if _, err := s.IdentifyID(k.ID, now); AsError(err).Code != CodeKeyInvalid {
		t.Errorf("found by its id: %v", err)
	}
	if _, err := s.Identify(KeyHash{}, now); AsError(err).Code != CodeKeyInvalid {
		t.Errorf("found by no hash: %v", err)
	}
	if _, _, err := s.IdentifyS3(NewS3AccessKeyID(), now); AsError(err).Code != CodeKeyInvalid {
		t.Errorf("a stranger is known: %v", err)
	}
	k.ExpiresAt = now
	if s, err = compile(k); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.IdentifyS3(k.S3.AccessKeyID, now); AsError(err).Code != CodeKeyExpired {
		t.Errorf("expired: %v", err)
	}
	twin := k
	twin.ID, twin.Name = "key_2", "twin"
	if _, err := compile(k, twin); err == nil {
		t.Error("two keys with one id were taken")
	}
	twin.S3, twin.Hash = &S3Access{AccessKeyID: NewS3AccessKeyID()}, KeyHash{1}
	if _, err := compile(twin); err == nil {
		t.Error("a key of both kinds was taken")
	}
}
