package proxy

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// samples are what a rig tells of its requests, in metrics and as traces.
type samples struct {
	mu sync.Mutex
	s  []Sample
	t  []*Trace
}

func (s *samples) Trace(t *Trace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.t = append(s.t, t)
}

func (s *samples) traces() []*Trace {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.t)
}

func (s *samples) Observe(x Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s = append(s.s, x)
}

func (s *samples) all() []Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.s)
}

func TestMetricsAreToldOfEveryRequestOnce(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.hub(ok)
	r.cdn()
	told := 0
	once := func(a *workerReply, status int, code auth.Code) {
		t.Helper()
		r.expect(a, status, code)
		told++ // once the answer is out
		r.eventually("a sample", func() bool { return len(r.metrics.all()) >= told })
	}
	once(r.reverse("/"+hubHost+"/a"), 200, "")
	once(r.tunnel(cdnHost).get("/f?Expires=1&Signature=a&Key-Pair-Id=b", cdnHost), 200, "")
	once(r.reverse("/"+otherHost+"/a"), 403, auth.CodeNoCredentialMatched)
	once(r.worker().get("/"+hubHost+"/a", r.addr), 401, auth.CodeKeyMissing)
	once(r.worker().get("/.weighbridge/healthz", r.addr), 200, "")
	var got []string
	for _, s := range r.metrics.all() {
		got = append(got, fmt.Sprint(s.Mode, " ", s.Outcome, " ", s.Provider, " ", s.Code, " ", s.Status, " ", s.Bytes))
	}
	want := []string{"reverse inject fake  200 5", "forward bare fake  200 7", "reverse refused  no_credential_matched 403 0", "reverse refused  key_missing 401 0", "own bare   200 16"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// The time to the first byte is that of answers: where there was none, it is
// none either, in metrics and log, and what was allowed stays allowed.
func TestWhereNoAnswerCameThereIsNoFirstByte(t *testing.T) {
	r := newRig(t, rigOptions{})
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	r.must(err)
	r.must(gone.Close())
	r.dialer.resolve(hubHost+":443", gone.Addr().String())
	r.expect(r.reverse("/"+hubHost+"/a"), 502, auth.CodeUpstreamUnreachable)
	r.eventually("a sample", func() bool { return len(r.metrics.all()) > 0 })
	if s := r.metrics.all()[0]; s.FirstByte != 0 || s.Outcome != "inject" || s.Code != auth.CodeUpstreamUnreachable || s.Status != 502 {
		t.Errorf("%+v", s)
	}
	if strings.Contains(r.log.String(), "first_byte") {
		t.Errorf("the log tells of a first byte: %s", r.log)
	}
}
