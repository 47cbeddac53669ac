package signer

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

// wantReport checks what a probe found; says is looked for in all its words.
func wantReport(t *testing.T, name string, r auth.Report, verdict auth.Verdict, says string) {
	t.Helper()
	words := strings.Join(append(append([]string{r.Asked, r.Answer, r.Meaning, r.Next}, r.Facts...), r.Warnings...), "\n")
	if r.Verdict != verdict || !strings.Contains(words, says) {
		t.Errorf("%s: %s, want %s and %q\n%s", name, r.Verdict, verdict, says, words)
	}
	if r.Verdict == auth.VerdictInvalid && (r.Next == "" || r.Asked == "") {
		t.Errorf("%s: invalid, asked %q, next %q", name, r.Asked, r.Next)
	}
	if strings.Contains(words, "?") && !strings.Contains(says, "?") {
		t.Errorf("%s: a query is shown\n%s", name, words)
	}
}

// s3Store verifies every signature, and then answers as it is told.
func s3Store(t *testing.T, secret string, then func(w http.ResponseWriter, r *http.Request)) *upstreams {
	return newUpstreams(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.Header().Set("X-Amz-Bucket-Region", "eu-west-1")
			w.WriteHeader(http.StatusForbidden)
			return
		}
		in := sigv4.Incoming{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Host: r.Host, EmptySegments: true}
		for name, values := range r.Header {
			for _, v := range values {
				in.Fields = append(in.Fields, sigv4.Field{Name: name, Value: v})
			}
		}
		v := sigv4.Verifier{Now: fixedClock, Lookup: func(_ context.Context, id string) (auth.Secret, error) {
			if id != s3ID {
				return auth.Secret{}, sigv4.ErrUnknownKey
			}
			return auth.NewSecret(secret), nil
		}}
		if _, err := v.Verify(t.Context(), &in); err != nil {
			e := s3err.As(err)
			s3Says(w, e.HTTPStatus(), string(e.Code))
			return
		}
		then(w, r)
	})
}

// s3Says answers with an error, which repeats what it should not.
func s3Says(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>m</Message><StringToSign>%s</StringToSign><Region>eu-west-1</Region></Error>", code, canary)
}

func s3Fields(more ...string) map[string]string {
	f := map[string]string{s3AccessKeyID: s3ID, s3SecretAccessKey: canary}
	for i := 0; i < len(more); i += 2 {
		f[more[i]] = more[i+1]
	}
	return f
}

