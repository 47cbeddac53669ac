package field

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/bench/internal/body"
	"github.com/weighbridge/weighbridge/bench/internal/pki"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/signer"
)

// The configuration that is measured is one that weighbridge takes, with the
// thousand patterns that are promised, one of which is for the bodies.
func TestWeighbridgeIsMeasuredWithAThousandPatterns(t *testing.T) {
	dir := t.TempDir()
	files, err := pki.Make(dir, Host)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []Mode{Intercepted, TLSToTLS, PlainToTLS, Plain} {
		s := &seat{
			Rig:  &Rig{Dir: dir, Files: files, PlainAddr: "127.0.0.1:81", TLSAddr: "127.0.0.1:444", Token: "t"},
			peer: &Peer{Name: Weighbridge, Mode: mode}, dir: dir, addr: "127.0.0.1:8080",
		}
		s.workerTLS, s.originTLS = mode.secure()
		file, err := s.file("weighbridge.yaml", s.weighbridgeConfig(filepath.Join(dir, "data")))
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := config.Load(config.LoadOptions{
			Path: file, Providers: signer.Providers(),
			Environ: append(os.Environ(), "BENCH_KEY=wbk_"+token(40), "BENCH_TOKEN="+token(20)),
		})
		if err != nil {
			t.Fatal(err)
		}
		url := "https://" + s.origin() + body.SmallPath
		if mode == Plain {
			url = "http://" + s.origin() + body.SmallPath
		}
		target, err := auth.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		n, matching := 0, 0
		for _, c := range loaded.Config.Credentials {
			for _, text := range c.Patterns {
				p, err := auth.ParsePattern(text)
				if err != nil {
					t.Fatal(err)
				}
				n++
				if p.Matches(target) {
					matching++
				}
			}
		}
		if n != 1000 || matching != 1 {
			t.Errorf("%s: %d patterns, %d of which are for the bodies", mode, n, matching)
		}
	}
}

func token(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return string(b)
}
