package auth

import "io"

// Schema says in data what a provider is: the admin API, the portal's form,
// `check` and the conformance test are made from it.
type Schema struct {
	// Name is the word in configuration and API, such as "huggingface".
	Name string `json:"name"`
	// Title is for people, such as "Hugging Face".
	Title string `json:"title"`
	// Help says in a sentence or two what it is for and how to get the secret.
	Help string `json:"help"`
	// Links lead to where the secret is made, and to what says how.
	Links  []HelpLink `json:"links,omitempty"`
	Fields []Field    `json:"fields"`
	// DefaultPatterns apply where the operator gives none. Where there are no
	// defaults, patterns are required.
	DefaultPatterns []string `json:"default_patterns,omitempty"`
	// Example is a pattern of the form that is meant, where there are no defaults.
	Example string `json:"example,omitempty"`
	// Hosts are the provider's own hosts, by which a route or an unmatched
	// request is recognised as this provider's; empty for generic providers.
	Hosts []string `json:"hosts,omitempty"`
}

// HelpLink is a page that helps with getting a secret.
type HelpLink struct {
	Title string `json:"title"`
	URL   string `json:"url"`
}

// Field is one field of a provider, named as in the seed documents.
type Field struct {
	Name     string `json:"name"`
	Title    string `json:"title"`
	Help     string `json:"help,omitempty"`
	Required bool   `json:"required,omitempty"`
	// Secret fields are sealed and never shown.
	Secret bool `json:"secret,omitempty"`
	// Preview allows PreviewOf to show a little of this field; never for
	// passwords.
	Preview bool `json:"preview,omitempty"`
	// Example is a value of the form that is meant, for people.
	Example string `json:"example,omitempty"`
	// Options are the values that the field may have, the first being what it
	// means where it is empty; none allow any value.
	Options []string `json:"options,omitempty"`
	// Policy says that the field changes what answers tell a worker and has no
	// bearing on where the secret goes or how it is sent: it may be changed
	// without giving the secret fields again.
	Policy bool `json:"policy,omitempty"`
}

// Fields are the values of a credential's fields by name, secret or not.
type Fields map[string]Secret

// Rule is one pattern after expansion, and what it does.
type Rule struct {
	Pattern Pattern
	// Bare rules allow a URL and put nothing on it.
	Bare bool
	// Opens rules match nothing: they say at which other hosts the things are
	// that the pattern names, so that tunnels to them are opened. Only a
	// Canonicalizer has any.
	Opens bool
}

// Companion is a host (or all hosts below a suffix) that a provider's
// downloads pass through and that never gets the credential.
type Companion struct {
	// Host is an exact host name, or, with a leading dot, every host below it
	// at any depth.
	Host string
	// Signed companions serve signed URLs: they are intercepted, so that an
	// Authorization that some clients forward to them can be removed. Others
	// (the Hub's CAS) carry the client's own token and are blind tunnels.
	Signed bool
}

// Class is what a request would do at a provider. The zero value is the one
// that no scope allows.
type Class int

// The classes of requests.
const (
	// ClassForbidden requests are refused for every scope: account endpoints,
	// and requests that cannot be understood.
	ClassForbidden Class = iota
	// ClassWrite requests need scope write; so do GETs that mint write power.
	ClassWrite
	// ClassRead requests need scope read.
	ClassRead
	// ClassBody requests are classified by their body of at most
	// MaxClassifyBody bytes; the provider is a BodyClassifier.
	ClassBody
)

// MaxClassifyBody bounds the body that a decision may read (LFS batch).
const MaxClassifyBody = 64 << 10

// Provider is a kind of upstream as deciding sees it: pure, no network.
type Provider interface {
	Schema() Schema
	// Check verifies the fields without any network: missing, unknown,
	// malformed. Its error names every field at fault and quotes no secret.
	Check(f Fields) error
	// Expand turns a pattern as the operator wrote it into the rules that it
	// means at this provider. The first rule is p itself.
	Expand(p Pattern) ([]Rule, error)
	// Companions are asked for once. Of several that cover a host the exact
	// one counts, then the longest suffix. Whatever a rule of this provider
	// says, nothing is put on at them.
	Companions() []Companion
	// Classify says what a request to t would do. It is asked for targets that
	// a rule of this provider matches, and for those on its hosts and
	// companions that no rule matches. t.Path is in canonical spelling: what
	// may stand raw in a segment stands raw, everything else is % and two
	// upper-case digits. A path with encoded slashes is asked about twice, as
	// it is and with slashes in their place, and the worse answer counts.
	Classify(method string, t Target) Class
}

