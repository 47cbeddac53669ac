package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

func TestDefaults(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "credentials:\nlog: ~\n"} {
		c := mustLoad(t, LoadOptions{}, text).Config
		want := Config{
			DataDir: "./weighbridge-data", Listen: "127.0.0.1:8080", SocketAccess: "owner", AdminListen: "127.0.0.1:8081",
			Log: Log{Level: "info", Format: "auto"}, OIDC: OIDC{Team: auth.DefaultTeam}, ServiceAccounts: ServiceAccounts{Audience: "weighbridge"},
			Unmatched: Unmatched{Forward: auth.UnmatchedPass, Reverse: auth.UnmatchedDeny},
			KEK:       "file:kek", KEKCache: 5 * time.Minute, Store: Store{Driver: "bbolt", MaxOutage: 10 * time.Minute},
			Audit: Audit{Retention: 90 * 24 * time.Hour, TeamQuota: 64 << 20}, Validation: Validation{Every: 6 * time.Hour}, Drain: 10 * time.Minute,
			Upstream: Upstream{ConnectPorts: []uint16{443}, IdleTimeout: time.Minute},
			Limits:   Limits{TransfersPerKey: 4096},
			ComfyUI:  ComfyUI{Team: "default", Health: ComfyUIHealth{"/system_stats", 10 * time.Second, 5 * time.Second}, Remember: 24 * time.Hour},
		}
		if !reflect.DeepEqual(c, want) {
			t.Errorf("%q: got %+v", text, c)
		}
	}
}

func TestFlagsOverEnvironmentOverFileOverDefaults(t *testing.T) {
	text := "listen: 127.0.0.1:1\nadmin_listen: 127.0.0.1:2\ndrain: 1m\n"
	o := options("WEIGHBRIDGE_LISTEN=127.0.0.1:11", "WEIGHBRIDGE_ADMIN_LISTEN=127.0.0.1:12")
	o.Override = func(c *Config) { c.Listen = "127.0.0.1:21" }
	c := mustLoad(t, o, text).Config
	if c.Listen != "127.0.0.1:21" || c.AdminListen != "127.0.0.1:12" || c.Drain != time.Minute || c.KEK != "file:kek" {
		t.Errorf("got %+v", c)
	}

	// A mistake is told where it was made.
	o.Override = func(c *Config) { c.Listen = "nowhere" }
	wantProblem(t, problemsOf(t, o, text), "command line: listen: \"nowhere\"")
	o = options("WEIGHBRIDGE_LISTEN=nowhere")
	wantProblem(t, problemsOf(t, o, text), "$WEIGHBRIDGE_LISTEN: listen: \"nowhere\"")
	wantProblem(t, problemsOf(t, options(), "listen: nowhere"), "test.yaml:1:9: listen: \"nowhere\"")
}

