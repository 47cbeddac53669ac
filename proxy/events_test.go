package proxy

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// chunk is s as a chunk (RFC 9112, section 7.1).
func chunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

// Events come while their stream goes on, and what is reflected in them is
// masked.
func TestT51_EventsComeAsTheyAreSent(t *testing.T) {
	r := newRig(t, rigOptions{})
	proceed := make(chan struct{})
	r.hub(func(q *request) bool {
		_, err := io.WriteString(q.w, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"+
			chunk("data: you sent "+q.fields.Get("Authorization")+"\n\n"))
		<-proceed
		if err == nil {
			_, err = io.WriteString(q.w, chunk("data: the end\n\n")+chunk(""))
		}
		return err == nil
	})
	w := r.worker()
	w.send("GET /" + hubHost + "/events HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\n\r\n")
	// The first event is here while the upstream waits for us to have read it.
	head, err := rawHead(w.br)
	r.must(err)
	if !strings.Contains(head, "HTTP/1.1 200 ") || !strings.Contains(head, "Transfer-Encoding: chunked") {
		t.Fatalf("%q", head)
	}
	first := ""
	for !strings.Contains(first, "\n\n\r\n") {
		line, err := w.br.ReadString('\n')
		r.must(err)
		first += line
	}
	if strings.Contains(first, canary) || !strings.Contains(first, "data: you sent ****") {
		t.Errorf("the first event is %q", first)
	}
	if live := r.proxy.Transfers(); len(live) != 1 {
		t.Errorf("%d transfers are shown", len(live))
	}
	close(proceed)
	rest := ""
	for !strings.HasSuffix(rest, "0\r\n\r\n") {
		line, err := w.br.ReadString('\n')
		r.must(err)
		rest += line
	}
	if !strings.Contains(rest, "data: the end\n\n") {
		t.Errorf("the rest is %q", rest)
	}
}
