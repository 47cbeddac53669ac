package standin

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/valyala/fasthttp"
)

// Naive is fasthttp as it comes: a HostClient whose body stream is handed on,
// with default buffers.
func Naive(ctx context.Context, o Options) error {
	down, err := o.down()
	if err != nil {
		return err
	}
	up, err := o.up()
	if err != nil {
		return err
	}
	client := &fasthttp.HostClient{
		Addr: o.To, IsTLS: up != nil, TLSConfig: up, StreamResponseBody: true, MaxConns: keptUpstream,
		Dial:                   func(addr string) (net.Conn, error) { return net.Dial("tcp", addr) },
		DisablePathNormalizing: true, NoDefaultUserAgentHeader: true,
	}
	ln, err := o.listen(ctx)
	if err != nil {
		return err
	}
	if down != nil {
		ln = tls.NewListener(ln, down)
	}
	s := &fasthttp.Server{
		NoDefaultServerHeader: true, NoDefaultDate: true, Logger: quiet{},
		Handler: func(c *fasthttp.RequestCtx) {
			// The URI is only needed for HostClient's own check of the scheme.
			host := c.Request.Header.Host()
			c.Request.URI().SetHostBytes(host)
			if up != nil {
				c.Request.URI().SetScheme("https")
			}
			if err := client.Do(&c.Request, &c.Response); err != nil {
				c.Error("bad gateway", fasthttp.StatusBadGateway)
			}
		},
	}
	return ended(ctx, s.Serve(ln))
}

// quiet is a logger that says nothing.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