func TestProbe_S3Keys(t *testing.T) {
	answer := "200"
	u := s3Store(t, canary, func(w http.ResponseWriter, r *http.Request) {
		if answer == "200" {
			return
		}
		status, code, _ := strings.Cut(answer, " ")
		n := 0
		_, _ = fmt.Sscan(status, &n)
		s3Says(w, n, code)
	})
	ask := func(patterns ...string) auth.Report {
		return u.probe("s3", s3Fields(s3Region, "us-east-1"), patterns, "")
	}
	for _, c := range []struct {
		answer, pattern, url string
		verdict              auth.Verdict
		says                 string
	}{
		{"200", "s3://bkt/*", "s3.amazonaws.com/bkt?list-type=2&max-keys=1", auth.VerdictValid, "bkt/*: may be listed"},
		{"200", "s3://bkt/sd/*", "s3.amazonaws.com/bkt?list-type=2&max-keys=1&prefix=sd%2F", auth.VerdictValid, "may be listed"},
		{"200", "https://bkt.s3.us-east-1.amazonaws.com/*", "bkt.s3.us-east-1.amazonaws.com/?list-type=2&max-keys=1", auth.VerdictValid, "may be listed"},
		{"200", "s3://bkt/a%20b.bin", "s3.amazonaws.com/bkt/a%20b.bin", auth.VerdictValid, "bkt/a%20b.bin: may be read"},
		{"404 NoSuchKey", "s3://bkt/v*/x", "s3.amazonaws.com/bkt/v" + absent + "/x", auth.VerdictValid, "may be asked for"},
		{"404 NoSuchKey", "s3://bkt/x", "", auth.VerdictValid, "there is no object bkt/x"},
		{"404 NoSuchBucket", "s3://bkt/*", "", auth.VerdictValid, "there is no such bucket"},
		{"403 AccessDenied", "s3://bkt/*", "", auth.VerdictValid, "whether they may read is not known"},
		{"403 AccessDenied", "s3://bkt/x", "", auth.VerdictValid, "s3:GetObject"},
		{"403 AllAccessDisabled", "s3://bkt/x", "", auth.VerdictValid, "has been disabled"},
		{"416 InvalidRange", "s3://bkt/x", "", auth.VerdictValid, "may be read"},
		{"403 InvalidAccessKeyId", "s3://bkt/*", "", auth.VerdictInvalid, "does not know the access key id"},
		{"403 SignatureDoesNotMatch", "s3://bkt/*", "", auth.VerdictInvalid, "is not the one that belongs to"},
		{"400 ExpiredToken", "s3://bkt/*", "", auth.VerdictInvalid, "has ended"},
		{"403 InvalidTokenId", "s3://bkt/*", "", auth.VerdictInvalid, "session token"},
		{"403 RequestTimeTooSkewed", "s3://bkt/*", "", auth.VerdictUnknown, "clock"},
		{"400 AuthorizationHeaderMalformed", "s3://bkt/*", "", auth.VerdictUnknown, "another region"},
		{"503 SlowDown", "s3://bkt/*", "", auth.VerdictUnknown, "answers no questions now"},
		{"500 InternalError", "s3://bkt/*", "", auth.VerdictUnknown, "says nothing of the secret"},
		{"403 Strange", "s3://bkt/*", "", auth.VerdictUnknown, "says nothing of the secret"},
	} {
		answer = c.answer
		before := len(u.requests())
		wantReport(t, c.answer+" "+c.pattern, ask(c.pattern), c.verdict, c.says)
		sent := u.requests()[before:]
		if c.url != "" && (len(sent) != 1 || sent[0].Host+sent[0].URL.RequestURI() != c.url) {
			t.Errorf("%s: asked %d times, of %s%s", c.pattern, len(sent), sent[0].Host, sent[0].URL.RequestURI())
		}
		for _, r := range sent {
			if r.Method != "GET" && r.Method != "HEAD" {
				t.Errorf("%s: %s", c.pattern, r.Method)
			}
		}
	}
	// A wrong secret, by a real signature.
	answer = "200"
	fields := s3Fields(s3Region, "us-east-1", s3SecretAccessKey, "another"+trace+"0000")
	wantReport(t, "wrong secret", u.probe("s3", fields, []string{"s3://bkt/*"}, ""), auth.VerdictInvalid, "is not the one that belongs to")
	fields[s3AccessKeyID] = "AKIAUNKNOWN"
	wantReport(t, "wrong id", u.probe("s3", fields, []string{"s3://bkt/*"}, ""), auth.VerdictInvalid, "does not know the access key id")
}

