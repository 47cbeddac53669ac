package config

import (
	"net/netip"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Config is the whole configuration. The text of every field stands in its
// `doc` tag, from which the reference page and the sample file are made; there
// is no second description that could drift. The other tags: `yaml` is the key
// in the file, `env` the part of the variable's name (parts are joined by "_"
// after WEIGHBRIDGE), `default` the value where nothing is said, `oneof` the
// allowed words, `example` what the sample file shows.
//
// Fields hold checked, typed values once [Load] has returned without error.
// Secrets are never held here, only where they come from ([Source]).
type Config struct {
	DataDir         string            `yaml:"data_dir" env:"DATA_DIR" default:"./weighbridge-data" doc:"Directory of everything weighbridge keeps: the store, the sealed root, the key encryption key, the audit record and admin.sock. Made on first start with mode 0700. off, with store.driver memory, is none: nothing is written, and there is no admin.sock."`
	Listen          string            `yaml:"listen" env:"LISTEN" default:"127.0.0.1:8080" doc:"Address of the proxy listener, which serves forward and reverse mode on one port: host:port, or unix:PATH, a socket."`
	SocketAccess    string            `yaml:"socket_access" env:"SOCKET_ACCESS" default:"owner" oneof:"owner group all" doc:"Who may connect to listen where it is a socket: owner is weighbridge's own user (mode 0600), group its group as well (0660, for the containers of a pod that share a volume with an fsGroup), all everybody on the machine (0666)."`
	TLS             TLS               `yaml:"tls" env:"TLS" doc:"TLS on the proxy listener. A listener beyond loopback without it gets a warning, because API keys then cross the network in the clear."`
	AdminListen     string            `yaml:"admin_listen" env:"ADMIN_LISTEN" default:"127.0.0.1:8081" doc:"Address of the admin listener (the REST API for users and access tokens, health, readiness, metrics; admin.sock needs neither): host:port or unix:PATH, or off for none."`
	AdminTLS        TLS               `yaml:"admin_tls" env:"ADMIN_TLS" doc:"TLS on the admin listener, as tls is on the proxy's."`
	MetricsToken    Source            `yaml:"metrics_token" env:"METRICS_TOKEN" example:"{file: /run/secrets/metrics}" doc:"A token that opens /metrics on the admin listener from other machines, and nothing else, for a Prometheus that has no access token: {env: NAME} or {file: PATH} holds 32 to 512 letters, digits and -._~+/= (openssl rand -hex 32). Its file is watched. Empty is none."`
	AdminURL        string            `yaml:"admin_url" env:"ADMIN_URL" example:"https://weights.example.com" doc:"URL by which browsers reach the admin listener, where something in front of it ends TLS or goes by another name: pages from there count as the portal's own, its host as allowed, and with https cookies are Secure. The link of the first run begins with it. Empty is what each request says (docs/users.md)."`
	OIDC            OIDC              `yaml:"oidc" env:"OIDC" doc:"An OpenID provider by which users sign in to the admin API, beside e-mail address and password (docs/users.md)."`
	PublicURL       string            `yaml:"public_url" env:"PUBLIC_URL" example:"https://weights.example.com" doc:"Base of the URLs that reverse mode writes into answers, where workers reach the listener by another name than the one in their request. Empty takes scheme and Host of each request."`
	AllowedHosts    []string          `yaml:"allowed_hosts" env:"ALLOWED_HOSTS" example:"weighbridge.internal" doc:"Host names, beside loopback ones, under which the listener may be called without a key (see default_key), and the admin listener on loopback at all. Protects against DNS rebinding."`
	ServiceAccounts ServiceAccounts   `yaml:"service_accounts" env:"SERVICE_ACCOUNTS" doc:"A Kubernetes cluster whose pods show a projected ServiceAccount token in place of an API key (docs/kubernetes.md); the field service_accounts of a key says whose."`
	Log             Log               `yaml:"log" env:"LOG" doc:"The log on standard error."`
	Unmatched       Unmatched         `yaml:"unmatched" env:"UNMATCHED" doc:"What happens to a URL that no linked credential matches. An API key may be stricter."`
	DefaultKey      string            `yaml:"default_key" env:"DEFAULT_KEY" example:"sidecar" doc:"Name of the API key that callers without a key count as. Only for a listener on loopback or a unix socket (sidecar)."`
	CA              CA                `yaml:"ca" env:"CA" doc:"Your own root for interception, as PEM files. Where both are empty, a root is made on first start and its key sealed in the store."`
	KEK             string            `yaml:"kek" env:"KEK" default:"file:kek" doc:"Where the key encryption key is, as a URI. file:PATH is a file of mode 0600, made on first start; a relative path is below data_dir. env:NAME is a variable that holds the key; weighbridge kek generate makes one. awskms://, azurekeyvault://, gcpkms:// and vault-transit:// name a key that never leaves its service (docs/keys-at-rest.md). weighbridge check tries it; weighbridge kek rotate changes it."`
	KEKCache        time.Duration     `yaml:"kek_cache" env:"KEK_CACHE" default:"5m" doc:"How long a data key that a key service unwrapped stays in memory, an hour at most: so long the service may be out of reach. 0 asks it for every request. A key in a file or a variable is at hand, and nothing is kept."`
	Store           Store             `yaml:"store" env:"STORE" doc:"The store."`
	Audit           Audit             `yaml:"audit" env:"AUDIT" doc:"The audit record, one file a month below data_dir/audit."`
	Tracing         Tracing           `yaml:"tracing" env:"TRACING" doc:"Where spans of requests are sent, in a build with the tag otel (docs/observability.md)."`
	Validation      Validation        `yaml:"validation" env:"VALIDATION" doc:"How upstreams are asked whether credentials still work."`
	Drain           time.Duration     `yaml:"drain" env:"DRAIN" default:"10m" doc:"How long live downloads may go on after SIGTERM."`
	DrainDelay      time.Duration     `yaml:"drain_delay" env:"DRAIN_DELAY" default:"0s" doc:"How long after SIGTERM everything is still served as before, new connections too, while readiness says draining; then the time of drain begins. For what is in front of several weighbridges and learns after the signal that one of them goes. A second signal ends it."`
	Upstream        Upstream          `yaml:"upstream" env:"UPSTREAM" doc:"The way out."`
	Limits          Limits            `yaml:"limits" env:"LIMITS" doc:"What workers may take."`
	Routes          map[string]string `yaml:"routes" env:"ROUTES" example:"comfyui: https://cloud.comfy.org" doc:"Reverse routes by name: a first path segment without a dot stands for this base URL. A name may not equal a host of any pattern."`
	ComfyUI         ComfyUI           `yaml:"comfyui" env:"COMFYUI" doc:"The reverse route comfyui: your own ComfyUI servers behind one URL, http://PROXY/comfyui, with Comfy Cloud to fall back to (docs/comfyui.md)."`
	S3              S3                `yaml:"s3" env:"S3" doc:"The S3 protocol on the proxy listener, for S3 clients with an endpoint_url of ours and an S3 access key."`
	Credentials     []Credential      `yaml:"credentials" env:"CREDENTIALS" doc:"Declarative credentials, read-only in the API. Their files are watched, and a change rotates the secret without a restart."`
	Keys            []Key             `yaml:"keys" env:"KEYS" doc:"Declarative API keys, read-only in the API."`
}

// OIDC is the OpenID provider that users may come from.
type OIDC struct {
	Issuer       string   `yaml:"issuer" env:"ISSUER" example:"https://accounts.example.com" doc:"URL of the provider, exactly as its document and its tokens say it. Empty is none."`
	ClientID     string   `yaml:"client_id" env:"CLIENT_ID" example:"weighbridge" doc:"What the provider calls this weighbridge."`
	ClientSecret Source   `yaml:"client_secret" env:"CLIENT_SECRET" example:"{file: /run/secrets/oidc}" doc:"The client's secret, read anew for each sign-in: {env: NAME} or {file: PATH}. Empty for a public client: PKCE is used in either case."`
	RedirectURL  string   `yaml:"redirect_url" env:"REDIRECT_URL" example:"https://weights.example.com:8081/api/v1/auth/oidc/callback" doc:"Where the provider sends browsers back to, as it is registered there: /api/v1/auth/oidc/callback at the address by which browsers reach the admin listener."`
	EmailDomains []string `yaml:"email_domains" env:"EMAIL_DOMAINS" example:"example.com" doc:"Domains of the e-mail addresses that may sign in; the provider must have verified the address. None means any."`
	Team         string   `yaml:"team" env:"TEAM" default:"default" doc:"The team, by name, that a new user is put into."`
	Role         string   `yaml:"role" env:"ROLE" oneof:"owner member viewer" example:"viewer" doc:"The role of a new user in that team. Empty makes no users: only those who are there already come in."`
}

// ServiceAccounts is the cluster whose tokens are taken for keys.
type ServiceAccounts struct {
	Issuer    string `yaml:"issuer" env:"ISSUER" example:"https://kubernetes.default.svc.cluster.local" doc:"The issuer of the cluster's tokens, exactly as they say it (kubectl get --raw /.well-known/openid-configuration). Empty is none."`
	Audience  string `yaml:"audience" env:"AUDIENCE" default:"weighbridge" doc:"What tokens have to be made for: the audience of the projected volume. Tokens of the API server do not count."`
	JWKSFile  string `yaml:"jwks_file" env:"JWKS_FILE" example:"/etc/weighbridge/jwks.json" doc:"The cluster's public keys (kubectl get --raw /openid/v1/jwks): nothing is asked of the cluster then. Read again on reload."`
	JWKSURL   string `yaml:"jwks_url" env:"JWKS_URL" example:"https://kubernetes.default.svc/openid/v1/jwks" doc:"Where the public keys are. Empty is where the issuer's document says."`
	Review    string `yaml:"review" env:"REVIEW" example:"https://kubernetes.default.svc" doc:"URL of the API server: it is asked about each token by TokenReview, and again after 30 s, so that a token ends with its pod. Empty verifies by the public keys, and a token counts until its own end."`
	CAFile    string `yaml:"ca_file" env:"CA_FILE" example:"/var/run/secrets/kubernetes.io/serviceaccount/ca.crt" doc:"Root of the cluster's certificates, PEM. Empty is the system's roots."`
	TokenFile string `yaml:"token_file" env:"TOKEN_FILE" example:"/var/run/secrets/kubernetes.io/serviceaccount/token" doc:"Token by which weighbridge itself asks the cluster, read for each question. TokenReview needs the role system:auth-delegator. Empty asks without."`
}

// TLS of a listener.
type TLS struct {
	CertFile string `yaml:"cert_file" env:"CERT_FILE" example:"/etc/weighbridge/tls.crt" doc:"Certificate chain, PEM. Watched with its key, and read again on SIGHUP: a renewed certificate counts for the next connection."`
	KeyFile  string `yaml:"key_file" env:"KEY_FILE" example:"/etc/weighbridge/tls.key" doc:"Private key of cert_file, PEM."`
	OwnCA    bool   `yaml:"own_ca" env:"OWN_CA" default:"false" doc:"Take a certificate issued by weighbridge's own root instead; workers trust that root already."`
}

// Enabled reports whether the listener speaks TLS.
func (t TLS) Enabled() bool { return t.OwnCA || t.CertFile != "" }

// Log says how the log is written.
type Log struct {
	Level  string `yaml:"level" env:"LEVEL" default:"info" oneof:"debug info warn error" doc:"Least level that is written. No level writes secrets or query strings."`
	Format string `yaml:"format" env:"FORMAT" default:"auto" oneof:"auto console json" doc:"console for people, json for machines, auto for console on a terminal and json otherwise."`
}

// Unmatched is the policy of each mode for URLs that no linked credential
// matches.
type Unmatched struct {
	Forward auth.UnmatchedPolicy `yaml:"forward" env:"FORWARD" default:"pass" oneof:"pass deny" doc:"In forward mode: pass without a credential, or deny."`
	Reverse auth.UnmatchedPolicy `yaml:"reverse" env:"REVERSE" default:"deny" oneof:"pass deny" doc:"In reverse mode: pass without a credential, or deny."`
}

// CA names the files of an operator's own root.
type CA struct {
	CertFile string `yaml:"cert_file" env:"CERT_FILE" example:"/etc/weighbridge/root.crt" doc:"Certificate of the root, PEM."`
	KeyFile  string `yaml:"key_file" env:"KEY_FILE" example:"/etc/weighbridge/root.key" doc:"Private key of the root, PEM, not readable by others."`
}

// Given reports whether the operator brings the root.
func (c CA) Given() bool { return c.CertFile != "" || c.KeyFile != "" }

// Store says which store is used.
type Store struct {
	Driver    string        `yaml:"driver" env:"DRIVER" default:"bbolt" oneof:"bbolt postgres memory" doc:"bbolt is a file below data_dir. postgres is a PostgreSQL database that any number of weighbridges share (docs/replicas.md). memory forgets everything at the end, so it needs ca.cert_file and ca.key_file; the audit record is in memory too then, the newest 32 MiB of it at least, and written to a follower on the standard output where there is one."`
	DSN       Source        `yaml:"dsn" env:"DSN" example:"{file: /run/secrets/weighbridge-dsn}" doc:"The database of driver postgres, a secret: {env: NAME} or {file: PATH} holds a URL, postgres://USER:PASSWORD@HOST:5432/DATABASE, or words such as host=… dbname=…. Its tables lie in the first schema of the search_path. Read at the start."`
	MaxOutage time.Duration `yaml:"max_outage" env:"MAX_OUTAGE" default:"10m" doc:"How long requests are decided by what was known last while the database is out of reach; then they are refused with store_unavailable until it answers. Keys that are revoked meanwhile, where the database can still be reached, count here for as long. 0 refuses at once."`
}

// Audit says how long and how much is kept on record.
type Audit struct {
	Retention time.Duration `yaml:"retention" env:"RETENTION" default:"90d" doc:"How long the record is kept. Whole months are deleted once their last day is older. 0 keeps everything."`
	MaxSize   Size          `yaml:"max_size" env:"MAX_SIZE" default:"0" doc:"How much the record of use may take on disk, about, before its oldest files are removed; files then end at an eighth of it or with the month. At least 16MiB; 0 is no bound."`
	Followers []Follower    `yaml:"followers" env:"FOLLOWERS" doc:"Where each event is sent too, at least once and in order, whenever that works: nothing waits for it. With store.driver memory nothing is served that a follower stdout did not take, or that another one has no room in memory for."`
	TeamQuota Size          `yaml:"team_quota" env:"TEAM_QUOTA" default:"64MiB" doc:"How much one team may write into the record in a minute, with ten minutes' worth in hand, so that it cannot fill the disk for all. Beyond it its requests are refused with audit_unavailable. A request takes about 1 KiB. 0 is no quota."`
}

// Follower is where the record is sent beside its own files.
type Follower struct {
	Name    string `yaml:"name" env:"NAME" example:"siem" doc:"Name, unique among followers: letters, digits, - and _. Under it is kept up to where it has everything."`
	Type    string `yaml:"type" env:"TYPE" default:"file" oneof:"file stdout webhook" doc:"file appends to a file of its own, stdout writes to the standard output, webhook posts lines of JSON (application/x-ndjson)."`
	Path    string `yaml:"path" env:"PATH" example:"/var/log/weighbridge/record.jsonl" doc:"The file, for type file."`
	MaxSize Size   `yaml:"max_size" env:"MAX_SIZE" default:"64MiB" doc:"How large the file may be before it is moved to PATH.1, that to PATH.2, and so on. 0 never moves it."`
	Keep    int    `yaml:"keep" env:"KEEP" default:"5" doc:"How many moved files are kept."`
	URL     string `yaml:"url" env:"URL" example:"https://siem.example.com/weighbridge" doc:"Where to, for type webhook: https, or http on this machine. Redirects are not followed; the *_PROXY variables lead nowhere."`
	Token   Source `yaml:"token" env:"TOKEN" example:"{file: /run/secrets/siem}" doc:"What the webhook wants as a Bearer token, read anew for each request: {env: NAME} or {file: PATH}."`
	MaxLag  Size   `yaml:"max_lag" env:"MAX_LAG" default:"256MiB" doc:"How much of the record may wait for it. What is beyond is dropped for it, counted and logged, and stays on record. With store.driver memory nothing is dropped, and 32 MiB wait."`
}

// Tracing says where spans go.
type Tracing struct {
	Endpoint string `yaml:"endpoint" env:"ENDPOINT" example:"http://localhost:4318" doc:"Base URL of a collector that takes OTLP over HTTP; /v1/traces is added. Empty is none, unless OTEL_EXPORTER_OTLP_ENDPOINT names one. A build without the tag otel refuses it."`
	Token    Source `yaml:"token" env:"TOKEN" example:"{file: /run/secrets/collector}" doc:"What the collector wants as a Bearer token, read anew for each request: {env: NAME} or {file: PATH}."`
}

// Validation says when upstreams are asked about credentials.
type Validation struct {
	Every time.Duration `yaml:"every" env:"EVERY" default:"6h" doc:"How often a credential is validated on a timer, beside when it is created or changed, before it expires, when it is asked for, and when an upstream refuses it. 0 is no timer."`
}

// Upstream says how weighbridge reaches the upstreams.
type Upstream struct {
	CAFile        string            `yaml:"ca_file" env:"CA_FILE" example:"/etc/ssl/corporate.pem" doc:"Extra roots, PEM, that upstream certificates may chain to, beside the system's. Watched, and read again on SIGHUP: what is new counts for the next connection."`
	Resolve       map[string]string `yaml:"resolve" env:"RESOLVE" example:"\"huggingface.co:443\": \"192.0.2.7:9443\"" doc:"Fixed addresses, like curl --resolve: host:port to IP:port. Exempt from the address guard, because an operator wrote it."`
	Proxy         string            `yaml:"proxy" env:"PROXY" example:"http://proxy.corp.example:3128" doc:"Corporate proxy for our own way out, http:// or https://. The *_PROXY variables of weighbridge's environment are ignored."`
	ProxyResolves bool              `yaml:"proxy_resolves" env:"PROXY_RESOLVES" default:"false" doc:"Let that proxy resolve names. Addresses can then not be checked before dialling."`
	AllowPrivate  []netip.Prefix    `yaml:"allow_private" env:"ALLOW_PRIVATE" example:"10.20.0.0/16" doc:"Networks (CIDR) that may be reached although they are private. Metadata addresses never."`
	ConnectPorts  []uint16          `yaml:"connect_ports" env:"CONNECT_PORTS" default:"443" doc:"Ports that CONNECT may name."`
	IdleTimeout   time.Duration     `yaml:"idle_timeout" env:"IDLE_TIMEOUT" default:"60s" doc:"A transfer that moves no byte for this long is broken off. There is no total limit."`
}

// S3 says how S3 clients may name buckets.
type S3 struct {
	Domains []string `yaml:"domains" env:"DOMAINS" example:"s3.weights.example.com" doc:"Domains below which a host name begins with a bucket, as in models.s3.weights.example.com (virtual-host style). Their names must lead to the proxy listener. Path style works without any."`
}

// ComfyUI is the route to the team's own ComfyUI servers.
type ComfyUI struct {
	Servers  []string      `yaml:"servers" env:"SERVERS" example:"http://10.0.0.5:8188" doc:"Base URLs of ComfyUI servers, http or https. Being listed allows exactly this host and port on this route, also where the address is private, and nothing else. Empty is no such route."`
	Team     string        `yaml:"team" env:"TEAM" default:"default" doc:"The one team whose keys may use the route; others get route_forbidden."`
	Health   ComfyUIHealth `yaml:"health" env:"HEALTH" doc:"How it is found out which servers are available."`
	Remember time.Duration `yaml:"remember" env:"REMEMBER" default:"24h" doc:"How long it is remembered on which server a prompt is, so that its history, pictures and messages are asked for there."`
}

// ComfyUIHealth says how ComfyUI servers are watched.
type ComfyUIHealth struct {
	Path     string        `yaml:"path" env:"PATH" default:"/system_stats" doc:"What is asked for with GET, below the server's base URL; a server is available that answers 200. /queue is another good one."`
	Interval time.Duration `yaml:"interval" env:"INTERVAL" default:"10s" doc:"How often each server is asked."`
	Timeout  time.Duration `yaml:"timeout" env:"TIMEOUT" default:"5s" doc:"How long an answer may take. A server that is late or wrong twice in a row is not available, and one that does not take connections at once."`
}

// Limits bound what workers may take.
type Limits struct {
	Connections     int `yaml:"connections" env:"CONNECTIONS" default:"0" doc:"Worker connections in all, tunnels among them. What is beyond gets 503 with overloaded. 0 is no limit but that of open files."`
	TransfersPerKey int `yaml:"transfers_per_key" env:"TRANSFERS_PER_KEY" default:"4096" doc:"Transfers of one API key under way at a time, blind tunnels among them, unless the key has a limit of its own. What is beyond gets 429 with too_many_transfers. 0 is no limit."`
}

// Credential is a declarative credential.
type Credential struct {
	Name     string            `yaml:"name" env:"NAME" example:"hub" doc:"Name, unique among credentials."`
	Provider string            `yaml:"provider" env:"PROVIDER" example:"huggingface" doc:"Kind of upstream, such as huggingface or http_bearer."`
	Fields   map[string]Source `yaml:"fields" env:"FIELDS" example:"token: {env: HF_TOKEN}" doc:"The provider's fields by name: {env: NAME} or {file: PATH}, or {value: TEXT} for fields that are not secret."`
	Patterns []string          `yaml:"patterns" env:"PATTERNS" example:"huggingface.co/my-org/*" doc:"URL patterns that the credential applies to. Empty takes the provider's defaults."`
	Keys     []string          `yaml:"keys" env:"KEYS" example:"trainer" doc:"Names of the API keys that may use it."`
}

// Key is a declarative API key.
type Key struct {
	Name            string               `yaml:"name" env:"NAME" example:"trainer" doc:"Name, unique among API keys."`
	Value           Source               `yaml:"value" env:"VALUE" example:"{file: /run/secrets/trainer-key}" doc:"The key itself, wbk_ and at least 40 alphanumerics: {env: NAME} or {file: PATH}. May be left out where service_accounts is given."`
	ServiceAccounts []string             `yaml:"service_accounts" env:"SERVICE_ACCOUNTS" example:"comfy/worker" doc:"ServiceAccounts that count as this key when they show a token of the cluster in the section service_accounts: NAMESPACE/NAME, or NAMESPACE/* for all of a namespace."`
	URLKey          Source               `yaml:"url_key" env:"URL_KEY" example:"{file: /run/secrets/trainer-url-key}" doc:"Its URL key, wbu_ and at least 40 alphanumerics, for clients that can only be given a URL."`
	Scope           auth.Scope           `yaml:"scope" env:"SCOPE" default:"read" oneof:"read write" doc:"read for downloads, write where something must be uploaded."`
	Expires         time.Time            `yaml:"expires" env:"EXPIRES" example:"2027-06-30" doc:"When it ends: a date (its first moment, UTC) or an RFC 3339 time, at most 365 days ahead. Empty is never."`
	Routes          []string             `yaml:"routes" env:"ROUTES" example:"huggingface.co/my-org/*" doc:"URL patterns that the key is restricted to. Empty is no restriction."`
	Limits          KeyLimits            `yaml:"limits" env:"LIMITS" doc:"What it may take."`
	Sources         []netip.Prefix       `yaml:"sources" env:"SOURCES" example:"10.20.0.0/16" doc:"Networks (CIDR) that it may be used from; what is elsewhere gets 403 with source_forbidden. What counts is the address that a connection comes from. Empty is anywhere."`
	Unmatched       auth.UnmatchedPolicy `yaml:"unmatched" env:"UNMATCHED" oneof:"pass deny" doc:"pass or deny for URLs that no linked credential matches; can only be stricter than the mode's policy. Empty takes that policy."`
	Xet             auth.XetPolicy       `yaml:"xet" env:"XET" oneof:"pass hide" doc:"hide keeps the Hub's xet protocol from the worker, whatever the credential says. Empty, or pass, leaves it to the credential's field xet."`
	Credentials     []string             `yaml:"credentials" env:"CREDENTIALS" example:"hub" doc:"Names of the credentials it may use, beside those that name this key."`
}

// KeyLimits bound what one key may take.
type KeyLimits struct {
	Rate      float64 `yaml:"rate" env:"RATE" default:"0" doc:"Requests a second, in the long run. What is beyond gets 429 with too_many_requests. 0 is no limit."`
	Burst     int     `yaml:"burst" env:"BURST" default:"0" doc:"How many requests may come at once. 0 is one second's worth, and one at least."`
	Transfers int     `yaml:"transfers" env:"TRANSFERS" default:"0" doc:"Transfers under way at a time, in place of limits.transfers_per_key. 0 is that."`
	Bandwidth Size    `yaml:"bandwidth" env:"BANDWIDTH" default:"0" doc:"Bytes of bodies a second, of all its transfers together and in either direction: they are slowed down. 1KiB at least; 0 is no limit."`
}

// Limits are l in the words of the records.
func (l KeyLimits) Limits() auth.Limits {
	return auth.Limits{Rate: l.Rate, Burst: l.Burst, Transfers: l.Transfers, Bandwidth: int64(l.Bandwidth)}
}

// Source says where a value comes from: exactly one of the three. The zero
// Source says nothing.
type Source struct {
	// Env is the name of an environment variable.
	Env string `yaml:"env" env:"ENV" doc:"Name of the environment variable that holds the value."`
	// File is the path of a file; one trailing newline is not part of the
	// value.
	File string `yaml:"file" env:"FILE" doc:"Path of the file that holds the value. Watched; not readable by others."`
	// Value is the value itself, allowed only for fields that are not secret.
	Value string `yaml:"value" env:"VALUE" doc:"The value itself. Refused for secrets."`
}

// Read reads what s names, now; env looks variables up. The error quotes nothing
// of the value.
func (s Source) Read(env func(string) string) (auth.Secret, error) { return value(s, env) }

// IsZero reports whether nothing was said.
func (s Source) IsZero() bool { return s == Source{} }

// Size is a number of bytes, written like 64KiB or 2GiB.
type Size int64
