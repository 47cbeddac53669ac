package soak

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

// zeros is an object of 1 GiB.
type zeros struct{ at int64 }

const (
	zerosSize = 1 << 30
	zerosPart = 8 << 20
	zerosHost = "zeros.example.com"
	// costBound is how much more CPU a download may take through the S3 front.
	costBound  = 1.1
	costRounds = 5
)

// Read implements io.Reader.
func (z *zeros) Read(p []byte) (int, error) {
	n := int(min(int64(len(p)), zerosSize-z.at))
	if n == 0 {
		return 0, io.EOF
	}
	z.at += int64(n)
	return n, nil
}

// Seek implements io.Seeker.
func (z *zeros) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += z.at
	case io.SeekEnd:
		off += zerosSize
	}
	z.at = off
	return off, nil
}

// BenchmarkS3FrontProgram is 1 GiB in ranges of 8 MiB from an origin under TLS,
// through the S3 front (verified, signed again, streamed) and by the plain
// reverse path, in turns. CPU is that of weighbridge, which is a process of its
// own; the middle of the rounds counts.
func BenchmarkS3FrontProgram(b *testing.B) {
	p := startProgram(b, func(p *program) {
		if err := p.Server.Handle(zerosHost, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("ETag", `"zeros"`)
			http.ServeContent(w, r, "", time.Time{}, &zeros{})
		})); err != nil {
			b.Fatal(err)
		}
		p.more = "  - {name: zeros, provider: http_bearer, fields: {token: {env: SOAK_TOKEN}}, patterns: [\"" + zerosHost + "/plain/*\"], keys: [w]}\n" +
			"  - {name: storage, provider: s3, fields: {accessKeyId: {env: SOAK_ID}, secretAccessKey: {env: SOAK_TOKEN}, endpoint: \"https://" + zerosHost + "\"}, patterns: [\"s3://models/*\"]}\n"
	})
	key := p.s3Key("storage")
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	ways := map[string]func() *http.Request{
		"front": func() *http.Request { return p.signed(key, "/models/zeros") },
		"plain": func() *http.Request {
			r := p.request("/" + zerosHost + "/plain/zeros")
			r.Header.Set("Authorization", "Bearer "+p.Key)
			return r
		},
	}
	buf := make([]byte, 256<<10)
	download := func(way string) time.Duration {
		began := p.cpu()
		for at := int64(0); at < zerosSize; at += zerosPart {
			r := ways[way]()
			r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", at, at+zerosPart-1))
			a, err := client.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, a.Body, buf)
			_ = a.Body.Close()
			if a.StatusCode != http.StatusPartialContent || n != zerosPart || err != nil {
				b.Fatal(way, a.Status, n, err)
			}
		}
		return p.cpu() - began
	}
	for b.Loop() {
		took := map[string][]time.Duration{}
		for range costRounds {
			for _, way := range []string{"plain", "front"} {
				took[way] = append(took[way], download(way))
			}
		}
		middle := func(way string) float64 {
			slices.Sort(took[way])
			return float64(took[way][costRounds/2].Milliseconds())
		}
		ratio := middle("front") / middle("plain")
		b.ReportMetric(middle("plain"), "plain-cpu-ms/GiB")
		b.ReportMetric(middle("front"), "front-cpu-ms/GiB")
		b.ReportMetric(ratio, "ratio")
		if ratio > costBound {
			b.Errorf("the front takes %.2f times the CPU of the plain reverse path: %v", ratio, took)
		}
	}
}

// cpu is what the program has taken so far, user and system (proc(5), stat:
// fields 14 and 15, in ticks of 10 ms).
func (p *program) cpu() time.Duration {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields, ticks := strings.Fields(rest), 0
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			p.t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

type s3Key struct {
	ID     string `json:"access_key_id"`
	Secret string `json:"secret_access_key"`
}

// s3Key makes an S3 access key by the command line.
func (p *program) s3Key(credential string) (k s3Key) {
	p.t.Helper()
	c := exec.Command(p.cmd.Path, "s3-key", "create", "--name", "soak", "--credential", credential, "--json")
	c.Env = []string{"HOME=" + filepath.Dir(p.config), "WEIGHBRIDGE_DATA_DIR=" + p.dir}
	out, err := c.Output()
	if err == nil {
		err = json.Unmarshal(out, &k)
	}
	if err != nil || k.Secret == "" {
		p.t.Fatalf("%v: %s", err, out)
	}
	return k
}

func (p *program) request(path string) *http.Request {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.Proxy+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// signed is a request as an S3 client makes it.
func (p *program) signed(k s3Key, path string) *http.Request {
	p.t.Helper()
	r := p.request(path)
	canonical, err := sigv4.ParsePath(path, sigv4.PathRule{})
	if err != nil {
		p.t.Fatal(err)
	}
	signed, err := sigv4.NewSigner(k.ID, auth.NewSecret(k.Secret), auth.Secret{}).Sign(p.t.Context(), sigv4.Request{
		Method: r.Method, Host: r.URL.Host, Path: canonical, Region: "us-east-1", Payload: sigv4.EmptyPayload,
	}, time.Now())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range signed.Fields() {
		r.Header.Set(f.Name, f.Value)
	}
	return r
}