// Several buckets are asked for; the sample decides alone where there is one.
func TestProbe_S3Places(t *testing.T) {
	u := s3Store(t, canary, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/two"):
			s3Says(w, 403, "AccessDenied")
		case r.URL.Path == "/one/models/x.bin" && r.Header.Get("Range") != "bytes=0-0":
			t.Error("the whole object was asked for")
		}
	})
	patterns := []string{"s3://one/models/*", "s3://two/*"}
	r := u.probe("s3", s3Fields(), patterns, "")
	wantReport(t, "two buckets", r, auth.VerdictValid, "two/*: may not be listed")
	if !contains1(r.Facts, "one/models/*: may be listed") || len(u.requests()) != 2 {
		t.Errorf("%+v after %d", r, len(u.requests()))
	}
	r = u.probe("s3", s3Fields(s3SampleObject, "s3://one/models/x.bin"), patterns, "")
	wantReport(t, "sample", r, auth.VerdictValid, "s3://one/models/x.bin: may be read")
	if len(u.requests()) != 3 || r.Asked != "GET https://s3.amazonaws.com/one/models/x.bin" {
		t.Errorf("%q after %d", r.Asked, len(u.requests()))
	}
	wantReport(t, "sample elsewhere", u.probe("s3", s3Fields(s3SampleObject, "s3://one/secret"), patterns, ""), auth.VerdictUnasked, "matches none of the patterns")
	r = u.probe("s3", s3Fields(), patterns, "s3://one/models/y")
	if !r.Reached || !contains1(r.Facts, "s3://one/models/y: may be read") {
		t.Errorf("%+v", r)
	}
	if r = u.probe("s3", s3Fields(), patterns, "s3://two/y"); r.Reached || r.Verdict != auth.VerdictValid {
		t.Errorf("%+v", r)
	}
	wantReport(t, "a store of one's own, all of it", u.probe("s3", s3Fields(s3Endpoint, "https://minio.example.com:9000"), []string{"https://minio.example.com:9000/*"}, ""), auth.VerdictUnasked, "give an object in the field sampleObject")
	r = u.probe("s3", s3Fields(s3Endpoint, "https://minio.example.com:9000", s3SampleObject, "s3://one/x"), []string{"https://minio.example.com:9000/*"}, "")
	if r.Verdict != auth.VerdictValid || r.Asked != "GET https://minio.example.com:9000/one/x" {
		t.Errorf("%+v", r)
	}
}

// The region is learned as it is of a worker's request, and asked for once.
func TestProbe_S3LearnsTheRegion(t *testing.T) {
	u := s3Store(t, canary, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/") {
			s3Says(w, 301, "PermanentRedirect")
		}
	})
	wantReport(t, "learned", u.probe("s3", s3Fields(), []string{"s3://bkt/*"}, ""), auth.VerdictValid, "may be listed")
	if n := len(u.requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
}

func TestProbe_S3RolesAndTheMachine(t *testing.T) {
	sts := &fakeSTS{now: time.Now}
	set := NewSet(nil, SetOptions{Client: &http.Client{Transport: sts}, Now: time.Now})
	defer set.Close()
	params := map[string]string{s3RoleARN: "arn:aws:iam::123456789012:role/models"}
	q := auth.Inquiry{Credential: auth.Credential{Provider: "s3", Patterns: []string{"s3://bkt/*"}, Params: params}, Fields: auth.Fields{
		s3AccessKeyID: auth.NewSecret(s3ID), s3SecretAccessKey: auth.NewSecret(canary),
	}}
	sts.fail.Store(true)
	wantReport(t, "a role that may not be assumed", set.Probe(t.Context(), q), auth.VerdictInvalid, "the role may not be assumed")
	if host := set.Host(q); host != "sts.us-east-1.amazonaws.com" {
		t.Error(host)
	}
	params[s3RoleARN] = ""
	params[s3Source] = s3WebIdentity
	wantReport(t, "no pod", set.Probe(t.Context(), q), auth.VerdictUnknown, "AWS_WEB_IDENTITY_TOKEN_FILE")
	// No bucket is named: AWS is asked whose the keys are.
	params[s3Source] = ""
	q.Credential.Patterns = []string{"*.s3.us-east-1.amazonaws.com/*"}
	r := set.Probe(t.Context(), q)
	wantReport(t, "AccessDenied of STS", r, auth.VerdictUnknown, "says nothing of the keys")
	if r.Asked != "POST https://sts.us-east-1.amazonaws.com/" {
		t.Error(r.Asked)
	}
	sts.fail.Store(false)
	wantReport(t, "GetCallerIdentity", set.Probe(t.Context(), q), auth.VerdictValid, "AWS takes the keys")
}