// BodyClassifier is a provider some of whose requests are told apart by their
// body (LFS batch). The body is whole and at most MaxClassifyBody bytes; t is
// as in Classify.
type BodyClassifier interface {
	ClassifyBody(method string, t Target, contentEncoding string, body []byte) Class
}

// Placeholderer is a provider that knows tokens which stand for "none": a
// worker's Authorization of this form is not sent on even without a
// credential.
type Placeholderer interface {
	IsPlaceholder(authorization string) bool
}

// HeaderField is one header field of an answer.
type HeaderField struct{ Name, Value string }

// Refuser is a provider whose clients understand more headers on a refusal.
type Refuser interface {
	RefusalFields(e *Error) []HeaderField
}

// Explainer is a provider whose clients print a field of an answer. Explain is
// called where the upstream refuses a request (401, 403), and adds to the
// header of its answer what had been put on the request, said in one line of
// visible ASCII: a worker cannot know, because it put nothing on.
type Explainer interface {
	Explain(h Header, what string)
}

// Header is a view of a message's header fields. Names are compared without
// case. Strings it returns are copies that stay valid.
type Header interface {
	Get(name string) string
	// Values returns every value of name in order.
	Values(name string) []string
	// Set replaces every field called name by one.
	Set(name, value string)
	// Add appends a field.
	Add(name, value string)
	Del(name string)
}

// Outgoing is a request on its way to the upstream, as signers and rewriters
// see it. A signer may change Header, and Target.RawQuery where its kind puts
// the secret there (query, SAS); nothing else.
type Outgoing struct {
	Method string
	Target Target
	Header Header
	// Decided says that a front has read the header: everything that it names or
	// would change was decided like the target.
	Decided bool
	// Aimed is what a signer found out about Method and Target when it aimed the
	// request, for itself; nil where it was not aimed.
	Aimed any
}

// Asked is a request as the optional response half of a provider sees it.
type Asked struct {
	Method string
	Target Target
	// Reverse tells the modes apart.
	Reverse bool
	// Injected says that a credential is put on the request.
	Injected bool
	// Params and Xet are those of the decision: what the credential and the key
	// say about answers.
	Params map[string]string
	Xet    XetPolicy
}

// Answer is an upstream's answer on its way to the worker, as the optional
// response half of a provider sees it.
type Answer struct {
	Request Asked
	// Status may be changed where the answer has no body (HEAD).
	Status int
	Header Header
	// Return turns an absolute or relative URL of the upstream into the URL by
	// which the worker reaches it through us (reverse mode); in forward mode
	// it returns its argument.
	Return func(ref string) string
	// ReturnPrefix is Return for a URL below which the worker makes others
	// itself, with requests that carry no key of ours: what it returns is
	// sealed, ends without a slash, and stands for ref and everything below
	// it. Nothing is ever put on such a request, and the worker's own
	// Authorization travels. write says that requests which write may come
	// that way too, if the key may write at all. Where the key could not go to
	// ref by itself, or would be given a credential there, it is Return.
	ReturnPrefix func(ref string, write bool) string
}

// BodyRewrite copies src to dst, changed. An error means that what was
// written must not end cleanly.
type BodyRewrite func(dst io.Writer, src io.Reader) error

// Wants is what Rewrite may want of the body of an answer.
type Wants int

const (
	// WantsNothing lets the body stream as it is.
	WantsNothing Wants = iota
	// WantsPlain asks for the body without a content coding.
	WantsPlain
	// WantsWhole asks for it whole as well: the request travels without Range.
	WantsWhole
)

// Rewriter is a provider with a response half.
type Rewriter interface {
	// Prepare says, before the request is sent, what Rewrite may want of the
	// answer's body. h is the header that goes upstream, before a credential is
	// put on; Prepare may take from Accept what Rewrite would have to take
	// back, and changes nothing else.
	Prepare(q Asked, h Header) Wants
	// Rewrite changes the header fields in place and returns how to rewrite
	// the body, or nil to stream it untouched. Where it returns a rewrite the
	// caller drops Content-Length and the fields that speak of ranges and of
	// the bytes the upstream sent.
	Rewrite(a *Answer) (BodyRewrite, error)
}

// Applied says what a signer put on a request.
type Applied struct {
	// Mask are the values that must not come back in an answer: the secret
	// and every derived form that was sent (a Basic pair, a header value). They
	// are the same from one request to the next, as far as possible.
	Mask []Secret
	// Once are values of this request alone that must not come back either: its
	// signature, with which the same request may be made for some minutes. They
	// are found as they stand, and in any other form beside something of Mask.
	Once []Secret
}
