package auth

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestRolesAreOrdered(t *testing.T) {
	all := Roles()
	for i, a := range all {
		for j, b := range all {
			if got := a.AtLeast(b); got != (i <= j) {
				t.Errorf("%s at least %s: %v", a, b, got)
			}
		}
	}
	for _, r := range []Role{"", "king", "Owner"} {
		if r.Valid() || r.AtLeast(RoleViewer) || RoleOwner.AtLeast(r) || r.AtLeast(r) {
			t.Errorf("%q is a role", r)
		}
	}
}

func TestCanonicalEmail(t *testing.T) {
	for in, want := range map[string]string{
		"ada@example.com":                        "ada@example.com",
		" Ada.L+x@EXAMPLE.com\n":                 "ada.l+x@example.com",
		"a@localhost":                            "a@localhost",
		"a@bücher.example":                       "a@xn--bcher-kva.example",
		"o'neil_{x}@x-y.example":                 "o'neil_{x}@x-y.example",
		"":                                       "",
		"ada":                                    "",
		"@example.com":                           "",
		"ada@":                                   "",
		"ada@example..com":                       "",
		"ada@-example.com":                       "",
		"ada@example.com.":                       "",
		"a..b@example.com":                       "",
		".a@example.com":                         "",
		`"a b"@example.com`:                      "",
		"a b@example.com":                        "",
		"а@example.com":                          "", // Cyrillic
		"ada@example.com\x00":                    "",
		"ada@[192.0.2.1]":                        "",
		"Ada <ada@example.com>":                  "",
		"a@b@example.com":                        "",
		"a@" + strings.Repeat("x", 64) + ".com":  "",
		strings.Repeat("a", 65) + "@x.com":       "",
		"a@" + strings.Repeat("x.", 130) + "com": "",
	} {
		got, err := CanonicalEmail(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
		if again, _ := CanonicalEmail(got); again != got {
			t.Errorf("%q is not canonical: %q", got, again)
		}
	}
}

func FuzzCanonicalEmail(f *testing.F) {
	f.Add("Ada@Example.com")
	f.Add("a@bücher.example")
	f.Add("a@\u212aelvin.example")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := CanonicalEmail(s)
		if err != nil {
			return
		}
		if again, err := CanonicalEmail(got); err != nil || again != got {
			t.Errorf("%q became %q, and that %q (%v)", s, got, again, err)
		}
		if len(got) > MaxEmail || strings.Count(got, "@") != 1 || !isASCII(got) || strings.ContainsAny(got, " \t\r\n\x00\"<>,;:\\") {
			t.Errorf("%q became %q", s, got)
		}
	})
}

func TestAPasswordHashIsNeverShown(t *testing.T) {
	u := User{Email: "ada@example.com", Password: NewPasswordHash("$argon2id$v=19$secret")}
	b, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := json.Marshal(u.Password)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(b), string(whole), fmt.Sprintf("%v %+v %#v %s %q %x", u, u, u, u.Password, u.Password, u.Password)} {
		if strings.Contains(text, "argon2id") || strings.Contains(text, "secret") {
			t.Errorf("it shows: %s", text)
		}
	}
	if strings.Contains(string(b), "assword") {
		t.Errorf("a user's JSON speaks of it: %s", b)
	}
}

func TestSessionsCount(t *testing.T) {
	now := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	u := User{ID: "u", SessionsAfter: now.Add(-time.Hour)}
	s := Session{UserID: "u", CreatedAt: now.Add(-time.Hour), ExpiresAt: now.Add(time.Second)}
	if !s.Live(&u, now) {
		t.Fatal("it does not count")
	}
	for what, change := range map[string]func(*Session, *User, *time.Time){
		"another's":      func(s *Session, _ *User, _ *time.Time) { s.UserID = "v" },
		"nobody's":       func(s *Session, u *User, _ *time.Time) { s.UserID, u.ID = "", "" },
		"ended":          func(s *Session, _ *User, _ *time.Time) { s.RevokedAt = now },
		"expired":        func(_ *Session, _ *User, at *time.Time) { *at = now.Add(time.Second) },
		"of before":      func(s *Session, _ *User, _ *time.Time) { s.CreatedAt = now.Add(-time.Hour - 1) },
		"of a shut user": func(_ *Session, u *User, _ *time.Time) { u.DisabledAt = now },
	} {
		s, u, at := s, u, now
		change(&s, &u, &at)
		if s.Live(&u, at) {
			t.Errorf("a session counts that is %s", what)
		}
	}
}
