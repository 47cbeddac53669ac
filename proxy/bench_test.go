package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"github.com/weighbridge/weighbridge/proxy/guard"
	"github.com/weighbridge/weighbridge/proxy/wire"
)

// BenchmarkSmallRequest is one request of 1 KiB over kept plain connections:
// by the road with everything on it, and by the transport alone.
func BenchmarkSmallRequest(b *testing.B) {
	body := strings.Repeat("x", 1024)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				br := bufio.NewReader(c)
				answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nETag: \"a\"\r\nContent-Length: 1024\r\n\r\n" + body)
				for {
					line, err := br.ReadSlice('\n')
					if err != nil {
						return
					}
					if len(line) == 2 {
						if _, err := c.Write(answer); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	b.Run("road", func(b *testing.B) {
		g, err := guard.New(guard.Options{Resolve: map[string]string{plainHost + ":80": ln.Addr().String()}})
		if err != nil {
			b.Fatal(err)
		}
		r := newRig(b, rigOptions{options: func(o *Options) {
			o.Logger = zerolog.New(io.Discard)
			o.Metrics, o.Tracer = nil, nil
			o.Dialer = g
		}})
		r.recorder.forget = true
		ask(b, r.addr, "GET /http:"+plainHost+"/org/model/resolve/main/f HTTP/1.1\r\nHost: "+r.addr+"\r\nAuthorization: Bearer "+r.key.Reveal()+"\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
	})
	b.Run("transport", func(b *testing.B) {
		client := wire.NewClient(wire.ClientOptions{
			Buffers: wire.NewBuffers(0),
			Dial: func(context.Context, wire.Dest) (net.Conn, error) {
				return net.Dial("tcp", ln.Addr().String())
			},
		})
		defer client.Close()
		server := wire.NewServer(wire.ServerOptions{Handler: func(ctx *fasthttp.RequestCtx) {
			req := fasthttp.AcquireRequest()
			defer fasthttp.ReleaseRequest(req)
			req.Header.DisableNormalizing()
			req.Header.SetRequestURI("/org/model/resolve/main/f")
			req.Header.SetHost(plainHost)
			for k, v := range ctx.Request.Header.All() {
				if string(k) != "Host" {
					req.Header.AddBytesKV(k, v)
				}
			}
			body, err := client.Do(wire.Context(ctx), wire.Dest{Team: "t", Scheme: "http", Host: plainHost, Port: 80}, req, &ctx.Response)
			if err != nil {
				b.Error(err)
				return
			}
			body.Bind(ctx.Conn(), nil)
			body.Attach(&ctx.Response)
		}})
		front, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		done := make(chan struct{})
		go func() { _ = server.Serve(wire.Listen(front, wire.ListenerOptions{})); close(done) }()
		ask(b, front.Addr().String(), "GET /org/model/resolve/main/f HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = server.Shutdown(ctx)
		<-done
	})
}

// ask sends the same request again and again over one connection.
func ask(b *testing.B, addr, request string) {
	b.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	br := bufio.NewReader(c)
	buf := make([]byte, 1024)
	raw := []byte(request)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(raw); err != nil {
			b.Fatal(err)
		}
		for {
			line, err := br.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if len(line) == 2 {
				break
			}
		}
		if _, err := io.ReadFull(br, buf); err != nil {
			b.Fatal(err)
		}
	}
}