func TestProbe_Azure(t *testing.T) {
	const host = "acme.blob.core.windows.net"
	sas := map[string]string{"sasToken": containerSAS}
	code, status := "BlobNotFound", 404
	var theirs time.Duration // how far the clock of Azure is before ours
	u := newUpstreams(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", fixedClock().Add(theirs).Format(http.TimeFormat))
		if r.Host != host || r.URL.Query().Get("sig") == "" || r.Header.Get("Authorization") != "" || r.Header.Get("Range") != "bytes=0-0" {
			t.Errorf("%s%s %v", r.Host, r.URL.Path, r.Header)
		}
		w.Header().Set("X-Ms-Error-Code", code)
		w.WriteHeader(status)
	})
	for _, c := range []struct {
		status  int
		code    string
		pattern string
		verdict auth.Verdict
		says    string
	}{
		{404, "BlobNotFound", host + "/models/*", auth.VerdictValid, "models/*: may be read"},
		{206, "", host + "/models/x.bin", auth.VerdictValid, "models/x.bin: may be read"},
		{404, "BlobNotFound", host + "/models/x.bin", auth.VerdictValid, "there is no blob"},
		{404, "ContainerNotFound", host + "/models/*", auth.VerdictValid, "there is no container"},
		{403, "AuthorizationPermissionMismatch", host + "/models/*", auth.VerdictValid, "do not let it read"},
		{403, "AuthorizationResourceTypeMismatch", host + "/models/*", auth.VerdictValid, "srt has no o"},
		{403, "AuthorizationServiceMismatch", host + "/models/*", auth.VerdictValid, "ss has no b"},
		{403, "AuthorizationSourceIPMismatch", host + "/models/*", auth.VerdictValid, "sip"},
		{403, "AuthenticationFailed", host + "/models/*", auth.VerdictInvalid, "it has ended or not begun"},
		{403, "KeyBasedAuthenticationNotPermitted", host + "/models/*", auth.VerdictInvalid, "use Entra"},
		{403, "AuthorizationFailure", host + "/models/*", auth.VerdictUnknown, "firewall"},
		{503, "ServerBusy", host + "/models/*", auth.VerdictUnknown, "answers no questions now"},
	} {
		status, code = c.status, c.code
		r := u.probe("azure_blob", sas, []string{c.pattern}, "")
		wantReport(t, c.code+" "+c.pattern, r, c.verdict, c.says)
		if !strings.HasPrefix(r.Asked, "GET https://"+host+"/models/") {
			t.Error(r.Asked)
		}
	}
	for _, c := range []struct {
		status     int
		code, says string
	}{
		{200, "", "models: may be listed"},
		{403, "AuthorizationPermissionMismatch", "models: may not be listed, which a download does not need"},
		{404, "ContainerNotFound", "there is no container"},
	} {
		status, code = c.status, c.code
		r := u.probe("azure_blob", sas, []string{host + "/models"}, "")
		wantReport(t, "the container itself, "+c.code, r, auth.VerdictValid, c.says)
		if last := u.requests()[len(u.requests())-1]; !strings.Contains(last.URL.RawQuery, "restype=container&comp=list&maxresults=1") {
			t.Error(last.URL.RawQuery)
		}
	}
	n := len(u.requests())
	wantReport(t, "a SAS for no container that is known", u.probe("azure_blob", sas, []string{host + "/*"}, ""), auth.VerdictUnasked, "name yours")
	wantReport(t, "nor an account", u.probe("azure_blob", sas, nil, ""), auth.VerdictUnasked, "name yours")
	if len(u.requests()) != n {
		t.Error("somebody was asked")
	}
	status, code = 403, "AuthenticationFailed"
	account := map[string]string{"accountName": "acme", "accountKey": mintKey}
	wantReport(t, "account key", u.probe("azure_blob", account, nil, ""), auth.VerdictInvalid, "does not take the account key")
	// By a clock so far ahead what was minted has ended, whatever the key is.
	theirs = 2 * time.Hour
	wantReport(t, "account key, our clock behind", u.probe("azure_blob", account, nil, ""), auth.VerdictUnknown, "Set this machine's clock.")
	wantReport(t, "a SAS has ended by Azure's clock", u.probe("azure_blob", sas, []string{host + "/models/*"}, ""), auth.VerdictInvalid, "it has ended or not begun")
	theirs = -2 * time.Hour
	wantReport(t, "account key, our clock ahead", u.probe("azure_blob", account, nil, ""), auth.VerdictInvalid, "does not take the account key")
	theirs = 0
	status, code = 404, "ContainerNotFound"
	wantReport(t, "account key, nothing there", u.probe("azure_blob", account, nil, ""), auth.VerdictValid, "Azure takes the account key")
	if r := u.probe("azure_blob", sas, []string{host + "/models/*"}, "https://"+host+"/models/y"); r.Reached || r.Resource == "" {
		t.Errorf("%+v", r)
	}
	status, code = 206, ""
	if r := u.probe("azure_blob", sas, []string{host + "/models/*"}, "https://"+host+"/models/y"); !r.Reached {
		t.Errorf("%+v", r)
	}
}

