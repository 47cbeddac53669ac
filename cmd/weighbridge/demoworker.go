package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/weighbridge/weighbridge/internal/house/hub"
)

// forward is a worker behind HTTPS_PROXY: it trusts the hub's real root no
// longer, only the root of weighbridge.
func (d *demo) forward(ctx context.Context) (int, *download, error) {
	proxy, err := url.Parse(d.bridge.ProxyURL())
	if err != nil {
		return 0, nil, err
	}
	proxy.User = url.UserPassword("worker", d.key.Reveal())
	bundle, err := os.ReadFile(d.bridge.API().System().CABundle)
	if err != nil {
		return 0, nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(bundle)
	t := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	defer t.CloseIdleConnections()
	return d.fetch(ctx, &http.Client{Transport: t}, "https://"+hub.Host+demoPath, "")
}

// reverse is a worker that reaches no other address than weighbridge's.
func (d *demo) reverse(ctx context.Context) (int, *download, error) {
	base := d.bridge.ProxyURL()
	t := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if "http://"+addr != base {
			return nil, fmt.Errorf("the worker has no way to %s", addr)
		}
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, addr)
	}}
	defer t.CloseIdleConnections()
	return d.fetch(ctx, &http.Client{Transport: t}, base+"/"+hub.Host+demoPath, d.key.Reveal())
}

// download is what came of a GET.
type download struct {
	bytes   int64
	sum     string
	tensors string
}

func (d *demo) fetch(ctx context.Context, c *http.Client, url, key string) (int, *download, error) {
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return resp.StatusCode, &download{}, nil
	}
	h := sha256.New()
	body := io.TeeReader(resp.Body, h)
	tensors, err := describe(body)
	if err != nil {
		return 0, nil, err
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return 0, nil, err
	}
	n := resp.ContentLength
	return resp.StatusCode, &download{bytes: n, sum: hex.EncodeToString(h.Sum(nil)), tensors: tensors}, nil
}

// describe reads the header of a safetensors file: eight bytes of
// little-endian length, then JSON (the format's own specification).
func describe(r io.Reader) (string, error) {
	var length [8]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return "", err
	}
	const limit = 1 << 20
	n := binary.LittleEndian.Uint64(length[:])
	if n > limit {
		return "", errors.New("this is not a safetensors file")
	}
	header := make([]byte, n)
	if _, err := io.ReadFull(r, header); err != nil {
		return "", err
	}
	var tensors map[string]struct {
		Dtype string  `json:"dtype"`
		Shape []int64 `json:"shape"`
	}
	if err := json.Unmarshal(header, &tensors); err != nil {
		return "", fmt.Errorf("this is not a safetensors file: %w", err)
	}
	delete(tensors, "__metadata__")
	var values int64
	for _, t := range tensors {
		n := int64(1)
		for _, s := range t.Shape {
			n *= s
		}
		values += n
	}
	return fmt.Sprintf("a safetensors file: %d tensors, %d values", len(tensors), values), nil
}
