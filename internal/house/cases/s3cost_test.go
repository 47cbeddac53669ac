package cases

import (
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
)

// zeros is an object of 1 GiB.
type zeros struct{ at int64 }

const zerosSize = 1 << 30

func (z *zeros) Read(p []byte) (int, error) {
	n := int(min(int64(len(p)), zerosSize-z.at))
	if n == 0 {
		return 0, io.EOF
	}
	z.at += int64(n)
	return n, nil
}

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

// BenchmarkS3FrontDownload is 1 GiB in ranges of 8 MiB from an origin under TLS,
// through the S3 front (verified, signed again, streamed) and by the plain
// reverse path. CPU is that of this process, in which client and origin are as
// well, the same for both.
func BenchmarkS3FrontDownload(b *testing.B) {
	const host, part = "storage.example", 8 << 20
	h := house.New(b, house.Options{Empty: true, Mount: mount(b, map[string]http.Handler{host: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("ETag", `"zeros"`)
		http.ServeContent(w, r, "", time.Time{}, &zeros{})
	})})})
	h.AddCredential(admin.NewCredential{NoValidate: true,
		Name: "storage", Provider: "s3", Patterns: []string{"s3://models/*"},
		Fields: map[string]string{"accessKeyId": s3AccessKey, "secretAccessKey": house.NewCanary("s3_").Value(), "endpoint": "https://" + host},
	})
	h.AddCredential(admin.NewCredential{NoValidate: true,
		Name: "bearer", Provider: "http_bearer", Patterns: []string{host + "/plain/*"}, Fields: map[string]string{"token": house.NewCanary("tok_").Value()},
	})
	w := s3Worker{t: b, h: h, key: h.AddS3Key(admin.NewS3Key{Name: "reader", Credentials: []string{"storage"}})}
	key := h.AddKey(admin.NewKey{Name: "w", Credentials: []string{"bearer"}}).Key
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	ways := map[string]func() *http.Request{
		"front": func() *http.Request { return w.signed("GET", "/models/zeros", "") },
		"plain": func() *http.Request {
			r, err := http.NewRequestWithContext(b.Context(), "GET", h.Bridge.ProxyURL()+"/"+host+"/plain/zeros", nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+key)
			return r
		},
	}
	for _, way := range []string{"plain", "front"} {
		b.Run(way, func(b *testing.B) {
			b.SetBytes(zerosSize)
			began := cpu(b)
			buf := make([]byte, 256<<10)
			for b.Loop() {
				for at := int64(0); at < zerosSize; at += part {
					r := ways[way]()
					r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", at, at+part-1))
					a, err := client.Do(r)
					if err != nil {
						b.Fatal(err)
					}
					n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, a.Body, buf)
					_ = a.Body.Close()
					if a.StatusCode != 206 || n != part || err != nil {
						b.Fatal(a.Status, n, err)
					}
				}
			}
			b.ReportMetric(float64(cpu(b)-began)/1e6/float64(b.N), "cpu-ms/GiB")
		})
	}
}

// cpu is what this process has taken so far, user and system.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