func TestProbe_Entra(t *testing.T) {
	const host = "acme.blob.core.windows.net"
	said, code, status := "", "BlobNotFound", 404
	u := newUpstreams(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "login.microsoftonline.com" {
			if said != "" {
				w.WriteHeader(400)
				_, _ = w.Write([]byte(said))
				return
			}
			_, _ = w.Write([]byte(`{"access_token":"jwt-` + trace + `","expires_in":3599}`))
			return
		}
		if r.Header.Get("Authorization") != "Bearer jwt-"+trace || r.Header.Get("X-Ms-Version") == "" {
			t.Errorf("%s %v", r.Host, r.Header)
		}
		w.Header().Set("X-Ms-Error-Code", code)
		w.WriteHeader(status)
	})
	fields := map[string]string{"tenantId": entraTenant, "clientId": entraClient, "clientSecret": canary}
	ask := func(patterns ...string) auth.Report { return u.probe("azure_blob", fields, patterns, "") }
	wantReport(t, "reads", ask(host+"/models/*"), auth.VerdictValid, "Azure takes the identity")
	wantReport(t, "any container", ask(host+"/*"), auth.VerdictValid, "Azure takes the identity")
	r := ask("*.blob.core.windows.net/*")
	wantReport(t, "no account", r, auth.VerdictValid, "Entra gives a token")
	const asked = "POST https://login.microsoftonline.com/" + entraTenant + "/oauth2/v2.0/token"
	if r.Asked != asked {
		t.Error(r.Asked)
	}
	status, code = 403, "AuthorizationPermissionMismatch"
	wantReport(t, "no role", ask(host+"/models/*"), auth.VerdictValid, "Storage Blob Data Reader")
	status, code = 401, "InvalidAuthenticationInfo"
	wantReport(t, "wrong audience", ask(host+"/models/*"), auth.VerdictInvalid, "token of the identity")
	for text, verdict := range map[string]auth.Verdict{
		`{"error":"invalid_client","error_description":"AADSTS7000215: ` + canary + `"}`: auth.VerdictInvalid,
		`{"error":"invalid_request","error_description":"AADSTS90002: no tenant"}`:       auth.VerdictInvalid,
		`{"error":"temporarily_unavailable"}`:                                            auth.VerdictUnknown,
	} {
		said = text
		for _, p := range []string{host + "/models/*", "*.blob.core.windows.net/*"} {
			r := ask(p)
			wantReport(t, text, r, verdict, "gave no token: status 400")
			if r.Asked != asked {
				t.Error(r.Asked)
			}
		}
	}
}

