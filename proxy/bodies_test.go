package proxy

import (
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

func TestTheBodyDecidesAndTravels(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(ok)
	post := func(body string, extra ...string) *workerReply {
		w := r.worker()
		h := append([]string{"POST /" + hubHost + "/repo/batch HTTP/1.1", "Host: " + r.addr, "Authorization: Bearer " + r.key.Reveal()}, extra...)
		w.send(strings.Join(h, "\r\n") + "\r\n\r\n" + body)
		return w.read("POST")
	}
	download := `{"operation":"download"}`
	r.expect(post(download, "Content-Length: 24"), 200, "")
	if q := hub.last(); string(q.body) != download || q.fields.Get("Authorization") != "Bearer "+canary {
		t.Errorf("the hub got %q", q.head+string(q.body))
	}
	r.expect(post("c\r\n{\"operation\"\r\nc\r\n:\"download\"}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"), 200, "")
	if q := hub.last(); string(q.body) != download {
		t.Errorf("the hub got %q", q.body)
	}
	n := len(hub.requests())
	r.expect(post(`{"operation":"upload"  }`, "Content-Length: 24"), 403, auth.CodeScopeForbidden)
	r.expect(post(download, "Content-Length: 24", "Content-Encoding: gzip"), 403, auth.CodeScopeForbidden)
	r.expect(post(download+strings.Repeat(" ", 64<<10), "Content-Length: 65560"), 403, auth.CodeScopeForbidden)
	long := "10001\r\n" + download + strings.Repeat(" ", 0x10001-24) + "\r\n0\r\n\r\n"
	r.expect(post(long, "Transfer-Encoding: chunked"), 403, auth.CodeScopeForbidden)
	if len(hub.requests()) != n {
		t.Error("a refused request was sent")
	}
}

func TestAKeyRevokedWhileItsBodyIsReadIsRefused(t *testing.T) {
	r := newRig(t, rigOptions{})
	hub := r.hub(ok)
	w := r.worker()
	w.send("POST /" + hubHost + "/repo/batch HTTP/1.1\r\nHost: " + r.addr + "\r\nAuthorization: Bearer " + r.key.Reveal() + "\r\nExpect: 100-continue\r\nContent-Length: 24\r\n\r\n")
	head, err := rawHead(w.br) // it waits for the body now
	r.must(err)
	if !strings.HasPrefix(head, "HTTP/1.1 100 ") {
		t.Fatalf("%q", head)
	}
	r.revoke()
	w.send(read)
	r.expect(w.read("POST"), 403, auth.CodeKeyRevoked)
	hub.none()
}
