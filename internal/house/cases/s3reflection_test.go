package cases

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/registry"
)

// TestT51_ReflectedSignaturesAreMasked: storage that sends back what it was
// sent shows no signature, with which the same request could be made again.
func TestT51_ReflectedSignaturesAreMasked(t *testing.T) {
	t.Parallel()
	const host = "echo-s3.example.com"
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{host: registry.Echo()})})
	h.AddCredential(admin.NewCredential{Name: "storage", Provider: "s3", Patterns: []string{"https://" + host + "/*"},
		Fields: map[string]string{"accessKeyId": s3AccessKey, "secretAccessKey": h.Secret("s3_").Value(), "endpoint": "https://" + host, "region": "eu-central-1"}})
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"storage"}}).Key
	signature := regexp.MustCompile(`Signature=([0-9a-f]{64})$`)
	for _, mode := range modes {
		w := newWorker(t, h, mode, key)
		for _, way := range []string{"json", "base64", "percent", "gzip", "pieces", "header", "trailer", "error"} {
			h.Server.Record.Reset()
			r := w.get("https://" + host + "/" + way + "/x")
			rows := h.Server.Record.All()
			if len(rows) == 0 || len(r.body) == 0 && way != "header" {
				t.Fatalf("%s, %s: %s", mode, way, r)
			}
			text := string(r.body)
			for _, values := range []http.Header{r.header, r.trailer} {
				for _, v := range values {
					text += "\n" + strings.Join(v, "\n")
				}
			}
			for i := range rows {
				at := signature.FindStringSubmatch(rows[i].Header.Get("Authorization"))
				if at == nil {
					t.Fatalf("%s, %s: it was not signed", mode, way)
				}
				for name, form := range map[string]string{
					"as it is": at[1], "escaped": url.QueryEscape("=" + at[1]), "in base64": base64.RawStdEncoding.EncodeToString([]byte(at[1]))[4:80],
				} {
					if strings.Contains(text, form) {
						t.Errorf("%s, %s: the signature comes back %s", mode, way, name)
					}
				}
			}
		}
	}
}
