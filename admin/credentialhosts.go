package admin

import (
	"fmt"
	"net/http"
	"sort"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// keepsHosts refuses patterns by which the secret of row, which is not given
// again, would reach a host that it has not reached so far.
func keepsHosts(p auth.Provider, row *auth.Credential, patterns []string) error {
	gained, err := gainedHosts(p, row.Params, row.Patterns, patterns)
	if err != nil || len(gained) == 0 {
		return err
	}
	return problem(http.StatusConflict, "secret_required",
		fmt.Sprintf("credential %q: the new patterns reach %s, where its secret has not been allowed so far", row.Name, strings.Join(gained, ", ")),
		"Give the secret fields again in the same request (--set FIELD=…).")
}

// gainedHosts lists the scheme, host and port of each injecting rule that
// after has and before has not.
func gainedHosts(p auth.Provider, params map[string]string, before, after []string) ([]string, error) {
	had, err := injectionHosts(p, params, before)
	if err != nil {
		return nil, err
	}
	has, err := injectionHosts(p, params, after)
	if err != nil {
		return nil, err
	}
	var gained []string
	for h := range has {
		if !had[h] {
			gained = append(gained, h)
		}
	}
	sort.Strings(gained)
	return gained, nil
}

func injectionHosts(p auth.Provider, params map[string]string, patterns []string) (map[string]bool, error) {
	hosts := map[string]bool{}
	for _, t := range patterns {
		pat, err := auth.ParsePattern(t)
		if err != nil {
			return nil, err
		}
		rules, err := auth.ExpandFor(p, pat, params)
		if err != nil {
			return nil, err
		}
		for _, r := range rules {
			if !r.Bare {
				text := r.Pattern.String()
				rest := text
				if i := strings.Index(text, "://"); i >= 0 {
					rest = text[i+3:]
				}
				end := strings.IndexByte(rest, '/')
				if end < 0 {
					end = len(rest)
				}
				hosts[text[:len(text)-len(rest)]+rest[:end]] = true
			}
		}
	}
	return hosts, nil
}
