package signer

import (
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// httpQuery is any server that takes a key in a parameter of the URL.
type httpQuery struct{ anywhere }

var _ provider = httpQuery{}

func init() { register(httpQuery{}) }

var queryNeeds = []string{"paramName", "value"}

func (httpQuery) Schema() auth.Schema {
	return auth.Schema{
		Name:  "http_query",
		Title: "Key in a query parameter",
		Help: "Any server that takes a key in the URL, such as ?token=…. Prefer http_bearer or http_api_key where the server knows a header as well: " +
			"URLs end in logs. Give the URL patterns it is meant for.",
		Fields: []auth.Field{
			{Name: "paramName", Title: "Parameter name", Help: "Such as token, key or api_key.", Required: true},
			{Name: "value", Title: "Value", Help: "As it is, without percent encoding.", Required: true, Secret: true, Preview: true},
			validationURL(),
		},
	}
}

func (p httpQuery) Check(f auth.Fields) error {
	return checkFields(p.Schema(), f, map[string]fieldRule{"paramName": paramNameProblem, "value": paramValueProblem, validationField: validationURLProblem})
}

func (httpQuery) needs() []string { return queryNeeds }

// sign removes the worker's own parameters of that name, in whatever spelling,
// so that there is one and the server has nothing to choose between.
func (httpQuery) sign(f auth.Fields, out *auth.Outgoing, _ time.Time) (auth.Applied, error) {
	name, value := f["paramName"].Reveal(), f["value"].Reveal()
	if paramNameProblem(name) != "" || paramValueProblem(value) != "" {
		return auth.Applied{}, errUnsendable
	}
	lower := strings.ToLower(name)
	putQuery(out, name+"="+escapeQuery(value), func(n string) bool { return n == lower })
	return auth.Applied{Mask: []auth.Secret{f["value"]}}, nil
}

// paramNameProblem takes names that need no encoding, which is all that such
// servers use: others could be read in more than one way.
func paramNameProblem(name string) string {
	for i := 0; i < len(name); i++ {
		if !unreserved(name[i]) {
			return "may have letters, digits and -._~ only"
		}
	}
	return ""
}

// minQuerySecret is the shortest value that is masked in answers, in bytes: a
// server that redirects repeats its query in Location.
const minQuerySecret = 8

func paramValueProblem(v string) string {
	if len(v) < minQuerySecret {
		return "has fewer than eight characters, which could not be told from other text, and masked, where an answer repeats the URL"
	}
	if strings.TrimSpace(v) != v {
		return "has white space around it; remove it (a line end, perhaps)"
	}
	if !pairable(v) {
		return "may not have control characters or line ends"
	}
	return ""
}
