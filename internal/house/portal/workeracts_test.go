//go:build realclients

package portal

import (
	"context"
	"errors"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// refusal is why a worker's request is refused, "" where it is not.
func (s *site) refusal(rawURL, key string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, rawURL, nil)
	s.must(err)
	answer, err := s.HTTPClient(workerenv.Reverse, key).Do(r)
	s.must(err)
	_ = answer.Body.Close()
	if code := answer.Header.Get("X-Weighbridge-Error"); code != "" || answer.StatusCode < 400 {
		return code
	}
	return answer.Status
}

// What ends a worker's access happens when it is meant, and then at once.
func TestActsOnWorkers(t *testing.T) {
	t.Parallel()
	s := newSite(t, house.Options{})
	s.user(owner, "", auth.RoleOwner)
	ctx, api := t.Context(), s.API()
	works := func(key admin.Key) func() bool { return func() bool { return s.refusal(weights, key.Key) == "" } }
	there := func(err error) bool {
		if prob, ok := errors.AsType[*admin.Problem](err); err != nil && (!ok || prob.Status != http.StatusNotFound) {
			t.Error(err)
		}
		return err == nil
	}
	revoked, deleted, ended := s.HubWorker("revoked"), s.HubWorker("deleted  twice"), s.HubWorker("ended")
	for _, key := range []admin.Key{revoked, deleted, ended} {
		s.reveal(key.Key)
		s.reveal(key.URLKey)
	}
	storage := s.secret("storage-secret-")
	_, err := api.CreateCredential(ctx, admin.NewCredential{Name: "storage", Provider: "s3", NoValidate: true, Patterns: []string{"s3://acme-models/*"},
		Fields: map[string]string{"accessKeyId": "AKIAEXAMPLEEXAMPLE00", "secretAccessKey": storage.Value()}})
	s.must(err)
	var s3 [2]admin.S3Key
	for i, name := range []string{"trainer", "reader"} {
		s3[i], err = api.CreateS3Key(ctx, admin.NewS3Key{Name: name, Buckets: []string{"acme-models"}, Credentials: []string{"storage"}})
		s.must(err)
		s.secretOf(s3[i].SecretAccessKey)
	}
	b := s.signedIn(owner)
	b.searches()
	b.confirm(act{path: "/t/default/keys/ended/url-key/end", stands: func() bool { return s.refusal(s.URLKeyURL(ended.URLKey, weights), "") == "" }})
	if !works(ended)() {
		t.Error("with its URL key the API key has ended as well")
	}
	b.confirm(act{path: "/t/default/credentials/revoked/revoke", stands: works(revoked)})
	b.confirm(act{path: "/t/default/credentials/revoked/delete", stands: func() bool { _, err := api.GetCredential(ctx, "revoked"); return there(err) }})
	b.confirm(act{path: "/t/default/credentials/deleted%20%20twice/delete", stands: works(deleted)})
	b.confirm(act{path: "/t/default/keys/ended/revoke", stands: works(ended)})
	b.confirm(act{path: "/t/default/keys/deleted%20%20twice/delete", stands: func() bool { _, err := api.GetKey(ctx, "deleted  twice"); return there(err) }})
	b.confirm(act{path: "/t/default/s3-keys/trainer/revoke", stands: func() bool { return s.s3Works(s3[0]) }})
	b.confirm(act{path: "/t/default/s3-keys/reader/delete", stands: func() bool { return s.s3Works(s3[1]) }})
}

// searches asserts that what is typed is searched for among all, whatever the
// page was opened with.
func (b *tab) searches() {
	b.t.Helper()
	b.open("/t/default/credentials?q=ended")
	const shown = `[...document.querySelectorAll("#credentials > tr")].filter((e) => e.checkVisibility()).map((e) => e.querySelector(".name").innerText.trim()).join()`
	for _, one := range []struct{ typed, finds string }{{"", "ended"}, {"amazon", "storage"}, {"nowhere", ""}, {"revoked", "revoked"}} {
		if one.typed != "" {
			b.fill("Search", one.typed)
		}
		b.until("found for "+one.typed, shown+" === "+quote(one.finds))
		if said := eval[bool](b, `document.querySelector("#none-found").checkVisibility()`); said != (one.finds == "") {
			b.t.Errorf("%q: that nothing is found is said: %v", one.typed, said)
		}
	}
}

// s3Works asks as an S3 client does, with curl, and reports whether the key is
// known; what the storage then says does not count.
func (s *site) s3Works(key admin.S3Key) bool {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "curl", "-q", "-sS", "--noproxy", "*", "--aws-sigv4", "aws:amz:us-east-1:s3", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "--user", key.AccessKeyID+":"+key.SecretAccessKey,
		s.Bridge.ProxyURL()+"/acme-models/model.bin").CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return !strings.Contains(string(out), "InvalidAccessKeyId")
}
