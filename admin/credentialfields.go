package admin

import (
	"fmt"
	"sort"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

func (a *API) provider(name string) (auth.Provider, error) {
	if p, ok := a.providers[name]; ok {
		return p, nil
	}
	names := make([]string, 0, len(a.providers))
	for n := range a.providers {
		names = append(names, n)
	}
	sort.Strings(names)
	return nil, invalid("body.provider", fmt.Sprintf("there is no provider %q", name), "Choose one of: "+strings.Join(names, ", ")+".")
}

// split checks fields with the provider and parts the secret ones from the
// others.
func split(p auth.Provider, fields map[string]string) (secrets auth.Fields, params, previews map[string]string, err error) {
	all := auth.Fields{}
	for k, v := range fields {
		if v == auth.Redacted {
			return nil, nil, nil, invalid("body.fields."+k, "is the redaction text, not a value", "Give the value itself.")
		}
		all[k] = auth.NewSecret(v)
	}
	all = auth.Mend(p, all)
	if err := p.Check(all); err != nil {
		return nil, nil, nil, invalidFields(err)
	}
	secrets, params, previews = auth.Fields{}, map[string]string{}, map[string]string{}
	for _, f := range p.Schema().Fields {
		v, ok := all[f.Name]
		switch {
		case !ok || v.IsZero():
		case !f.Secret:
			params[f.Name] = v.Reveal()
		default:
			secrets[f.Name] = v
			previews[f.Name] = f.PreviewOf(v)
		}
	}
	return secrets, params, previews, nil
}

// patterns parses and expands every pattern, so that nothing is stored that
// would not compile, and returns them in canonical form.
func (a *API) patterns(p auth.Provider, texts []string, params map[string]string) ([]string, error) {
	if len(texts) == 0 {
		return nil, invalid("body.patterns", fmt.Sprintf("provider %q has no default patterns: say which URLs the credential is for", p.Schema().Name), "For example --pattern 'models.example.com/*'.")
	}
	out := make([]string, 0, len(texts))
	seen := map[string]bool{}
	for i, t := range texts {
		pat, err := auth.ParsePattern(t)
		if err == nil {
			_, err = auth.ExpandFor(p, pat, params)
		}
		if err != nil {
			return nil, badPattern(fmt.Sprintf("body.patterns[%d]", i), err)
		}
		if s := pat.String(); !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out, nil
}
