package signer

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// endpoint is a token endpoint: it keeps what it was asked, and answers as it
// is told.
type endpoint struct {
	mu     sync.Mutex
	asked  []string
	answer func(r *http.Request, form url.Values) (status int, body string)
	// header are the fields of the answers.
	header func(r *http.Request) http.Header
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(b)
	}
	form, err := url.ParseQuery(body)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, strings.TrimSpace(r.Method+" "+r.URL.String()+" "+form.Encode()))
	code, text := e.answer(r, form)
	if code == 0 {
		return nil, errors.New(text)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if e.header != nil {
		header = e.header(r)
	}
	if code == http.StatusFound {
		header.Set("Location", text)
	}
	return &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func (e *endpoint) client() *http.Client { return &http.Client{Transport: e} }

const entraTenant, entraClient = "acme.onmicrosoft.com", "00000000-1111-2222-3333-444444444444"

func entraFields(more map[string]string) (fields auth.Fields, params map[string]string) {
	params = map[string]string{"tenantId": entraTenant, "clientId": entraClient}
	for n, v := range more {
		params[n] = v
	}
	fields = auth.Fields{"clientSecret": auth.NewSecret(canary)}
	for n, v := range params {
		fields[n] = auth.NewSecret(v)
	}
	return fields, params
}

func TestEntraBearer(t *testing.T) {
	p, _ := Lookup("azure_blob")
	now := fixedClock()
	e := &endpoint{answer: func(*http.Request, url.Values) (int, string) {
		return 200, `{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"eyJ.` + trace + `"}`
	}}
	fields, params := entraFields(nil)
	set := NewSet(&openVault{fields: fields}, SetOptions{Now: func() time.Time { return now }, Client: e.client()})
	defer set.Close()
	d := decide(p, "*.blob.core.windows.net/*")
	d.Params = params
	sign := func(header ...string) (*auth.Outgoing, error) {
		out := sample(t, "GET", "https://acme.blob.core.windows.net/models/x.bin?comp=metadata&sig=theirs")
		for i := 0; i < len(header); i += 2 {
			out.Header.Set(header[i], header[i+1])
		}
		applied, err := set.Sign(t.Context(), d, out)
		if err == nil && (len(applied.Mask) != 1 || applied.Mask[0].Reveal() != "eyJ."+trace) {
			t.Error("the token is not masked")
		}
		return out, err
	}
	for range 3 {
		out, err := sign()
		if err != nil {
			t.Fatal(err)
		}
		// Case 88.
		if got := out.Header.Get("Authorization") + ", " + out.Header.Get("x-ms-version") + ", " + out.Target.RawQuery; got != "Bearer eyJ."+trace+", 2022-11-02, comp=metadata" {
			t.Errorf("sent %s", got)
		}
	}
	if out, err := sign("x-ms-version", "2026-02-06"); err != nil || out.Header.Get("X-Ms-Version") != "2026-02-06" {
		t.Error("the worker's own version is lost")
	}
	want := "POST https://login.microsoftonline.com/acme.onmicrosoft.com/oauth2/v2.0/token client_id=" + entraClient + "&client_secret=" + canary +
		"&grant_type=client_credentials&scope=https%3A%2F%2Fstorage.azure.com%2F.default"
	if len(e.asked) != 1 || e.asked[0] != want {
		t.Errorf("asked\n%q, want\n%q", e.asked, want)
	}
	for _, name := range []string{"x-ms-copy-source", "X-Ms-Rename-Source"} {
		_, err := sign(name, "https://acme.blob.core.windows.net/secret/x")
		wantRefusal(t, err, "a copy from another URL")
	}
}

func TestEntraSovereignCloud(t *testing.T) {
	p, _ := Lookup("azure_blob")
	e := &endpoint{answer: func(*http.Request, url.Values) (int, string) { return 200, `{"expires_in":"3599","access_token":"t"}` }}
	fields, params := entraFields(map[string]string{"authorityHost": "login.microsoftonline.us"})
	set := NewSet(&openVault{fields: fields}, SetOptions{Client: e.client()})
	defer set.Close()
	d := decide(p, "acme.blob.core.usgovcloudapi.net/*")
	d.Params = params
	if _, err := set.Sign(t.Context(), d, sample(t, "GET", "https://acme.blob.core.usgovcloudapi.net/c/b")); err != nil {
		t.Fatal(err)
	}
	if len(e.asked) != 1 || !strings.HasPrefix(e.asked[0], "POST https://login.microsoftonline.us/") {
		t.Errorf("%q", e.asked)
	}
}

// What goes wrong is said without what was sent, and a redirect is not
// followed (T12).
func TestT12_ATokenEndpointThatFails(t *testing.T) {
	p, _ := Lookup("azure_blob")
	for want, answer := range map[string]struct {
		code int
		body string
	}{
		"login.microsoftonline.com gave no token: status 401, invalid_client (AADSTS7000215)": {401, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret ` + canary + `"}`},
		"login.microsoftonline.com gave no token: status 400":                                 {400, `{"error":"<b>` + canary + `"}`},
		"login.microsoftonline.com gave no token: status 503":                                 {503, "down"},
		"login.microsoftonline.com gave no token: status 302":                                 {302, "https://evil.example.net/"},
		"something that is no token":                                                          {200, `{"access_token":"a\r\nX-Evil: 1"}`},
		"answered something":                                                                  {200, "<html>"},
		"could not be reached":                                                                {0, "no route"},
	} {
		e := &endpoint{answer: func(*http.Request, url.Values) (int, string) { return answer.code, answer.body }}
		fields, params := entraFields(nil)
		set := NewSet(&openVault{fields: fields}, SetOptions{Client: e.client()})
		d := decide(p, "*.blob.core.windows.net/*")
		d.Params = params
		out := sample(t, "GET", "https://acme.blob.core.windows.net/models/x.bin")
		_, err := set.Sign(t.Context(), d, out)
		wantRefusal(t, err, want)
		noCanary(t, "the cause", fmt.Sprint(errors.Unwrap(err)))
		if len(e.asked) != 1 || out.Header.Get("Authorization") != "" {
			t.Errorf("%s: asked %d times", want, len(e.asked))
		}
		set.Close()
	}
	fields, params := entraFields(nil)
	d := decide(p, "*.blob.core.windows.net/*")
	d.Params = params
	_, err := NewSet(&openVault{fields: fields}, SetOptions{}).Sign(t.Context(), d, sample(t, "GET", "https://acme.blob.core.windows.net/models/x.bin"))
	wantRefusal(t, err, "there is no way out")
}

func TestEntraAmbientIdentities(t *testing.T) {
	p, _ := Lookup("azure_blob")
	const clientID = "11111111-1111-2222-3333-444444444444"
	for _, c := range []struct {
		name        string
		params, env map[string]string
		asked, err  string
		machine     bool
	}{
		{"workload", map[string]string{"source": "workload_identity"},
			map[string]string{"AZURE_FEDERATED_TOKEN_FILE": "/token", "AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "pod"},
			"POST https://login.microsoftonline.com/tenant/oauth2/v2.0/token client_assertion=of-the-pod&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_id=pod&grant_type=client_credentials&scope=https%3A%2F%2Fstorage.azure.com%2F.default", "", false},
		{"workload of its own", map[string]string{"source": "workload_identity", "tenantId": "mine", "clientId": clientID},
			map[string]string{"AZURE_FEDERATED_TOKEN_FILE": "/token", "AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "pod"},
			"POST https://login.microsoftonline.com/mine/oauth2/v2.0/token client_assertion=of-the-pod&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_id=" + clientID + "&grant_type=client_credentials&scope=https%3A%2F%2Fstorage.azure.com%2F.default", "", false},
		{"no workload", map[string]string{"source": "workload_identity"}, nil, "", "has no workload identity", false},
		{"no file", map[string]string{"source": "workload_identity"},
			map[string]string{"AZURE_FEDERATED_TOKEN_FILE": "/gone", "AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "pod"}, "", "cannot be read", false},
		{"machine", map[string]string{"source": "managed_identity"}, nil,
			"GET http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fstorage.azure.com%2F", "", true},
		{"machine's other", map[string]string{"source": "managed_identity", "clientId": clientID}, nil,
			"GET http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&client_id=" + clientID + "&resource=https%3A%2F%2Fstorage.azure.com%2F", "", true},
		{"app service", map[string]string{"source": "managed_identity"}, map[string]string{"IDENTITY_ENDPOINT": "http://127.0.0.1:41999/msi/token", "IDENTITY_HEADER": "h"},
			"GET http://127.0.0.1:41999/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fstorage.azure.com%2F", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := &endpoint{answer: func(r *http.Request, _ url.Values) (int, string) {
				if r.Method == "GET" && r.Header.Get("Metadata") != "true" && r.Header.Get("X-Identity-Header") != "h" {
					return 400, "{}"
				}
				return 200, fmt.Sprintf(`{"access_token":"t","expires_on":"%d"}`, fixedClock().Add(time.Hour).Unix())
			}}
			fields := auth.Fields{}
			for n, v := range c.params {
				fields[n] = auth.NewSecret(v)
			}
			if err := p.Check(fields); err != nil {
				t.Fatal(err)
			}
			o := SetOptions{Now: fixedClock, Getenv: func(n string) string { return c.env[n] }, ReadFile: func(n string) ([]byte, error) {
				if n != "/token" {
					return nil, errors.New("no such file")
				}
				return []byte("of-the-pod\n"), nil
			}}
			if c.machine {
				o.Machine = e.client()
			} else {
				o.Client = e.client()
			}
			set := NewSet(&openVault{fields: fields}, o)
			defer set.Close()
			d := decide(p, "acme.blob.core.windows.net/*")
			d.Params = c.params
			out := sample(t, "GET", "https://acme.blob.core.windows.net/c/b")
			_, err := set.Sign(t.Context(), d, out)
			if c.err != "" {
				wantRefusal(t, err, c.err)
				return
			}
			if err != nil || out.Header.Get("Authorization") != "Bearer t" {
				t.Fatal(err)
			}
			if len(e.asked) != 1 || e.asked[0] != c.asked {
				t.Errorf("asked\n%q, want\n%q", e.asked, c.asked)
			}
			for _, k := range set.means.tokens.kept {
				if left := k.end.Sub(fixedClock()); left != 57*time.Minute {
					t.Errorf("it is used for %s", left)
				}
			}
		})
	}
}