// Every field can be set by its variable, by the name that the reference says.
func TestEveryFieldIsAVariable(t *testing.T) {
	tmp := files(t)
	environ := []string{
		"DATA_DIR=/d", "LISTEN=unix:/s", "SOCKET_ACCESS=group", "TLS_CERT_FILE=" + tmp + "/leaf.crt", "TLS_KEY_FILE=" + tmp + "/leaf.key", "TLS_OWN_CA=false",
		"ADMIN_LISTEN=127.0.0.1:9", "ADMIN_TLS_CERT_FILE=" + tmp + "/leaf.crt", "ADMIN_TLS_KEY_FILE=" + tmp + "/leaf.key", "ADMIN_TLS_OWN_CA=false", "PUBLIC_URL=https://w.example.com", "ALLOWED_HOSTS=a.internal, w.example.com", "LOG_LEVEL=warn", "LOG_FORMAT=json",
		"OIDC_ISSUER=https://op.example.com", "OIDC_CLIENT_ID=wb", "OIDC_CLIENT_SECRET_FILE=" + tmp + "/token", "OIDC_REDIRECT_URL=https://w.example.com/api/v1/auth/oidc/callback",
		"ADMIN_URL=https://admin.example.com", "OIDC_EMAIL_DOMAINS=example.com,example.org", "OIDC_TEAM=ops", "OIDC_ROLE=viewer",
		"SERVICE_ACCOUNTS_ISSUER=https://cluster.example.com", "SERVICE_ACCOUNTS_AUDIENCE=weights", "SERVICE_ACCOUNTS_JWKS_FILE=/jwks.json", "SERVICE_ACCOUNTS_JWKS_URL=", "SERVICE_ACCOUNTS_REVIEW=",
		"SERVICE_ACCOUNTS_CA_FILE=/ca.crt", "SERVICE_ACCOUNTS_TOKEN_FILE=/token", "KEYS_0_SERVICE_ACCOUNTS=comfy/worker,batch/*",
		"UNMATCHED_FORWARD=deny", "UNMATCHED_REVERSE=pass", "DEFAULT_KEY=trainer", "CA_CERT_FILE=" + tmp + "/ca.crt", "CA_KEY_FILE=" + tmp + "/ca.key",
		"KEK=env:X", "KEK_CACHE=90s", "STORE_DRIVER=postgres", "STORE_DSN_ENV=DSN", "STORE_MAX_OUTAGE=5m", "AUDIT_RETENTION=30d", "AUDIT_MAX_SIZE=1GiB",
		"AUDIT_FOLLOWERS_0_NAME=siem", "AUDIT_FOLLOWERS_0_TYPE=webhook", "AUDIT_FOLLOWERS_0_URL=https://siem.example.com/in", "AUDIT_FOLLOWERS_0_TOKEN_ENV=SIEM",
		"AUDIT_FOLLOWERS_0_PATH=x", "AUDIT_FOLLOWERS_0_MAX_SIZE=1MiB", "AUDIT_FOLLOWERS_0_KEEP=2", "AUDIT_FOLLOWERS_0_MAX_LAG=32MiB",
		"AUDIT_TEAM_QUOTA=1MiB", "DRAIN=5m", "DRAIN_DELAY=5s", "METRICS_TOKEN_FILE=" + tmp + "/metrics", "VALIDATION_EVERY=3h", "TRACING_ENDPOINT=https://collector.example.com", "TRACING_TOKEN_FILE=" + tmp + "/token",
		"UPSTREAM_CA_FILE=" + tmp + "/ca.crt", "UPSTREAM_RESOLVE=huggingface.co:443=127.0.0.1:9443,hf.co:443=[::1]:9443", "UPSTREAM_PROXY=http://p:1",
		"UPSTREAM_PROXY_RESOLVES=true", "UPSTREAM_ALLOW_PRIVATE=10.0.0.0/8,fd00::/8", "UPSTREAM_CONNECT_PORTS=443,8443", "UPSTREAM_IDLE_TIMEOUT=30s",
		"ROUTES=cloud=https://cloud.comfy.org", "COMFYUI_SERVERS=http://10.0.0.5:8188,https://comfy.internal", "COMFYUI_TEAM=art",
		"COMFYUI_HEALTH_PATH=/queue", "COMFYUI_HEALTH_INTERVAL=30s", "COMFYUI_HEALTH_TIMEOUT=2s", "COMFYUI_REMEMBER=7d",
		"S3_DOMAINS=s3.example.com,s3.internal.example",
		"LIMITS_CONNECTIONS=4096", "LIMITS_TRANSFERS_PER_KEY=32",
		"CREDENTIALS_0_NAME=hub", "CREDENTIALS_0_PROVIDER=huggingface", "CREDENTIALS_0_FIELDS_TOKEN=CANARY", "CREDENTIALS_0_PATTERNS=huggingface.co/a/*", "CREDENTIALS_0_KEYS=trainer",
		"CREDENTIALS_1_NAME=api", "CREDENTIALS_1_PROVIDER=http_api_key", "CREDENTIALS_1_FIELDS_HEADER_NAME=X-Key", "CREDENTIALS_1_FIELDS_HEADERVALUE_FILE=" + tmp + "/token",
		"CREDENTIALS_1_PATTERNS=api.example.com/*",
		"KEYS_0_NAME=trainer", "KEYS_0_VALUE_FILE=" + tmp + "/key", "KEYS_0_URL_KEY_ENV=URLKEY", "KEYS_0_SCOPE=write", "KEYS_0_EXPIRES=2027-01-02",
		"KEYS_0_ROUTES=huggingface.co/a/*", "KEYS_0_LIMITS_RATE=0.5", "KEYS_0_LIMITS_BURST=3", "KEYS_0_LIMITS_TRANSFERS=4", "KEYS_0_LIMITS_BANDWIDTH=100MiB", "KEYS_0_SOURCES=10.1.0.0/16,fd00::/8",
		"KEYS_0_UNMATCHED=deny", "KEYS_0_XET=hide", "KEYS_0_CREDENTIALS=api",
	}
	for i := range environ {
		environ[i] = envPrefix + environ[i]
	}
	l := mustLoad(t, options(append(environ, "URLKEY="+testURLKey, "SIEM=CANARY", "DSN=postgres://CANARY@db/wb")...), "")
	want := Config{
		DataDir: "/d", Listen: "unix:/s", SocketAccess: "group", TLS: TLS{CertFile: tmp + "/leaf.crt", KeyFile: tmp + "/leaf.key"}, AdminListen: "127.0.0.1:9", AdminTLS: TLS{CertFile: tmp + "/leaf.crt", KeyFile: tmp + "/leaf.key"},
		Tracing:         Tracing{"https://collector.example.com", Source{File: tmp + "/token"}},
		OIDC:            OIDC{"https://op.example.com", "wb", Source{File: tmp + "/token"}, "https://w.example.com/api/v1/auth/oidc/callback", []string{"example.com", "example.org"}, "ops", "viewer"},
		ServiceAccounts: ServiceAccounts{Issuer: "https://cluster.example.com", Audience: "weights", JWKSFile: "/jwks.json", CAFile: "/ca.crt", TokenFile: "/token"},
		AdminURL:        "https://admin.example.com", PublicURL: "https://w.example.com", AllowedHosts: []string{"a.internal", "w.example.com"}, Log: Log{"warn", "json"},
		Unmatched: Unmatched{"deny", "pass"}, DefaultKey: "trainer", CA: CA{tmp + "/ca.crt", tmp + "/ca.key"}, KEK: "env:X", KEKCache: 90 * time.Second,
		Store: Store{"postgres", Source{Env: "DSN"}, 5 * time.Minute}, Audit: Audit{30 * 24 * time.Hour, 1 << 30, []Follower{
			{Name: "siem", Type: "webhook", MaxSize: 1 << 20, Keep: 2, URL: "https://siem.example.com/in", Token: Source{Env: "SIEM"}, Path: "x", MaxLag: 32 << 20},
		}, 1 << 20}, Validation: Validation{3 * time.Hour}, Drain: 5 * time.Minute, DrainDelay: 5 * time.Second, MetricsToken: Source{File: tmp + "/metrics"},
		Upstream: Upstream{
			CAFile: tmp + "/ca.crt", Resolve: map[string]string{"huggingface.co:443": "127.0.0.1:9443", "hf.co:443": "[::1]:9443"}, Proxy: "http://p:1",
			ProxyResolves: true, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")},
			ConnectPorts: []uint16{443, 8443}, IdleTimeout: 30 * time.Second,
		},
		Routes: map[string]string{"cloud": "https://cloud.comfy.org"},
		ComfyUI: ComfyUI{
			Servers: []string{"http://10.0.0.5:8188", "https://comfy.internal"}, Team: "art",
			Health: ComfyUIHealth{"/queue", 30 * time.Second, 2 * time.Second}, Remember: 7 * 24 * time.Hour,
		},
		S3:     S3{Domains: []string{"s3.example.com", "s3.internal.example"}},
		Limits: Limits{4096, 32},
		Credentials: []Credential{
			{Name: "hub", Provider: "huggingface", Fields: map[string]Source{"token": {Env: "WEIGHBRIDGE_CREDENTIALS_0_FIELDS_TOKEN"}}, Patterns: []string{"huggingface.co/a/*"}, Keys: []string{"trainer"}},
			{Name: "api", Provider: "http_api_key", Fields: map[string]Source{"headerName": {Env: "WEIGHBRIDGE_CREDENTIALS_1_FIELDS_HEADER_NAME"}, "headerValue": {File: tmp + "/token"}}, Patterns: []string{"api.example.com/*"}},
		},
		Keys: []Key{{
			Name: "trainer", Value: Source{File: tmp + "/key"}, URLKey: Source{Env: "URLKEY"}, Scope: "write", Expires: time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC),
			Routes: []string{"huggingface.co/a/*"}, Limits: KeyLimits{0.5, 3, 4, 100 << 20}, Sources: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")},
			Unmatched: "deny", Xet: "hide", Credentials: []string{"api"}, ServiceAccounts: []string{"comfy/worker", "batch/*"},
		}},
	}
	if !reflect.DeepEqual(l.Config, want) {
		t.Errorf("got  %+v\nwant %+v", l.Config, want)
	}
	for _, r := range Reference() {
		name := strings.Replace(strings.Replace(r.Env, "_N_", "_0_", 1), "_<FIELD>", "_TOKEN", 1)
		if !r.Section && !slices.ContainsFunc(environ, func(kv string) bool {
			return strings.HasPrefix(kv, name+"=") || strings.HasPrefix(kv, name+"_FILE=") || strings.HasPrefix(kv, name+"_ENV=")
		}) {
			t.Errorf("the variable %s is not tried here", name)
		}
	}
	fields, err := l.Fields(&l.Config.Credentials[0])
	if err != nil || fields["token"].Reveal() != "CANARY" {
		t.Errorf("fields %v, %v", fields, err)
	}
}

func TestVariablesFromFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "proxy")
	if err := os.WriteFile(path, []byte("http://user:CANARY@proxy:3128\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := mustLoad(t, options("WEIGHBRIDGE_UPSTREAM_PROXY_FILE="+path), "")
	if l.Config.Upstream.Proxy != "http://user:CANARY@proxy:3128" {
		t.Errorf("got %q", l.Config.Upstream.Proxy)
	}
	if len(l.Warnings) != 0 {
		t.Errorf("warned: %v", l.Warnings)
	}
	got := problemsOf(t, options("WEIGHBRIDGE_LISTEN_FILE="+path+".none", "WEIGHBRIDGE_DRAIN=1m", "WEIGHBRIDGE_DRAIN_FILE="+path), "")
	wantProblem(t, got, "$WEIGHBRIDGE_LISTEN_FILE: listen: the file cannot be read: no such file")
	wantProblem(t, got, "$WEIGHBRIDGE_DRAIN_FILE: drain: is set by WEIGHBRIDGE_DRAIN already")
	// The key encryption key itself, where its URI belongs, is not shown.
	wantProblem(t, problemsOf(t, options("WEIGHBRIDGE_KEK_FILE="+path), ""), "$WEIGHBRIDGE_KEK_FILE: kek: is not the URI of a key")
}

func TestUnknownVariables(t *testing.T) {
	got := problemsOf(t, options(
		"WEIGHBRIDGE_LISTN=x", "WEIGHBRIDGE_UPSTREAM_IDEL_TIMEOUT=1m", "WEIGHBRIDGE_KEYS_1_NAME=gap", "WEIGHBRIDGE_KEYS_00_NAME=x",
		"WEIGHBRIDGE_CREDENTIALS_0_PROVIDER=huggingface", "WEIGHBRIDGE_CREDENTIALS_0_FIELDS_TOKN=CANARY", "WEIGHBRIDGE_LOG=debug",
		"WEIGHBRIDGE_CONNECT_PORT=443", "WEIGHBRIDGE_KEYS_99999999999999999999_NAME=x",
	), "")
	for _, want := range []string{
		`$WEIGHBRIDGE_LISTN: there is no such setting; did you mean "WEIGHBRIDGE_LISTEN"?`,
		`$WEIGHBRIDGE_UPSTREAM_IDEL_TIMEOUT: there is no such setting; did you mean "WEIGHBRIDGE_UPSTREAM_IDLE_TIMEOUT"?`,
		`$WEIGHBRIDGE_KEYS_1_NAME: there is no such setting; did you mean "WEIGHBRIDGE_KEYS_0_NAME"?`,
		`$WEIGHBRIDGE_KEYS_00_NAME: there is no such setting; did you mean "WEIGHBRIDGE_KEYS_0_NAME"?`,
		`$WEIGHBRIDGE_CREDENTIALS_0_FIELDS_TOKN: there is no such setting; did you mean "WEIGHBRIDGE_CREDENTIALS_0_FIELDS_TOKEN"?`,
		`$WEIGHBRIDGE_LOG: there is no such setting; did you mean`,
		`$WEIGHBRIDGE_CONNECT_PORT: there is no such setting`,
		`$WEIGHBRIDGE_KEYS_99999999999999999999_NAME: there is no such setting`,
	} {
		wantProblem(t, got, want)
	}
	if strings.Contains(got.Error(), "CANARY") {
		t.Errorf("a secret is shown: %v", got)
	}

	// Ours that are no settings, what Kubernetes sets for a Service of our
	// name, the empty ones, and everybody else's.
	mustLoad(t, options(
		"WEIGHBRIDGE_KEY=wbk_x", "WEIGHBRIDGE_TOKEN=wbt_x", "WEIGHBRIDGE_SOAK=1", "WEIGHBRIDGE_TEST_X=1",
		"WEIGHBRIDGE_SERVICE_HOST=10.0.0.1", "WEIGHBRIDGE_SERVICE_PORT=8080", "WEIGHBRIDGE_SERVICE_PORT_PROXY=8080", "WEIGHBRIDGE_PORT=tcp://10.0.0.1:8080",
		"WEIGHBRIDGE_PORT_8080_TCP=tcp://10.0.0.1:8080", "WEIGHBRIDGE_PORT_8080_TCP_PROTO=tcp", "WEIGHBRIDGE_PORT_8080_TCP_PORT=8080",
		"WEIGHBRIDGE_PORT_8080_TCP_ADDR=10.0.0.1", "WEIGHBRIDGE_ADMIN_SERVICE_HOST=10.0.0.2", "WEIGHBRIDGE_ADMIN_PORT_8081_TCP=tcp://10.0.0.2:8081",
		"WEIGHBRIDGE_NONSENSE=", "WEIGHBRIDGE_DRAIN=", "LISTN=x", "=x", "novalue",
	), "")
}

func TestElementsOfListsInTheEnvironment(t *testing.T) {
	tmp := files(t)
	// The environment changes elements of the file and appends to them; the
	// tenth comes after the second.
	text := "keys:\n  - name: a\n    value: {file: " + tmp + "/key}\n"
	environ := []string{"WEIGHBRIDGE_KEYS_0_NAME=renamed", "WEIGHBRIDGE_KEYS_1_VALUE=" + testKey2, "WEIGHBRIDGE_KEYS_1_NAME=b"}
	l := mustLoad(t, options(environ...), text)
	if n := l.Config.Keys; len(n) != 2 || n[0].Name != "renamed" || n[0].Value.File != tmp+"/key" || n[1].Name != "b" || n[1].Scope != auth.ScopeRead {
		t.Errorf("got %+v", n)
	}
	environ = nil
	for i := range 12 {
		environ = append(environ, fmt.Sprintf("WEIGHBRIDGE_KEYS_%d_NAME=k%d", i, i), fmt.Sprintf("WEIGHBRIDGE_KEYS_%d_VALUE=%s%d", i, testKey, i))
	}
	l = mustLoad(t, options(environ...), "")
	if n := l.Config.Keys; len(n) != 12 || n[11].Name != "k11" {
		t.Errorf("got %d keys", len(n))
	}
}

func TestSecretsAreReadAnew(t *testing.T) {
	tmp := files(t)
	l := mustLoad(t, options(), `
credentials:
  - name: hub
    provider: huggingface
    fields: {token: {file: `+tmp+`/token}}
keys:
  - {name: a, value: {file: `+tmp+`/key}, url_key: {file: `+tmp+`/urlkey}, credentials: [hub]}
`)
	if got, want := l.Watched(), []string{tmp + "/key", tmp + "/token", tmp + "/urlkey"}; !slices.Equal(got, want) {
		t.Errorf("watched are %v", got)
	}
	read := func() string {
		f, err := l.Fields(&l.Config.Credentials[0])
		if err != nil {
			return err.Error()
		}
		return f["token"].Reveal()
	}
	path := filepath.Join(tmp, "token")
	for content, want := range map[string]string{
		"one":       "one",
		"two\n":     "two",
		"three\r\n": "three",
		"four\n\n":  "four\n",
		" five ":    " five ",
		"":          `credential "hub": field token: the file ` + path + ` is empty`,
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := read(); got != want {
			t.Errorf("%q reads as %q, want %q", content, got, want)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := read(); !strings.Contains(got, "cannot be read: no such file") {
		t.Errorf("a missing file: %q", got)
	}
	if _, err := l.Value(Source{}); err == nil {
		t.Error("the zero Source has a value")
	}
}

// Secrets that Docker or Kubernetes mount have the modes of the mount.
func TestMountedSecretsAreNotHeldToTheirMode(t *testing.T) {
	tmp := t.TempDir()
	if err := os.MkdirAll(filepath.Join(tmp, "..2026"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tmp, "..2026", "token"), []byte("CANARY"), 0o644); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"..data": "..2026", "token": "..data/token"} {
		if err := os.Symlink(to, filepath.Join(tmp, link)); err != nil {
			t.Fatal(err)
		}
	}
	mustLoad(t, options(), "credentials:\n  - {name: hub, provider: huggingface, fields: {token: {file: "+tmp+"/token}}}\n")
	if !mounted("/run/secrets/token") || !mounted("/var/run/secrets/x/token") || mounted("/tmp/secrets/token") {
		t.Error("what is mounted is not told apart")
	}
}

// T55: printing a loaded configuration shows no secret.
func TestT55_PrintingShowsNoSecret(t *testing.T) {
	tmp := files(t)
	l := mustLoad(t, options("OTHER=CANARY_other"), "keys:\n  - {name: a, value: {file: "+tmp+"/key}}\n")
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if s := fmt.Sprintf(verb, l); strings.Contains(s, "CANARY") {
			t.Errorf("%s shows a secret: %s", verb, s)
		}
	}
}

func TestUnusedProvidersAreNoMistake(t *testing.T) {
	if _, err := Load(LoadOptions{Override: func(c *Config) { c.Listen, c.AdminListen = "127.0.0.1:0", "" }}); err != nil {
		t.Error(err)
	}
}

// owning is a provider of hub.example.com of whose paths only short ones
// expand.
type owning struct{ strict }

func (owning) Schema() auth.Schema {
	return auth.Schema{Name: "owning", Hosts: []string{"hub.example.com", ".hub.example.com"}}
}

func (owning) Expand(p auth.Pattern) ([]auth.Rule, error) {
	if len(p.Path()) > 20 {
		return nil, errors.New("its path is too long to be expanded")
	}
	return []auth.Rule{{Pattern: p}}, nil
}

// A route is expanded by the owner of its host when a request is decided: one
// that cannot be is a mistake here, and not the end of every decision.
func TestRoutesAreExpanded(t *testing.T) {
	tmp := files(t)
	o := options()
	o.Providers = append(o.Providers, owning{})
	text := func(host string) string {
		return "keys:\n  - {name: a, value: {file: " + tmp + "/key}, routes: [" + host + "/a/rather/long/path/of/it/*]}\n"
	}
	for _, host := range []string{"hub.example.com", "eu.hub.example.com"} {
		wantProblem(t, problemsOf(t, o, text(host)), "test.yaml:2:"+strconv.Itoa(strings.Index(text(host), host)-len("keys:\n")+1)+": keys[0].routes[0]: the pattern \""+host+"/a/rather/long/path/of/it/*\" does not fit the provider")
	}
	mustLoad(t, o, text("other.example.com"))
}

// The admin listener is switched off by one word everywhere; an empty variable
// says nothing, an empty text in the file or in a flag empties.
func TestAdminListenOff(t *testing.T) {
	const byDefault = "127.0.0.1:8081"
	file := func(line string) string {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	flag := func(v string) func(*Config) { return func(c *Config) { c.AdminListen = v } }
	for name, c := range map[string]struct {
		o    LoadOptions
		want string
	}{
		"nothing":            {LoadOptions{}, byDefault},
		"variable":           {LoadOptions{Environ: []string{"WEIGHBRIDGE_ADMIN_LISTEN=off"}}, ""},
		"empty variable":     {LoadOptions{Environ: []string{"WEIGHBRIDGE_ADMIN_LISTEN="}}, byDefault},
		"file":               {LoadOptions{Path: file("admin_listen: off\n")}, ""},
		"quoted":             {LoadOptions{Path: file("admin_listen: \"off\"\n")}, ""},
		"empty in file":      {LoadOptions{Path: file("admin_listen: \"\"\n")}, ""},
		"flag":               {LoadOptions{Override: flag("off")}, ""},
		"empty flag":         {LoadOptions{Override: flag("")}, ""},
		"variable over file": {LoadOptions{Path: file("admin_listen: 127.0.0.1:9\n"), Environ: []string{"WEIGHBRIDGE_ADMIN_LISTEN=off"}}, ""},
	} {
		loaded, err := Load(c.o)
		if err != nil || loaded.Config.AdminListen != c.want {
			t.Errorf("%s: %v, %v", name, loaded, err)
		}
	}
	// The proxy listener cannot be switched off.
	for _, o := range []LoadOptions{{Environ: []string{"WEIGHBRIDGE_LISTEN=off"}}, {Override: func(c *Config) { c.Listen = "" }}} {
		if _, err := Load(o); err == nil || !strings.Contains(err.Error(), "listen") {
			t.Errorf("listen: %v", err)
		}
	}
}

// A variable that the configuration names as the place of a secret may be
// called as one of ours; any other that names no field is a mistake.
func TestVariablesNamedAsPlacesOfSecrets(t *testing.T) {
	text := "kek: env:WEIGHBRIDGE_MASTER\ncredentials: [{name: a, provider: huggingface, fields: {token: {env: WEIGHBRIDGE_HUB}}}]\n" +
		"keys: [{name: k, value: {env: WEIGHBRIDGE_FIRST}, url_key: {env: WEIGHBRIDGE_FIRST_URL}}]\n"
	var environ []string
	for _, v := range []string{"MASTER=x", "HUB=hf_0123456789", "FIRST=wbk_" + strings.Repeat("a", 43), "FIRST_URL=wbu_" + strings.Repeat("b", 43)} {
		environ = append(environ, "WEIGHBRIDGE_"+v)
	}
	o := LoadOptions{Schemas: schemas}
	o.Environ = environ
	mustLoad(t, o, text)
	o.Environ = append(o.Environ, "WEIGHBRIDGE_HUBB=x")
	if _, err := loadText(o, text); err == nil || !strings.Contains(err.Error(), "$WEIGHBRIDGE_HUBB: there is no such setting") || strings.Contains(err.Error(), "MASTER") {
		t.Errorf("%v", err)
	}
}

// The names and defaults that other tools rely on. The file says every default
// out loud, and an address for one host.
func TestPromisedFields(t *testing.T) {
	text := `data_dir: ./weighbridge-data
listen: 127.0.0.1:8080
tls: {cert_file: "", key_file: "", own_ca: false}   # TLS on the proxy listener; a non-loopback listener without it warns
admin_listen: 127.0.0.1:8081
log: {level: info, format: auto}        # console on a terminal, JSON otherwise
unmatched: {forward: pass, reverse: deny}
default_key: ""                         # callers on a loopback/unix listener without a key count as this one (sidecar)
ca: {cert_file: "", key_file: ""}       # bring your own; made on first start otherwise
kek: file:kek                           # URI
store: {driver: bbolt}                  # bbolt | memory (memory needs ca.* when interception is on)
audit: {retention: 90d}
upstream:
  ca_file: ""                           # extra roots
  resolve: {"huggingface.co:443": "127.0.0.1:9443"}   # like curl --resolve; exempt from the IP guard, because an operator wrote it
  proxy: ""                             # corporate proxy for our own way out; proxy_resolves: true lets it resolve names
  allow_private: []                     # CIDRs
  connect_ports: [443]
  idle_timeout: 60s
credentials: []                         # declarative, read-only
keys: []                                # declarative keys
`
	got := mustLoad(t, LoadOptions{}, text).Config
	want := mustLoad(t, LoadOptions{}, "").Config
	want.Upstream.Resolve = map[string]string{"huggingface.co:443": "127.0.0.1:9443"}
	// A list that is said to be empty, and one of which nothing is said.
	got.Upstream.AllowPrivate, got.Credentials, got.Keys = nil, nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}
