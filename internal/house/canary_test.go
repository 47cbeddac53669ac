package house_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
)

func TestCanaryIsFoundInEveryForm(t *testing.T) {
	c := house.NewCanary("hf_")
	if len(c.Value()) < 40 || !strings.HasPrefix(c.Value(), "hf_") || house.NewCanary("hf_").Value() == c.Value() {
		t.Fatal("not a canary")
	}
	percent := ""
	for _, b := range []byte(c.Value()) {
		percent += "%" + strings.ToUpper(hex.EncodeToString([]byte{b}))
	}
	escaped := ""
	for _, b := range []byte(c.Value()) {
		escaped += `\u00` + hex.EncodeToString([]byte{b})
	}
	leaks := map[string]string{
		"raw":            c.Value(),
		"cut":            c.Value()[5 : len(c.Value())-2],
		"hex":            hex.EncodeToString([]byte(c.Value())),
		"HEX":            strings.ToUpper(hex.EncodeToString([]byte(c.Value()))),
		"percent":        percent,
		"lower percent":  strings.ToLower(percent),
		"query escaped":  url.QueryEscape("Bearer " + c.Value()),
		"JSON":           escaped,
		"in a JSON text": string(must(json.Marshal(map[string]string{"a": c.Value()}))),
	}
	for _, user := range []string{"", "a", "ab", "abc", "hf_user:", "weighbridge:"} {
		leaks["basic "+user] = base64.StdEncoding.EncodeToString([]byte(user + c.Value()))
		leaks["basic, more after, "+user] = base64.RawURLEncoding.EncodeToString([]byte(user + c.Value() + "\n!"))
	}
	for name, leak := range leaks {
		if len(c.Search(name, []byte("before "+leak+" after"))) == 0 {
			t.Errorf("%s is not found", name)
		}
	}
	for name, innocent := range map[string]string{
		"preview": auth.NewSecret(c.Value()).Preview(), "redacted": auth.Redacted, "another": house.NewCanary("hf_").Value(),
	} {
		if hits := c.Search(name, []byte(innocent)); len(hits) > 0 {
			t.Errorf("%s is taken for a leak: %v", name, hits)
		}
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func TestWatchSeesAcrossWrites(t *testing.T) {
	c := house.NewCanary("hf_")
	for cut := range len(c.Value()) {
		w := house.NewWatch(c)
		s := w.Stream("log")
		_, _ = io.WriteString(s, strings.Repeat("x", 1000)+c.Value()[:cut])
		_, _ = io.WriteString(s, c.Value()[cut:])
		hits := w.Hits()
		if len(hits) != 1 || hits[0].Offset != 1008 || hits[0].Where != "log" {
			t.Fatalf("cut at %d: %v", cut, hits)
		}
		if strings.Contains(hits[0].String(), c.Value()[8:20]) {
			t.Fatal("a hit says the secret itself")
		}
	}
}

func TestWatchSearchesDirectories(t *testing.T) {
	c := house.NewCanary("hf_")
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "audit"), 0o700); err != nil {
		t.Fatal(err)
	}
	w := house.NewWatch(c)
	if err := w.Walk(dir); err != nil || len(w.Hits()) != 0 {
		t.Fatal(w.Hits(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "audit", "2026-01.jsonl"), []byte(`{"x":"`+c.Value()+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.Walk(dir); err != nil || len(w.Hits()) != 1 {
		t.Error(w.Hits(), err)
	}
	if err := w.Walk(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that cannot be read counts as clean: %v", err)
	}
}

type answering func(*http.Request) (*http.Response, error)

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWatchSearchesAnswers(t *testing.T) {
	c := house.NewCanary("hf_")
	for name, answer := range map[string]*http.Response{
		"body":    {Status: "200 OK", Body: io.NopCloser(strings.NewReader("x" + c.Value()))},
		"header":  {Status: "200 OK", Header: http.Header{"X-Echo": {"a", c.Value()}}, Body: http.NoBody},
		"status":  {Status: "400 " + c.Value(), Body: http.NoBody},
		"trailer": {Status: "200 OK", Trailer: http.Header{"X-Echo": {c.Value()}}, Body: http.NoBody},
	} {
		w := house.NewWatch(c)
		client := http.Client{Transport: w.Transport(answering(func(*http.Request) (*http.Response, error) { return answer, nil }))}
		got, err := client.Get("http://127.0.0.1/")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, got.Body)
		if hits := w.Hits(); len(hits) != 1 || w.Bytes("worker:") == 0 {
			t.Errorf("%s: %v", name, hits)
		}
	}
}

func TestWatchSearchesConnections(t *testing.T) {
	c := house.NewCanary("hf_")
	w := house.NewWatch(c)
	near, far := net.Pipe()
	go func() {
		_, _ = io.WriteString(far, c.Value())
		_ = far.Close()
	}()
	var got bytes.Buffer
	_, _ = io.Copy(&got, w.Conn("wire", near))
	if hits := w.Hits(); len(hits) != 1 || got.String() != c.Value() {
		t.Error(hits)
	}
}
