package proxy

import (
	"runtime"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

func TestMasksAreReusedOnlyForTheSameValuesAndNotKept(t *testing.T) {
	var m masks
	d := &auth.Decision{CredentialID: "cred_1", Version: 1}
	one := []auth.Secret{auth.NewSecret("first-secret-value")}
	two := []auth.Secret{auth.NewSecret("second-secret-value")}
	a := m.of(d, one)
	if got := a.MaskString("x first-secret-value"); got != "x ******************" {
		t.Errorf("%q", got)
	}
	if b := m.of(d, two); b.MaskString("second-secret-value") == "second-secret-value" || b.MaskString("first-secret-value") != "first-secret-value" {
		t.Error("another value got the old masker")
	}
	if m.of(d, nil) != nil {
		t.Error("nothing to mask has a masker")
	}
	m.of(d, one)
	runtime.GC()
	runtime.GC()
	if m.byCred[maskKey{"cred_1", 1}].Value() != nil {
		t.Error("a masker outlives the collection of garbage")
	}
}
