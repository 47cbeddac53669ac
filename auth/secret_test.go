package auth

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
)

const canary = "canary-S3cr3t-0123456789"

// holders hold a secret in the ways in which one is logged by accident.
func holders() map[string]any {
	s := NewSecret(canary)
	type exported struct{ S Secret }
	type unexported struct{ s Secret }
	type nested struct {
		in unexported
		p  *unexported
		a  any
	}
	u := unexported{s}
	return map[string]any{
		"value": s, "pointer": &s, "exported": exported{s}, "pointer to exported": &exported{s}, "unexported": u, "pointer to unexported": &u,
		"nested": nested{u, &u, u}, "slice": []Secret{s}, "array": [1]Secret{s}, "map": map[string]Secret{"k": s}, "key": map[Secret]int{s: 1},
		"interface": []any{s, &s}, "fields": Fields{"token": s}, "applied": Applied{Mask: []Secret{s}}, "error": fmt.Errorf("wrapped: %v", s),
	}
}

func TestSecretIsRedactedByEveryVerb(t *testing.T) {
	for name, v := range holders() {
		for _, verb := range "vTtbcdoOqxXUeEfFgGspw" {
			for _, flags := range []string{"", "+", "#", " ", "0", "-20", "+#", "20.20"} {
				out := fmt.Sprintf("%"+flags+string(verb), v)
				if leaks(out) {
					t.Errorf("%%%s%c of %s: %s", flags, verb, name, out)
				}
			}
		}
		if out := fmt.Sprint(v) + fmt.Sprintln(v); leaks(out) {
			t.Errorf("Sprint of %s: %s", name, out)
		}
	}
	if got := fmt.Sprintf("%v %s %+v %#v", NewSecret(canary), NewSecret(canary), NewSecret(canary), NewSecret(canary)); got != strings.TrimSpace(strings.Repeat(Redacted+" ", 4)) {
		t.Errorf("got %s", got)
	}
}

// leaks looks for the canary as it is and in hexadecimal of either case.
func leaks(out string) bool {
	return strings.Contains(out, canary) || strings.Contains(out, canary[:12]) ||
		strings.Contains(strings.ToLower(strings.ReplaceAll(out, " ", "")), fmt.Sprintf("%x", canary[:12]))
}

func TestSecretIsRedactedByEveryEncoder(t *testing.T) {
	for name, v := range holders() {
		if b, err := json.Marshal(v); err == nil && leaks(string(b)) {
			t.Errorf("json of %s: %s", name, b)
		}
		if b, err := xml.Marshal(v); err == nil && leaks(string(b)) {
			t.Errorf("xml of %s: %s", name, b)
		}
		var b bytes.Buffer
		if err := gob.NewEncoder(&b).Encode(v); err == nil && leaks(b.String()) {
			t.Errorf("gob of %s", name)
		}
		for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
			slog.New(h).Info("event", "v", v, slog.Any("any", v), slog.Group("g", "v", v))
		}
		if leaks(b.String()) {
			t.Errorf("slog of %s: %s", name, b.String())
		}
	}
	b, err := json.Marshal(struct{ S Secret }{NewSecret(canary)})
	if err != nil || string(b) != `{"S":"[redacted]"}` {
		t.Errorf("%s, %v", b, err)
	}
	if s, ok := any(NewSecret(canary)).(fmt.Stringer); !ok || s.String() != Redacted {
		t.Error("String")
	}
	if NewSecret(canary).GoString() != Redacted || NewSecret(canary).LogValue().String() != Redacted {
		t.Error("GoString or LogValue")
	}
}

func TestSecretRoundTrip(t *testing.T) {
	var s Secret
	if err := json.Unmarshal([]byte(`"`+canary+`"`), &s); err != nil || s.Reveal() != canary || s.IsZero() {
		t.Errorf("%v", err)
	}
	if err := s.UnmarshalText([]byte("other-" + canary)); err != nil || s.Reveal() != "other-"+canary {
		t.Errorf("%v", err)
	}
	// "Read, edit, write back" must not destroy the value.
	if err := json.Unmarshal([]byte(`"[redacted]"`), &s); !errors.Is(err, ErrRedacted) || s.Reveal() != "other-"+canary {
		t.Errorf("%v", err)
	}
	if err := s.UnmarshalText([]byte(Redacted)); !errors.Is(err, ErrRedacted) || s.Reveal() != "other-"+canary {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{`{"a":"` + canary + `"}`, `["` + canary + `"]`, `"` + canary, `12`} {
		if err := s.UnmarshalJSON([]byte(bad)); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	var zero Secret
	if !zero.IsZero() || zero.Reveal() != "" || !NewSecret("").IsZero() || zero.String() != Redacted || zero.Preview() != "" {
		t.Error("the zero secret is something")
	}
	if !NewSecret(canary).Equal(NewSecret(canary)) || NewSecret(canary).Equal(zero) || NewSecret("a").Equal(NewSecret("b")) || !zero.Equal(zero) {
		t.Error("Equal")
	}
}

func TestSecretPreviewHidesEnough(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"a":                        Redacted,
		"12345678":                 Redacted,
		"123456789":                "1...",
		"123456789012":             "1234...",
		"1234567890123456":         "12345678...",
		"1234567890123456789":      "12345678...",
		"12345678901234567890":     "12345678...7890",
		"hf_abcdefghijklmnopqrstu": "hf_abcde...rstu",
		"äöüäöüäöüäöü":             "äöüä...",
	} {
		got := NewSecret(in).Preview()
		if got != want {
			t.Errorf("preview of %q: %q, want %q", in, got, want)
		}
		if shown := len([]rune(strings.ReplaceAll(got, "...", ""))); in != "" && got != Redacted && len([]rune(in))-shown < 8 {
			t.Errorf("preview of %q hides fewer than 8 characters", in)
		}
	}
}

// A writer that fails must not make Format panic or show more.
func TestSecretFormatToAFailingWriter(t *testing.T) {
	_, err := fmt.Fprintf(failing{}, "%v", NewSecret(canary))
	if err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("%v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
