package cases

import (
	"net/http"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
	"github.com/weighbridge/weighbridge/signer"
)

func fileURL(repo, name string) string {
	return "https://" + hub.Host + "/" + repo + "/resolve/main/" + escape(name)
}

// escape writes a file's name as clients of the Hub do.
func escape(name string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/"
	var b strings.Builder
	for i := range len(name) {
		if strings.IndexByte(plain, name[i]) >= 0 {
			b.WriteByte(name[i])
			continue
		}
		b.WriteString("%" + strings.ToUpper(string("0123456789abcdef"[name[i]>>4])+string("0123456789abcdef"[name[i]&15])))
	}
	return b.String()
}

// TestT08_ACarelessClientDownloadsFromEveryStore: the stores answer 400 to any
// Authorization and 403 to a changed byte, and the client sends its own
// Authorization on every hop, as urllib does.
func TestT08_ACarelessClientDownloadsFromEveryStore(t *testing.T) {
	t.Parallel()
	h := house.New(t, house.Options{})
	key := h.HubWorker("hub")
	for _, mode := range modes {
		for _, own := range []string{"Bearer " + signer.PlaceholderToken, "Bearer " + key.Key, "Basic bWU6bXktcGFzc3dvcmQ="} {
			if mode == workerenv.Reverse && own != "Bearer "+key.Key {
				continue // there the key itself is what the client sends everywhere
			}
			w := newWorker(t, h, mode, key.Key)
			for repo, host := range map[string]string{hub.SampleGated: hub.CDNHost, hub.SampleBridge: hub.BridgeHost, hub.SampleOldLFS: hub.LFSHost} {
				h.Server.Record.Reset()
				r := w.follow(fileURL(repo, hub.SamplePlus), "Authorization", own)
				if r.status != 200 || len(r.body) != 300_001 || r.err != nil {
					t.Errorf("%s, %s: %s", mode, host, r)
				}
				if seen := h.Server.Record.Authorizations(host); len(seen) != 1 || seen[0] != "" {
					t.Errorf("%s: %s saw %d kinds of Authorization", mode, host, len(seen))
				}
				if seen := h.Server.Record.Authorizations(hub.Host); len(seen) != 1 || seen[0] != "Bearer "+h.Token.Value() {
					t.Errorf("%s: the Hub saw %d kinds of Authorization", mode, len(seen))
				}
			}
		}
	}
}

// TestT10_SASURLsPassByteForByte: whatever the spelling of a signature, what
// reaches the store is what was issued, once, and nothing beside it; also when
// the request is repeated, also on a host for which there is a credential.
func TestT10_SASURLsPassByteForByte(t *testing.T) {
	t.Parallel()
	const host, path = "account.blob.core.windows.net", "/container/weights%20v1%2B2.bin"
	var store *tap
	h := house.New(t, house.Options{Empty: true, Mount: func(s *origin.Server) {
		leaf, err := s.Authority().Leaf(host, nil)
		if err != nil {
			t.Fatal(err)
		}
		store = newTap(t, leaf, nil)
	}, Configure: func(c *config.Config) { c.Upstream.Resolve[host+":443"] = store.addr() }})
	secret := bearer(h, "azure", host+"/*")
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"azure"}}).Key
	for _, mode := range modes {
		w := newWorker(t, h, mode, key)
		for _, query := range []string{
			"sv=2024-11-04&sr=b&sp=r&se=2099-01-01T00%3A00%3A00Z&sig=a%2Bb%2Fc%3D",
			"sv=2024-11-04&sr=b&sp=r&se=2099-01-01T00:00:00Z&sig=a%2bb%2fc%3d",
			"sig=a+b/c=&se=2099-01-01T00%3A00%3A00Z&sp=r&sr=b&sv=2024-11-04",
			"se=2099-01-01&sp=r&sv=2024-11-04&sr=c&sig=%41%42&&x=%20+%20&empty=&flag",
		} {
			store.forget()
			for range 2 {
				r := w.get("https://"+host+path+"?"+query, "Authorization", authorization(mode, key))
				if r.status != 200 {
					t.Errorf("%s, %s: %s", mode, query, r)
				}
			}
			heard := store.heard()
			if n := strings.Count(heard, "GET "+path+"?"+query+" HTTP/1.1\r\n"); n != 2 {
				t.Errorf("%s, %s: arrived unchanged %d times of 2", mode, query, n)
			}
			if n := strings.Count(strings.ToLower(heard), "sig="); n != 2 {
				t.Errorf("%s, %s: %d signatures in 2 requests", mode, query, n)
			}
			if strings.Contains(strings.ToLower(heard), "authorization:") || len(secret.Search("", []byte(heard))) > 0 {
				t.Errorf("%s, %s: something was put on a signed URL", mode, query)
			}
		}
		// The same host without a signature does get the credential.
		store.forget()
		if r := w.get("https://" + host + path); r.status != 200 || !strings.Contains(store.heard(), "Authorization: Bearer "+secret.Value()) {
			t.Errorf("%s: without a signature: %s", mode, r)
		}
	}
}

// authorization is what a careless client sends everywhere.
func authorization(mode workerenv.Mode, key string) string {
	if mode == workerenv.Reverse {
		return "Bearer " + key
	}
	return "Bearer the-workers-own"
}

// TestT11_AnUnknownStorageHostGetsNothing: a new name below hf.co, of which
// nobody has heard, passes bare, by the default patterns in both modes.
func TestT11_AnUnknownStorageHostGetsNothing(t *testing.T) {
	t.Parallel()
	const host = "new-region.cdn.hf.co"
	seen := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{host: seen, "one.hf.co": seen})})
	key := h.HubWorker("hub")
	for _, mode := range modes {
		w := newWorker(t, h, mode, key.Key)
		for _, host := range []string{host, "one.hf.co"} {
			h.Server.Record.Reset()
			r := w.get("https://" + host + "/xorbs/default/00")
			rows := h.Server.Record.On(host)
			if r.status != 204 || len(rows) != 1 || rows[0].Authorization() != "" {
				t.Errorf("%s, %s: %s; %d requests", mode, host, r, len(rows))
			}
		}
	}
}
