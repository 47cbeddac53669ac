package signer

import (
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// civitai is Civitai, on both of its domains. Downloads answer with a
// redirect to signed URLs at object stores, which take no credential and
// answer 400 to one.
type civitai struct{}

var _ provider = civitai{}

func init() { register(civitai{}) }

var civitaiNeeds = []string{"token"}

func (civitai) Schema() auth.Schema {
	return auth.Schema{
		Name:  "civitai",
		Title: "Civitai",
		Help:  "Models on Civitai. Make an API key at civitai.com/user/account, section API Keys.",
		Links: []auth.HelpLink{
			{Title: "Make an API key", URL: "https://civitai.com/user/account"},
		},
		Fields: []auth.Field{
			{Name: "token", Title: "API key", Required: true, Secret: true, Preview: true},
		},
		DefaultPatterns: []string{"civitai.com/*", "civitai.red/*"},
		Hosts:           []string{"civitai.com", "civitai.red"},
	}
}

func (p civitai) Check(f auth.Fields) error {
	return checkFields(p.Schema(), f, map[string]fieldRule{"token": tokenProblem})
}

// Expand gives p itself. A host wildcard over Civitai's own domains allows
// bare, and so does naming a delivery host: b2.civitai.com serves signed URLs.
func (civitai) Expand(p auth.Pattern) ([]auth.Rule, error) {
	host := p.Host()
	wild := p.WildcardHost() && (hostBelow(host, "civitai.com") || hostBelow(host, "civitai.red"))
	return []auth.Rule{{Pattern: p, Bare: wild || isCompanion(civitai{}.Companions(), host)}}, nil
}

// Companions are the stores that downloads are redirected to. The account of
// the R2 store is Civitai's; its delivery buckets carry a date in their name.
func (civitai) Companions() []auth.Companion {
	return []auth.Companion{
		{Host: ".5ac0637cfd0766c97916cefa3764fbdf.r2.cloudflarestorage.com", Signed: true},
		{Host: "b2.civitai.com", Signed: true},
		{Host: "b2.civitai.red", Signed: true},
		{Host: "civitai-modelfiles-b2.f004.backblazeb2.com", Signed: true},
		{Host: "s3.us-west-004.backblazeb2.com", Signed: true},
	}
}

// Classify refuses what belongs to the account rather than to models: the
// session and account pages, the token's own user, the private vault, and the
// site's internal procedure calls, which hold API keys and settings.
func (civitai) Classify(method string, t auth.Target) auth.Class {
	verb := classifyMethod(method)
	if verb == auth.ClassForbidden {
		return verb
	}
	return strictest(t.Path, func(w words) auth.Class {
		switch {
		case w.is(0, "login", "logout", "user", "purchase", "payment", "moderator"):
			return auth.ClassForbidden
		case !w.is(0, "api"):
			return verb
		case w.begins(1, "auth", "trpc", "user", "account", "admin", "internal", "webhook", "token", "key"), w.is(1, "me", "mod"):
			return auth.ClassForbidden
		case w.begins(1, "v") && w.is(2, "me", "vault", "user", "users", "account", "keys"):
			return auth.ClassForbidden
		}
		return verb
	})
}

func (civitai) needs() []string { return civitaiNeeds }

// sign puts the key on as a bearer token and removes ?token= from the query:
// it is the other form in which Civitai takes a key, so that two keys would
// contradict each other, and a key in a URL ends in logs.
func (civitai) sign(f auth.Fields, out *auth.Outgoing, _ time.Time) (auth.Applied, error) {
	applied, err := putBearer(out, f["token"])
	if err != nil {
		return auth.Applied{}, err
	}
	if query, removed := withoutParameter(out.Target.RawQuery, "token"); removed {
		out.Target.RawQuery = query
		out.Target.HasQuery = query != ""
	}
	return applied, nil
}
