package standin

import (
	"context"
	"crypto/tls"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"

	"io"
)

// reverseBuffer is what ReverseProxy copies through; its default of 32 KiB
// costs a few percent more.
const reverseBuffer = 256 << 10

// keptUpstream is how many idle connections to the origin net/http keeps; its
// default of 2 would make it dial anew all the time.
const keptUpstream = 2048

// Reverse is httputil.ReverseProxy.
func Reverse(ctx context.Context, o Options) error {
	down, err := o.down()
	if err != nil {
		return err
	}
	up, err := o.up()
	if err != nil {
		return err
	}
	target := &url.URL{Scheme: "http", Host: o.To}
	if up != nil {
		target.Scheme = "https"
	}
	p := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{
			TLSClientConfig: up, MaxIdleConnsPerHost: keptUpstream, DisableCompression: true,
		},
		BufferPool: &buffers{},
		ErrorLog:   log.New(io.Discard, "", 0),
	}
	ln, err := o.listen(ctx)
	if err != nil {
		return err
	}
	if down != nil {
		ln = tls.NewListener(ln, down)
	}
	s := &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0)}
	return ended(ctx, s.Serve(ln))
}

// buffers is a pool of copy buffers.
type buffers struct{ pool sync.Pool }

var _ httputil.BufferPool = (*buffers)(nil)

func (b *buffers) Get() []byte {
	if v, ok := b.pool.Get().(*[reverseBuffer]byte); ok {
		return v[:]
	}
	return make([]byte, reverseBuffer)
}

func (b *buffers) Put(p []byte) { b.pool.Put((*[reverseBuffer]byte)(p)) }
