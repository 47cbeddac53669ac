package cases

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// upstream.ca_file is taken anew where its content changed, by a reload and by
// itself; connections that were verified by the old roots are not used again,
// and a file that cannot be read leaves the last good one in use.
func TestUpstreamRootsAreTakenAnew(t *testing.T) {
	t.Parallel()
	var file string
	h := house.New(t, house.Options{Configure: func(c *config.Config) { file = c.Upstream.CAFile }})
	w := newWorker(t, h, modes[1], h.HubWorker("hub").Key)
	ask := func() auth.Code {
		r := w.ask(http.MethodGet, "https://"+hub.Host+"/api/models/"+hub.SampleGated, nil)
		if r.err != nil || r.code() == "" && r.status != http.StatusOK {
			t.Fatalf("%v", r)
		}
		return r.code()
	}
	write := func(pem []byte) {
		t.Helper()
		if err := os.WriteFile(file+".new", pem, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	reload := func() error {
		_, err := h.Reload(func(*config.Config) {})
		return err
	}
	await := func(want auth.Code) {
		t.Helper()
		for end := time.Now().Add(patience); ask() != want; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the answer is never %q", want)
			}
		}
	}
	other, err := origin.NewAuthority(nil)
	if err != nil {
		t.Fatal(err)
	}
	if code := ask(); code != "" {
		t.Fatalf("refused: %s", code)
	}
	// By itself: the kept connection is not used any more.
	write(other.RootPEM())
	await(auth.CodeUpstreamTLS)
	write([]byte("nothing"))
	if err := reload(); err == nil {
		t.Error("a file without a certificate was taken")
	}
	// By a reload, at once.
	write(h.Server.RootPEM())
	if err := reload(); err != nil {
		t.Fatal(err)
	}
	if code := ask(); code != "" {
		t.Errorf("refused: %s", code)
	}
	// And the other way, which drops the root again.
	write(append(other.RootPEM(), h.Server.RootPEM()...))
	if err := reload(); err != nil {
		t.Fatal(err)
	}
	if code := ask(); code != "" {
		t.Errorf("refused: %s", code)
	}
}
