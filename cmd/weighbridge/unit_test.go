package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// The unit starts what there is, with flags that there are, and leaves the
// service what it needs.
func TestSystemdUnit(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "systemd", "weighbridge.service"))
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			set[name] = value
		}
	}
	words := strings.Fields(set["ExecStart"])
	a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, now: time.Now}
	c, rest, err := a.command().Find(words[1:])
	if err != nil || c.Name() != "serve" {
		t.Fatalf("%q starts %v, %v", set["ExecStart"], c, err)
	}
	if err := c.ParseFlags(rest); err != nil || len(c.Flags().Args()) > 0 {
		t.Errorf("%q: %v", rest, err)
	}
	if c.Flags().Lookup("first-key").Value.String() == "" {
		t.Error("the first key would be in the journal")
	}
	// /proc/sys/net/core/somaxconn is how long a queue the kernel allows, and
	// netlink how net.InterfaceAddrs learns which addresses are our own.
	if set["ProcSubset"] != "" || !strings.Contains(set["RestrictAddressFamilies"], "AF_NETLINK") {
		t.Error("the service cannot see somaxconn, or this machine's addresses")
	}
	// systemd kills what is still there then.
	if drain, err := time.ParseDuration(strings.TrimSuffix(set["TimeoutStopSec"], "in")); err != nil || drain <= 10*time.Minute {
		t.Errorf("TimeoutStopSec %s is no more than the default of drain", set["TimeoutStopSec"])
	}
}

// A line of the record says who did what to whom.
func TestEventRow(t *testing.T) {
	for _, c := range []struct {
		ev   auth.Event
		want string // who, what, result
	}{
		{auth.Event{Action: auth.ActionUsed, Actor: "key:worker", KeyName: "worker", Method: "GET", Host: "hub.example", Path: "/a", Reason: "why"}, "|GET hub.example/a|why"},
		{auth.Event{Action: auth.ActionKeyCreate, Actor: "user:ada@example.com", UserName: "ada@example.com", KeyName: "worker"}, "user:ada@example.com||"},
		{auth.Event{Action: auth.ActionUserCreate, Actor: "cli", UserName: "ada@example.com"}, "cli|ada@example.com|"},
		{auth.Event{Action: auth.ActionTokenCreate, Actor: "user:ada@example.com", UserName: "ada@example.com", TokenName: "ci"}, "user:ada@example.com|ci|"},
		{auth.Event{Action: auth.ActionKeyDelete, Actor: "token:ci", UserName: "ada@example.com", TokenName: "ci"}, "token:ci|ada@example.com|"},
		{auth.Event{Action: auth.ActionAPIDenied, Actor: "nobody", Method: "GET", Path: "/api/v1/keys", Code: "unauthenticated", Reason: "no caller", Count: 3}, "nobody|GET /api/v1/keys|unauthenticated: no caller (3 times)"},
	} {
		r := eventRow(&c.ev)
		if got := strings.Join([]string{r[1], r[5], r[6]}, "|"); got != c.want {
			t.Errorf("%s: %s, want %s", c.ev.Action, got, c.want)
		}
	}
}
