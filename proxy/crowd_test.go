package proxy

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestR13_DribblersAreClosedAndOthersDoNotNotice(t *testing.T) {
	if testing.Short() {
		t.Log("the short form: 50 dribblers")
	}
	r := newRig(t, rigOptions{})
	r.hub(ok)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	for range 50 {
		c, err := net.Dial("tcp", r.addr)
		r.must(err)
		wg.Go(func() {
			defer func() { _ = c.Close() }()
			for _, b := range []byte("GET /" + hubHost + "/" + strings.Repeat("x", 1000)) {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
			}
		})
	}
	for range 20 {
		r.expect(r.reverse("/"+hubHost+"/a"), 200, "")
	}
}

func TestR16_BeyondTheLimitOfConnectionsThereIsAnAnswerAndRecovery(t *testing.T) {
	r := newRig(t, rigOptions{options: func(o *Options) { o.MaxConns = 8 }})
	r.hub(ok)
	var open []net.Conn
	shed := 0
	for range 24 {
		c, err := net.Dial("tcp", r.addr)
		r.must(err)
		open = append(open, c)
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	}
	for _, c := range open[8:] {
		b, _ := io.ReadAll(c)
		if strings.HasPrefix(string(b), "HTTP/1.1 503 ") && strings.Contains(string(b), "Retry-After") {
			shed++
		}
	}
	if shed == 0 {
		t.Error("nobody was told to come again")
	}
	for _, c := range open {
		_ = c.Close()
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		w := r.worker()
		_, _ = io.WriteString(w.c, "GET /.weighbridge/healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		if a, err := w.tryRead("GET"); err == nil && a.status == 200 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it does not recover")
		}
	}
}
