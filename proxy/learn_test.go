package proxy

import (
	"context"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// guided is a Signer that learns what learn says.
type guided struct {
	*fakeSigner
	learn func(out *auth.Outgoing, a *auth.Refused) auth.Lesson
}

func (guided) Aim(_ *auth.Decision, out *auth.Outgoing) error {
	out.Target.RawQuery, out.Target.HasQuery = "aimed", true
	return nil
}

func (g guided) Learn(_ context.Context, _ auth.Decision, out *auth.Outgoing, a *auth.Refused) auth.Lesson {
	return g.learn(out, a)
}

func learningRig(t *testing.T, learn func(out *auth.Outgoing, a *auth.Refused) auth.Lesson) *rig {
	return newRig(t, rigOptions{options: func(o *Options) { o.Signer = guided{o.Signer.(*fakeSigner), learn} }})
}

// A refusal that taught something is not shown: the request is asked once
// more, decided and signed afresh, and never a third time.
func TestWhatIsLearnedIsAskedOnceMore(t *testing.T) {
	for name, good := range map[string]int{"then it is good": 1, "it is refused again": 9} {
		t.Run(name, func(t *testing.T) {
			var again []bool
			r := learningRig(t, func(out *auth.Outgoing, a *auth.Refused) auth.Lesson {
				again = append(again, a.Again)
				if string(a.Body()) != "wrong region" || a.Status != 400 || a.Host != hubHost || a.Header.Get("X-Region") != "there" || !a.Repeatable || out.Target.RawQuery != "aimed" {
					t.Errorf("shown: %d %q of %s, %v", a.Status, a.Body(), a.Host, a.Repeatable)
				}
				return auth.Lesson{Again: true, Note: "a note for the log"}
			})
			n := 0
			hub := r.hub(func(q *request) bool {
				if n++; n > good {
					return text(q, "200 OK", "weights")
				}
				return text(q, "400 Bad Request", "wrong region", "X-Region: there")
			})
			a := r.reverse("/" + hubHost + "/x")
			if len(hub.requests()) != 2 || r.signer.calls.Load() != 2 {
				t.Errorf("%d requests, %d signatures", len(hub.requests()), r.signer.calls.Load())
			}
			if good == 1 && (a.status != 200 || string(a.body) != "weights" || len(again) != 1) {
				t.Errorf("%d %s, %v", a.status, a.body, again)
			}
			// The second refusal reaches the worker whole, although it was looked at.
			if good > 1 && (a.status != 400 || string(a.body) != "wrong region" || len(again) != 2 || again[0] || !again[1]) {
				t.Errorf("%d %q, %v", a.status, a.body, again)
			}
			if got := strings.Count(string(r.log.Bytes()), "a note for the log"); got != 1 {
				t.Errorf("the log has the note %d times", got)
			}
		})
	}
}

// A lesson can be an error, which is answered in place of what the upstream
// said.
func TestWhatIsLearnedCanBeAnError(t *testing.T) {
	r := learningRig(t, func(*auth.Outgoing, *auth.Refused) auth.Lesson {
		return auth.Lesson{Err: auth.NewError(auth.CodeUpstreamProtocol, "it leads elsewhere", nil)}
	})
	r.hub(func(q *request) bool {
		return text(q, "301 Moved Permanently", "gone", "Location: https://"+evilHost+"/")
	})
	a := r.reverse("/" + hubHost + "/x")
	r.expect(a, 502, auth.CodeUpstreamProtocol)
	if a.header.has("Location") || !strings.Contains(string(a.body), "it leads elsewhere") {
		t.Errorf("%v %s", a.header, a.body)
	}
}

// Good answers, and those to requests without a credential, are shown to
// nobody; a body that is too long to look at reaches the worker whole.
func TestWhatIsNotLearnedFrom(t *testing.T) {
	long := strings.Repeat("x", maxLesson+1)
	var shown []int
	r := learningRig(t, func(_ *auth.Outgoing, a *auth.Refused) auth.Lesson {
		shown = append(shown, a.Status)
		if b := a.Body(); len(b) > maxLesson {
			t.Errorf("%d bytes are shown", len(b))
		}
		return auth.Lesson{}
	})
	next := ""
	r.hub(func(q *request) bool {
		if next == "200 OK" {
			return text(q, next, "weights")
		}
		return text(q, next, long)
	})
	for _, next = range []string{"200 OK", "403 Forbidden"} {
		a := r.reverse("/" + hubHost + "/x")
		if want := map[string]string{"200 OK": "weights", "403 Forbidden": long}[next]; string(a.body) != want || a.err != nil {
			t.Errorf("%s: %d bytes, %v", next, len(a.body), a.err)
		}
	}
	if len(shown) != 1 || shown[0] != 403 {
		t.Errorf("shown: %v", shown)
	}
}
