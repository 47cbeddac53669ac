package auth

import (
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"
)

func TestCodesAreComplete(t *testing.T) {
	all := Codes()
	form := regexp.MustCompile(`^[a-z]+(_[a-z0-9]+)*$`)
	if !sort.SliceIsSorted(all, func(i, j int) bool { return all[i].Code < all[j].Code }) || len(all) < 20 {
		t.Errorf("%d codes, not sorted", len(all))
	}
	for _, c := range all {
		if !form.MatchString(string(c.Code)) || c.Status < 400 || c.Status > 599 || !strings.HasSuffix(c.Meaning, ".") || !strings.HasSuffix(c.Next, ".") {
			t.Errorf("%+v", c)
		}
		e := NewError(c.Code, "r", nil)
		if e.HTTPStatus() != c.Status || e.NextStep() != c.Next {
			t.Errorf("%s: status %d, next %q", c.Code, e.HTTPStatus(), e.NextStep())
		}
	}
}

func TestErrorHasTwoFaces(t *testing.T) {
	cause := errors.New("dial tcp: " + canary)
	e := NewError(CodeUpstreamUnreachable, "huggingface.co could not be reached", cause)
	if strings.Contains(e.Error(), canary) || e.Error() != "upstream_unreachable: huggingface.co could not be reached" {
		t.Errorf("public face %q", e.Error())
	}
	if !errors.Is(e, cause) {
		t.Error("the cause is lost")
	}
	e.Status, e.Next = 418, "do this"
	if e.HTTPStatus() != 418 || e.NextStep() != "do this" {
		t.Error("the overrides do not hold")
	}
	if (&Error{Code: "unheard_of"}).HTTPStatus() != 500 {
		t.Error("an unknown code has no status")
	}
	if AsError(fmt.Errorf("while: %w", e)) != e {
		t.Error("AsError does not find it")
	}
	if w := AsError(cause); w.Code != CodeInternal || strings.Contains(w.Error(), canary) || !errors.Is(w, cause) {
		t.Errorf("%v", w)
	}
}

func TestUsableAndStatus(t *testing.T) {
	for _, c := range []struct {
		cred Credential
		want bool
	}{
		{Credential{}, false},
		{Credential{Status: StatusValid}, true},
		{Credential{Status: StatusPending}, false},
		{Credential{Status: "VALID"}, false},
		{Credential{Status: StatusValid, ExpiresAt: testNow}, false},
		{Credential{Status: StatusValid, ExpiresAt: testNow.Add(1)}, true},
		{Credential{Status: StatusRevoked, ExpiresAt: testNow.Add(1)}, false},
	} {
		if c.cred.Usable(testNow) != c.want {
			t.Errorf("%+v: usable %v", c.cred, !c.want)
		}
	}
	for _, c := range []struct {
		key  Key
		want string
	}{
		{Key{}, "active"},
		{Key{ExpiresAt: testNow.Add(1)}, "active"},
		{Key{ExpiresAt: testNow}, "expired"},
		{Key{RevokedAt: testNow.Add(time.Hour)}, "revoked"},
		{Key{RevokedAt: testNow, ExpiresAt: testNow}, "revoked"},
	} {
		if got := c.key.Status(testNow); got != c.want {
			t.Errorf("%+v: %s, want %s", c.key, got, c.want)
		}
	}
}
