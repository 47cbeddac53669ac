package signer

import (
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// huggingFace is the Hugging Face Hub. Its other files: hfhosts.go (who gets
// the token), hfroutes.go (what a pattern expands to), hfread.go and
// hfbatch.go (what a request does), hfrewrite.go and hfxet.go (answers),
// hfworker.go (placeholders and refusals, as its clients understand them).
type huggingFace struct{}

var (
	_ provider            = huggingFace{}
	_ auth.BodyClassifier = huggingFace{}
	_ auth.Placeholderer  = huggingFace{}
	_ auth.Refuser        = huggingFace{}
	_ auth.Explainer      = huggingFace{}
	_ auth.Rewriter       = huggingFace{}
)

func init() { register(huggingFace{}) }

var hubNeeds = []string{"token"}

func (huggingFace) Schema() auth.Schema {
	return auth.Schema{
		Name:  "huggingface",
		Title: "Hugging Face",
		Help:  "Gated and private models, datasets and Spaces. Make a token of role read at huggingface.co/settings/tokens, and accept the licence of each gated model on its page.",
		Links: []auth.HelpLink{
			{Title: "Make an access token", URL: "https://huggingface.co/settings/tokens"},
			{Title: "About access tokens", URL: "https://huggingface.co/docs/hub/security-tokens"},
			{Title: "Gated models", URL: "https://huggingface.co/docs/hub/models-gated"},
		},
		Fields: []auth.Field{
			{Name: "token", Title: "Access token", Help: "Begins with hf_. A fine-grained token needs read access to the contents of gated repositories.", Required: true, Secret: true, Preview: true},
			{Name: xetField, Title: "Xet", Help: "pass lets clients use xet, which fetches a file in many pieces at once. hide keeps it from them, so that they fetch each file by one signed URL.", Options: []string{string(auth.XetPass), string(auth.XetHide)}, Policy: true},
		},
		DefaultPatterns: []string{"huggingface.co/*", "*.hf.co/*"},
		Hosts:           []string{hubHost, hubShortHost},
	}
}

// Check accepts any token that a header field can carry: organisations' and
// older tokens have other forms than hf_…. What is certainly not a token of
// the Hub is refused by name.
func (p huggingFace) Check(f auth.Fields) error {
	return checkFields(p.Schema(), f, map[string]fieldRule{"token": func(v string) string {
		switch {
		case tokenProblem(v) != "":
			return tokenProblem(v)
		case ownKey(v):
			return "is a key of weighbridge; give the token of Hugging Face, such as hf_…"
		case placeholder(v):
			return "is a placeholder; give the token of Hugging Face itself"
		}
		return ""
	}})
}

// ownKey reports whether v is an API key, URL key or access token of ours, in
// a form that nobody else uses. (An API key can also be written hf_…, which
// cannot be told from the Hub's own tokens.)
func ownKey(v string) bool {
	return strings.HasPrefix(v, auth.KeyPrefix) || strings.HasPrefix(v, auth.URLKeyPrefix) || strings.HasPrefix(v, "wbt_")
}

func (huggingFace) needs() []string { return hubNeeds }

// hubGitUser stands before the token in Basic credentials. The Hub looks at
// the password alone.
const hubGitUser = "hf_user"

// sign uses Basic on the routes of git and git-lfs, where the Hub documents
// the token as the password, and Bearer everywhere else.
func (huggingFace) sign(f auth.Fields, out *auth.Outgoing, _ time.Time) (auth.Applied, error) {
	if w := splitWords(out.Target.Path); gitRouteOf(&w) != notGit {
		return putBasic(out, hubGitUser, f["token"])
	}
	return putBearer(out, f["token"])
}
