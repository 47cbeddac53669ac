package audit

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/weighbridge/weighbridge/auth"
)

// The encoder is written by hand; this holds it to the struct, so that a new
// field cannot be forgotten.
func TestEncoderKnowsEveryField(t *testing.T) {
	var e auth.Event
	v := reflect.ValueOf(&e).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case time.Time:
			f.Set(reflect.ValueOf(time.Date(2026, 11, 21, 1, 2, 3, 456789000, time.UTC)))
		default:
			switch f.Kind() {
			case reflect.String:
				f.SetString("x" + v.Type().Field(i).Name)
			case reflect.Int, reflect.Int64:
				f.SetInt(int64(100 + i))
			case reflect.Uint64:
				f.SetUint(uint64(100 + i))
			default:
				t.Fatalf("teach this test about %s", v.Type().Field(i).Name)
			}
		}
	}
	e = unchained(e) // the writer adds that
	want, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if got := appendEvent(nil, &e); string(got) != string(want)+"\n" {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestEncodedEventsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ -~éß€\x{1F600}\x00-\x1f]{0,40}`).Filter(func(s string) bool {
			return !strings.ContainsAny(s, "?#@/")
		})
		e := auth.Event{
			ID:     rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`).Draw(t, "id"),
			Time:   time.UnixMicro(rapid.Int64Range(0, 1<<52).Draw(t, "time")).UTC(),
			Action: rapid.SampledFrom([]string{auth.ActionUsed, auth.ActionFinished, auth.ActionDenied}).Draw(t, "action"),
			TeamID: text.Draw(t, "team"), KeyName: text.Draw(t, "key"), Host: text.Draw(t, "host"), Path: text.Draw(t, "path"),
			Reason: text.Draw(t, "reason"), Code: auth.Code(text.Draw(t, "code")),
			Version: rapid.Uint64().Draw(t, "version"), Bytes: rapid.Int64().Draw(t, "bytes"),
			Status: rapid.IntRange(0, 999).Draw(t, "status"), Duration: time.Duration(rapid.Int64().Draw(t, "duration")),
		}
		e.Outcome = auth.OutcomeOf(&e) // what the encoder fills in
		line := appendEvent(nil, &e)
		if lineTime(line) != stamp(e.Time) {
			t.Fatalf("the time of %s reads as %q", line, lineTime(line))
		}
		var got auth.Event
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if got != e {
			t.Fatalf("got %+v, want %+v", got, e)
		}
	})
}

func FuzzEncode(f *testing.F) {
	f.Add("huggingface.co", "/a/b?sig=x", "plain")
	f.Add("a@b", "/%2e%2e/\x00\r\n\x7f", `https://h/p?q "quoted"`)
	f.Add("\xff\xfe", "/\u0085\u009b[31m\u2028", strings.Repeat("ä", maxText))
	f.Fuzz(func(t *testing.T, host, path, reason string) {
		e := auth.Event{ID: "evt_1", Action: auth.ActionUsed, Host: host, Path: path, Reason: reason}
		line := appendEvent(nil, &e)
		if bytes.Count(line, []byte("\n")) != 1 || line[len(line)-1] != '\n' {
			t.Fatalf("not one line: %q", line)
		}
		if !utf8.Valid(line) {
			t.Fatalf("not UTF-8: %q", line)
		}
		for _, r := range string(line[:len(line)-1]) {
			if unicode.IsControl(r) {
				t.Fatalf("a control character: %q", line)
			}
		}
		var got auth.Event
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if strings.ContainsAny(got.Host, "?#@") || strings.ContainsAny(got.Path, "?#") {
			t.Fatalf("a query or userinfo got through: %q", line)
		}
		if len(line) > 3*6*(maxText+16) {
			t.Fatalf("a line of %d bytes", len(line))
		}
	})
}
