package portal

import (
	"bufio"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// followed is a stream of server-sent events while a page follows it.
type followed struct {
	t *testing.T
	// events are the data of each, closed when the stream ends.
	events chan string
	status int
	// last is the id of the last event; it is read behind an event, or the end.
	last atomic.Value
}

// follow follows a stream until the test ends, or the stream does.
func (b *browser) follow(path string) *followed {
	b.t.Helper()
	return b.followFrom(path, "")
}

// followFrom follows a stream as a browser does that has had its event id.
func (b *browser) followFrom(path, id string) *followed {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url+path, nil)
	b.must(err)
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if id != "" {
		r.Header.Set("Last-Event-ID", id)
	}
	resp, err := b.http.Do(r)
	b.must(err)
	f := &followed{t: b.t, events: make(chan string, 64), status: resp.StatusCode}
	go func() {
		defer close(f.events)
		defer func() { _ = resp.Body.Close() }()
		data := ""
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			switch line := lines.Text(); {
			case strings.HasPrefix(line, "id: "):
				f.last.Store(line[4:])
			case strings.HasPrefix(line, "data: "):
				data += line[6:] + "\n"
			case line == "" && data != "":
				select {
				case f.events <- data:
				case <-r.Context().Done():
					return
				}
				data = ""
			}
		}
	}()
	return f
}

// until waits for an event that holds want, and returns everything that came up
// to then.
func (f *followed) until(want string) string {
	f.t.Helper()
	late := time.After(30 * time.Second)
	var all strings.Builder
	for {
		select {
		case e, more := <-f.events:
			all.WriteString(e)
			if strings.Contains(e, want) {
				return all.String()
			}
			if !more {
				f.t.Fatalf("the stream ended before %q: %s", want, all.String())
			}
		case <-late:
			f.t.Fatalf("%q did not come: %s", want, all.String())
		}
	}
}

// ends waits until the stream has ended.
func (f *followed) ends() {
	f.t.Helper()
	late := time.After(30 * time.Second)
	for {
		select {
		case _, more := <-f.events:
			if !more {
				return
			}
		case <-late:
			f.t.Fatal("the stream goes on")
		}
	}
}

// second makes a team beside the default one, and signs an owner of it in.
func (k *kit) second(name string) (*browser, auth.Team) {
	k.t.Helper()
	_, err := k.local.CreateTeam(k.t.Context(), admin.NewTeam{Name: name})
	k.must(err)
	team, err := k.store.Team(k.t.Context(), name)
	k.must(err)
	return k.user("owner-"+name+"@example.com", name, auth.RoleOwner), team
}