func TestProbe_GCS(t *testing.T) {
	said, code, status := "", "NoSuchKey", 404
	u := newUpstreams(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host == "oauth2.googleapis.com" && said != "":
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(400)
			_, _ = w.Write([]byte(said))
		case r.Host == "oauth2.googleapis.com":
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"access_token":"ya29.` + trace + `","expires_in":3599,"token_type":"Bearer"}`))
		case r.Header.Get("Authorization") != "Bearer ya29."+trace || r.Method != "GET":
			t.Errorf("%s %s %v", r.Method, r.Host, r.Header)
		default:
			s3Says(w, status, code)
		}
	})
	fields := map[string]string{"serviceAccountJson": serviceAccount(nil)}
	ask := func(patterns ...string) auth.Report { return u.probe("gcs", fields, patterns, "") }
	for _, c := range []struct {
		status        int
		code, pattern string
		verdict       auth.Verdict
		says          string
	}{
		{404, "NoSuchKey", "storage.googleapis.com/models/*", auth.VerdictValid, "models/*: may be read"},
		{404, "NoSuchKey", "models.storage.googleapis.com/a/*", auth.VerdictValid, "may be read"},
		{206, "", "storage.googleapis.com/models/x.bin", auth.VerdictValid, "models/x.bin: may be read"},
		{404, "NoSuchBucket", "storage.googleapis.com/models/*", auth.VerdictValid, "there is no bucket"},
		{403, "AccessDenied", "storage.googleapis.com/models/*", auth.VerdictValid, "Storage Object Viewer"},
		{403, "AccessDenied", "storage.googleapis.com/models/x", auth.VerdictValid, "may not be read, or does not exist"},
		{401, "AuthenticationRequired", "storage.googleapis.com/models/x", auth.VerdictInvalid, "does not take the token"},
		{500, "", "storage.googleapis.com/models/x", auth.VerdictUnknown, "says nothing of the secret"},
	} {
		status, code = c.status, c.code
		wantReport(t, c.code+" "+c.pattern, ask(c.pattern), c.verdict, c.says)
	}
	r := ask("storage.googleapis.com/*")
	wantReport(t, "no bucket", r, auth.VerdictValid, "Google gives a token")
	for text, verdict := range map[string]auth.Verdict{
		`{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`:                                                                     auth.VerdictInvalid,
		`{"error":"invalid_grant","error_description":"Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."}`: auth.VerdictUnknown,
		`{"error":"backend"}`: auth.VerdictUnknown,
	} {
		said = text
		for _, p := range []string{"storage.googleapis.com/models/*", "storage.googleapis.com/*"} {
			r := ask(p)
			wantReport(t, text, r, verdict, "gave no token: status 400")
			if r.Asked != "POST https://oauth2.googleapis.com/token" {
				t.Error(r.Asked)
			}
		}
	}
}

func TestProbe_Registry(t *testing.T) {
	challenge, tokenStatus, tags := `Bearer realm="https://ghcr.io/token",service="ghcr.io"`, 200, 200
	u := newUpstreams(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v2/":
			if r.Header.Get("Authorization") != "" {
				t.Error("the first question carries a secret")
			}
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(401)
		case r.URL.Path == "/token":
			if r.Header.Get("Authorization") != basicPair("bot", canary) {
				tokenStatus = 401
			}
			w.WriteHeader(tokenStatus)
			_, _ = w.Write([]byte(`{"token":"jwt-` + trace + `"}`))
		default:
			if a := r.Header.Get("Authorization"); a != "Bearer jwt-"+trace && a != basicPair("bot", canary) || !strings.HasSuffix(r.URL.Path, "/tags/list") {
				t.Errorf("%s %v", r.URL, r.Header)
			}
			w.WriteHeader(tags)
		}
	})
	fields := map[string]string{"username": "bot", "password": canary}
	for _, c := range []struct {
		pattern     string
		token, tags int
		verdict     auth.Verdict
		says        string
	}{
		{"ghcr.io/v2/acme/llama/*", 200, 200, auth.VerdictValid, "ghcr.io/acme/llama: may be pulled"},
		{"ghcr.io/v2/acme/llama/*", 200, 404, auth.VerdictValid, "there is no repository"},
		{"ghcr.io/v2/acme/llama/*", 200, 403, auth.VerdictValid, "may not be pulled"},
		{"ghcr.io/v2/acme/*", 200, 404, auth.VerdictValid, "gives a token"},
		{"ghcr.io/*", 200, 500, auth.VerdictValid, "gives a token"},
		{"ghcr.io/v2/acme/*", 401, 200, auth.VerdictInvalid, "gave no token: status 401"},
		{"ghcr.io/v2/acme/*", 503, 200, auth.VerdictUnknown, "gave no token: status 503"},
	} {
		tokenStatus, tags = c.token, c.tags
		wantReport(t, c.pattern+fmt.Sprint(c.token, c.tags), u.probe("oci_registry", fields, []string{c.pattern}, ""), c.verdict, c.says)
	}
	challenge = `Basic realm="models"`
	for status, verdict := range map[int]auth.Verdict{200: auth.VerdictValid, 404: auth.VerdictValid, 401: auth.VerdictInvalid, 500: auth.VerdictUnknown} {
		tags = status
		wantReport(t, fmt.Sprint("basic ", status), u.probe("oci_registry", fields, []string{"ghcr.io/v2/acme/*"}, ""), verdict, "ghcr.io")
	}
	// T12: the realm is pinned for probes as well.
	challenge = `Bearer realm="https://sink.example.net/token",service="x"`
	n := len(u.requests())
	wantReport(t, "strange realm", u.probe("oci_registry", fields, []string{"ghcr.io/v2/acme/*"}, ""), auth.VerdictUnknown, "name it as tokenHost")
	if len(u.requests()) != n+1 {
		t.Error("the realm was asked")
	}
}

func TestProbe_QueryKey(t *testing.T) {
	status := 206
	u := newUpstreams(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "token="+url.QueryEscape(canary) {
			t.Errorf("%q", r.URL.RawQuery)
		}
		w.WriteHeader(status)
	})
	fields := map[string]string{"paramName": "token", "value": canary, validationField: "https://models.example.com/private/file"}
	for s, verdict := range map[int]auth.Verdict{206: auth.VerdictValid, 401: auth.VerdictInvalid, 403: auth.VerdictInvalid, 500: auth.VerdictUnknown, 302: auth.VerdictUnknown} {
		status = s
		wantReport(t, fmt.Sprint(s), u.probe("http_query", fields, []string{"models.example.com/*"}, ""), verdict, "GET https://models.example.com/private/file")
	}
	wantReport(t, "outside", u.probe("http_query", fields, []string{"models.example.com/other/*"}, ""), auth.VerdictUnasked, "matches none of the patterns")
}

// TestT12_ACloudProbeFollowsNoRedirect: what comes after was not looked at.
func TestT12_ACloudProbeFollowsNoRedirect(t *testing.T) {
	const host = "acme.blob.core.windows.net"
	for _, c := range []struct {
		provider string
		fields   map[string]string
		pattern  string
	}{
		{"s3", s3Fields(s3Endpoint, "https://minio.example.com"), "https://minio.example.com/bkt/*"},
		{"azure_blob", map[string]string{"sasToken": containerSAS}, host + "/models/*"},
		{"azure_blob", map[string]string{"tenantId": entraTenant, "clientId": entraClient, "clientSecret": canary}, host + "/models/*"},
		{"gcs", map[string]string{"serviceAccountJson": serviceAccount(nil)}, "storage.googleapis.com/models/*"},
		{"oci_registry", map[string]string{"username": "bot", "password": canary}, "ghcr.io/v2/acme/*"},
		{"http_query", map[string]string{"paramName": "token", "value": canary, validationField: "https://models.example.com/x"}, "models.example.com/*"},
	} {
		u := newUpstreams(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Host == "sink.example.net" {
				t.Errorf("%s follows", c.provider)
			}
			w.Header().Set("Location", "https://sink.example.net/")
			w.WriteHeader(307)
		})
		if r := u.probe(c.provider, c.fields, []string{c.pattern}, ""); r.Verdict != auth.VerdictUnknown || len(u.requests()) != 1 {
			t.Errorf("%s: %+v after %d requests", c.provider, r, len(u.requests()))
		}
	}
}
