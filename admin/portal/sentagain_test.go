package portal

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// hesitant is an upstream that answers when it is let.
type hesitant struct {
	upstream
	asked  chan struct{}
	answer chan struct{}
	once   sync.Once
}

func (h *hesitant) Check(ctx context.Context, q auth.Inquiry) auth.Report {
	h.once.Do(func() { close(h.asked) })
	<-h.answer
	return h.upstream.Check(ctx, q)
}

// A form that is sent again while what it asks for is being done is told so in
// words of the page.
func TestAFormThatIsBeingDone(t *testing.T) {
	h := &hesitant{upstream: upstream{auth.Report{At: time.Now(), Verdict: auth.VerdictValid, Meaning: "it works"}}, asked: make(chan struct{}), answer: make(chan struct{})}
	k := newKit(t, func(o *admin.Options) { o.Validator = h })
	b := watched{k.owner()}
	form, first := hub("hub"), make(chan answer)
	go func() { first <- b.send(credentialsAt+"/new", form) }()
	<-h.asked
	got := b.refuses(credentialsAt+"/new", form, http.StatusConflict, "idempotency_running")
	shows(t, "the second", got.body, true, "what it asks for is being done", `value="hub"`)
	shows(t, "the second", got.body, false, "under the same key")
	close(h.answer)
	if got := <-first; got.status != http.StatusSeeOther {
		t.Errorf("the first: %d %s", got.status, got.body)
	}
	k.credential("hub")
}

// away is a store that makes nothing for a while.
type away struct{ store.Store }

func (away) CreateKey(context.Context, auth.Key, []string, auth.Event) (auth.Key, error) {
	return auth.Key{}, store.ErrUnavailable
}

func (away) CreateCredential(context.Context, auth.Credential, auth.Fields, []string, auth.Event) (auth.Credential, error) {
	return auth.Credential{}, store.ErrUnavailable
}

// Where the store is away for a while, what was typed is not lost, but secrets.
func TestWhatWasTypedOutlivesTheStore(t *testing.T) {
	k := newKit(t, func(o *admin.Options) { o.Store = away{o.Store} })
	b := watched{k.owner()}
	for path, form := range map[string]url.Values{
		"/t/default/keys/new":  {"name": {"typed"}, "routes": {"huggingface.co/acme/*"}, "once": {"a"}},
		credentialsAt + "/new": with(hub("typed"), "patterns", "huggingface.co/acme/*"),
	} {
		got := b.refuses(path, form, http.StatusServiceUnavailable, "unavailable")
		shows(t, path, got.body, true, `value="typed"`, "huggingface.co/acme/*</textarea>", "Nothing was changed.")
		if onceOf(t, got.body) == form.Get("once") {
			t.Errorf("%s: the form has the key of the first", path)
		}
		b.clean(got)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.log) != 2 {
		t.Errorf("logged: %v", k.log)
	}
	k.log = nil
}

// What to do next is said as a page has it, and is said at all.
func TestNextStepsAreThoseOfAPage(t *testing.T) {
	k := newKit(t, nil)
	b := k.owner()
	got := b.get(credentialsAt + "/nothing")
	shows(t, "what is not there", got.body, true, "It may have another name by now")
	shows(t, "what is not there", got.body, false, "<code>weighbridge ")
	got = b.refuses("/t/default/tokens/new", url.Values{"name": {"ci"}, "once": {"t"}, "ends": {"date"}, "ends-on": {"2020-01-01"}}, http.StatusUnprocessableEntity, "invalid")
	shows(t, "an end in the past", got.body, false, "90d")
	id := k.userID(ownerEmail)
	got = b.refuses("/t/default/teams", url.Values{"email": {id}, "role": {"viewer"}}, http.StatusConflict, "conflict")
	shows(t, "the last owner", got.body, true, "<p>Make another member its owner first.</p>")
	if _, err := k.local.CreateKey(t.Context(), admin.NewKey{Name: "gpu"}); err != nil {
		t.Fatal(err)
	}
	b.does(credentialsAt+"/new", hub("hub"))
	page := b.post("/t/default/test", url.Values{"url": {"https://huggingface.co/a/b/resolve/main/c"}, "key": {"gpu"}, "mode": {"reverse"}}).body
	shows(t, "a test", page, true, "Link the credential to the API key.")
	shows(t, "a test", page, false, "<code>weighbridge link")
}
