package bridge

import (
	"net/http"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/config"
)

// T60: the URL by which browsers come is in the link of the first run, and its
// host is one by which the listener may be called; others are not.
func TestT60_TheAdminURLIsOurs(t *testing.T) {
	b := start(t, load(t, func(c *config.Config) {
		c.DataDir, c.AdminListen, c.AdminURL = shortDir(t), "127.0.0.1:0", "https://weights.example.com/"
	}))
	link, err := b.FirstUserLink(t.Context())
	check(t, err)
	if !strings.HasPrefix(link.Reveal(), "https://weights.example.com/setup#wbs_") {
		t.Error("the link of the first run leads elsewhere")
	}
	if got := b.API().System().AdminURL; got != "https://weights.example.com" {
		t.Errorf("the administration is said to be at %q", got)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for host, status := range map[string]int{"weights.example.com": 200, "weights.example.com:8443": 200, "evil.example": 403} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.AdminURL()+"/sign-in", nil)
		check(t, err)
		r.Host = host
		resp, err := client.Do(r)
		check(t, err)
		_ = resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%s: %d", host, resp.StatusCode)
		}
	}
}
