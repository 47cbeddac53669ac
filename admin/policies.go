package admin

import (
	"maps"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// policyChange reports whether fields holds nothing but fields that say how
// answers are treated (auth.Field.Policy): those are changed by themselves,
// without the secret. The error names the first that is no value of its field.
func policyChange(p auth.Provider, fields map[string]string) (bool, error) {
	schema := p.Schema().Fields
	for name := range fields {
		if !slices.ContainsFunc(schema, func(f auth.Field) bool { return f.Name == name && f.Policy }) {
			return false, nil
		}
	}
	for _, f := range schema {
		if v := fields[f.Name]; v != "" && !slices.Contains(f.Options, v) {
			return false, invalid("body.fields."+f.Name, "is one of "+strings.Join(f.Options, ", "), "")
		}
	}
	return len(fields) > 0, nil
}

// withPolicies is params with the policies of given in place of those in old;
// what given does not name stays as it is in old: who renews a secret does not
// mean to loosen a policy.
func withPolicies(p auth.Provider, params, old, given map[string]string) map[string]string {
	out := maps.Clone(params)
	if out == nil {
		out = map[string]string{}
	}
	for _, f := range p.Schema().Fields {
		if !f.Policy {
			continue
		}
		v, named := given[f.Name]
		if !named {
			v = old[f.Name]
		}
		delete(out, f.Name)
		if v != "" {
			out[f.Name] = v
		}
	}
	return out
}
