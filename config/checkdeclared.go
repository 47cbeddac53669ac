package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weighbridge/weighbridge/auth"
)

// maxName is how many characters a name may have.
const maxName = 128

// checkName checks a name and that it is the only one of its kind.
func (l *loader) checkName(path, name string, seen map[string]string) {
	at := path + ".name"
	switch {
	case l.failed(at):
	case name == "":
		l.wrong(at, "a name is required", "")
	case utf8.RuneCountInString(name) > maxName:
		l.wrong(at, fmt.Sprintf("the name has more than %d characters", maxName), "")
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.TrimSpace(name) != name:
		l.wrong(at, fmt.Sprintf("the name %q has characters that are not printable, or a space at an end", show(name)), "")
	case strings.HasPrefix(name, auth.KeyPrefix) || strings.HasPrefix(name, auth.URLKeyPrefix):
		l.wrong(at, "the name looks like a key", "take a word that people know it by")
	case seen[name] != "":
		l.wrong(at, fmt.Sprintf("%q is the name of %s already", show(name), seen[name]), "take another name")
	default:
		seen[name] = path
	}
}

func (l *loader) checkKeys() {
	names, values := map[string]string{}, map[auth.KeyHash]string{}
	for i := range l.config.Keys {
		k, path := &l.config.Keys[i], item("keys", i)
		l.checkName(path, k.Name, names)
		if k.Value.IsZero() && len(k.ServiceAccounts) == 0 && !l.failed(path+".value") {
			l.wrong(path+".value", "is missing", "say where the key comes from: {env: NAME} or {file: PATH}")
		}
		if !k.Value.IsZero() {
			l.checkKeyValue(path+".value", k.Value, auth.HashAPIKey, auth.KeyPrefix, values)
		}
		l.checkKeyValue(path+".url_key", k.URLKey, auth.HashURLKey, auth.URLKeyPrefix, values)
		l.checkPatterns(path+".routes", k.Routes, l.owner, nil)
		if err := k.Limits.Limits().Check(); err != nil && !l.failed(path+".limits") {
			l.wrong(path+".limits", err.Error(), "")
		}
		for j, p := range k.Sources {
			if err := auth.CheckSource(p); err != nil && !l.failed(item(path+".sources", j)) {
				l.wrong(item(path+".sources", j), err.Error(), "")
			}
		}
		if k.Expires.Sub(l.o.Now()) > auth.MaxLife {
			l.wrong(path+".expires", fmt.Sprintf("%s is more than 365 days ahead", k.Expires.Format(time.RFC3339)), "a key ends within 365 days, or never: leave it out")
		}
		if !k.Expires.IsZero() && k.Expires.Before(l.o.Now()) {
			l.warn(path+".expires", fmt.Sprintf("the key %q expired at %s", show(k.Name), k.Expires.Format(time.RFC3339)), "")
		}
	}
}

// checkKeyValue checks where a key comes from and that it is one.
func (l *loader) checkKeyValue(path string, s Source, hash func(string) (auth.KeyHash, bool), prefix string, seen map[auth.KeyHash]string) {
	v, ok := l.secret(path, s, true)
	if !ok {
		return
	}
	h, ok := hash(v.Reveal())
	switch {
	case !ok:
		l.wrong(path, fmt.Sprintf("what it names is not a key: a key is %s and at least 40 letters and digits", prefix), "make one: weighbridge key create prints it")
	case seen[h] != "":
		l.wrong(path, "is the same key as "+seen[h], "each key is an identity of its own: make another")
	default:
		seen[h] = path
	}
}

// secret checks a source and reads it. ok is false where there is nothing to
// check further.
func (l *loader) secret(path string, s Source, secret bool) (v auth.Secret, ok bool) {
	if s.IsZero() || l.failed(path) {
		return v, false
	}
	n := 0
	for _, said := range []string{s.Env, s.File, s.Value} {
		if said != "" {
			n++
		}
	}
	switch {
	case secret && s.Value != "":
		l.wrong(path, "a secret may not stand in the configuration", "write {env: NAME} or {file: PATH}")
		return v, false
	case n > 1:
		l.wrong(path, "says more than one place", "write exactly one of {env: NAME} and {file: PATH}")
		return v, false
	}
	v, err := value(s, l.lookup)
	if err != nil {
		l.wrong(path, err.Error(), "")
		return v, false
	}
	if who := exposed(s.File, false); secret && s.File != "" && who != "" {
		l.wrong(path, fmt.Sprintf("the file %s holds a secret, and %s it", show(s.File), who), "chmod 600 "+show(s.File))
	}
	return v, true
}

// owner is the provider among whose own hosts that of p is, or nil: routes are
// expanded by it.
func (l *loader) owner(p auth.Pattern) auth.Provider {
	if p.Scheme() == "s3" {
		return nil // its host is a bucket
	}
	for _, name := range slices.Sorted(maps.Keys(l.providers)) {
		for _, h := range l.schemas[name].Hosts {
			if h == p.Host() || strings.HasPrefix(h, ".") && strings.HasSuffix(p.Host(), h) {
				return l.providers[name]
			}
		}
	}
	return nil
}

// checkPatterns parses patterns; the provider that by names, where it names
// one, expands them for a credential with params.
func (l *loader) checkPatterns(path string, patterns []string, by func(auth.Pattern) auth.Provider, params map[string]string) {
	seen := map[string]int{}
	for i, text := range patterns {
		at := item(path, i)
		if l.failed(at) {
			continue
		}
		p, err := auth.ParsePattern(text)
		var pe *auth.PatternError
		switch {
		case errors.As(err, &pe):
			l.wrong(at, fmt.Sprintf("the pattern %q %s", pe.Pattern, pe.Mistake), pe.Fix)
			continue
		case err != nil:
			l.wrong(at, err.Error(), "")
			continue
		}
		if first, ok := seen[p.String()]; ok {
			l.wrong(at, fmt.Sprintf("the pattern %q is also %s", p, item(path, first)), "keep one of the two")
		}
		seen[p.String()] = i
		if provider := by(p); provider != nil {
			if _, err := auth.ExpandFor(provider, p, params); err != nil {
				l.wrong(at, fmt.Sprintf("the pattern %q does not fit the provider: %v", p, err), "")
			}
		}
	}
}

func (l *loader) checkCredentials() {
	names := map[string]string{}
	for i := range l.config.Credentials {
		c, path := &l.config.Credentials[i], item("credentials", i)
		l.checkName(path, c.Name, names)
		schema, known := l.schemas[c.Provider]
		switch {
		case l.failed(path + ".provider"):
		case c.Provider == "":
			l.wrong(path+".provider", "is missing", "providers are "+strings.Join(slices.Sorted(maps.Keys(l.schemas)), ", "))
		case !known:
			l.wrong(path+".provider", fmt.Sprintf("there is no provider %q", show(c.Provider)), didYouMean(c.Provider, slices.Sorted(maps.Keys(l.schemas)), "providers"))
		}
		l.checkPatterns(path+".patterns", c.Patterns, func(auth.Pattern) auth.Provider { return l.providers[c.Provider] }, l.plainFields(c, schema))
		if !known {
			continue
		}
		if len(c.Patterns) == 0 && len(schema.DefaultPatterns) == 0 && !l.failed(path+".patterns") {
			l.wrong(path+".patterns", fmt.Sprintf("the provider %s has no default patterns", c.Provider), "say which URLs the credential is for")
		}
		l.checkFields(path+".fields", c, schema)
	}
}

// plainFields are the fields that are not secret, as far as they can be read:
// what cannot is reported by checkFields.
func (l *loader) plainFields(c *Credential, schema auth.Schema) map[string]string {
	params := map[string]string{}
	for _, f := range schema.Fields {
		if s, ok := c.Fields[f.Name]; ok && !f.Secret {
			if v, err := value(s, l.lookup); err == nil && !v.IsZero() {
				params[f.Name] = v.Reveal()
			}
		}
	}
	return params
}

// checkFields holds a credential's fields to the provider's schema.
func (l *loader) checkFields(path string, c *Credential, schema auth.Schema) {
	if l.failed(path) && len(c.Fields) == 0 {
		return
	}
	var names []string
	fields := map[string]auth.Field{}
	for _, f := range schema.Fields {
		names = append(names, f.Name)
		fields[f.Name] = f
		if f.Required && c.Fields[f.Name].IsZero() && !l.failed(member(path, f.Name)) {
			l.wrong(member(path, f.Name), fmt.Sprintf("the provider %s needs this field (%s)", c.Provider, f.Title), "say where it comes from: {env: NAME} or {file: PATH}")
		}
	}
	values, whole := auth.Fields{}, true
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		at := member(path, name)
		f, ok := fields[name]
		if !ok {
			p, said := l.keyPlaces[at]
			if !said {
				p = l.placeOf(at)
			}
			l.at(p, at, fmt.Sprintf("the provider %s has no field %q", c.Provider, show(name)), didYouMean(name, names, "its fields"))
			whole = false
			continue
		}
		v, ok := l.secret(at, c.Fields[name], f.Secret)
		whole = whole && ok
		values[name] = v
	}
	if p := l.providers[c.Provider]; p != nil && whole && !l.failed(path) {
		if err := p.Check(auth.Mend(p, values)); err != nil {
			l.wrong(path, err.Error(), "")
		}
	}
}

// checkReferences looks for names that nothing in the configuration bears.
// They may be in the store, unless that begins empty.
func (l *loader) checkReferences() {
	c := &l.config
	var keyNames, credNames []string
	for i := range c.Keys {
		keyNames = append(keyNames, c.Keys[i].Name)
	}
	for i := range c.Credentials {
		credNames = append(credNames, c.Credentials[i].Name)
	}
	refer := func(path, name, kind string, known []string) {
		if name == "" || slices.Contains(known, name) {
			return
		}
		message := fmt.Sprintf("no %s of the configuration is called %q", kind, show(name))
		if c.Store.Driver == "memory" {
			l.wrong(path, message, didYouMean(name, known, kind+"s"))
			return
		}
		hint := "it must be in the store: weighbridge " + kind + " list shows those"
		if s := suggest(name, known); s != "" {
			hint = fmt.Sprintf("did you mean %q? Otherwise %s", s, hint)
		}
		l.warn(path, message, hint)
	}
	used := map[string]bool{}
	for i := range c.Credentials {
		path := item("credentials", i) + ".keys"
		for j, name := range c.Credentials[i].Keys {
			refer(item(path, j), name, "key", keyNames)
			if slices.Contains(c.Credentials[i].Keys[:j], name) {
				l.wrong(item(path, j), fmt.Sprintf("%q appears twice", show(name)), "")
			}
		}
		used[c.Credentials[i].Name] = len(c.Credentials[i].Keys) > 0
	}
	for i := range c.Keys {
		path := item("keys", i) + ".credentials"
		for j, name := range c.Keys[i].Credentials {
			refer(item(path, j), name, "credential", credNames)
			used[name] = true
			if slices.Contains(c.Keys[i].Credentials[:j], name) {
				l.wrong(item(path, j), fmt.Sprintf("%q appears twice", show(name)), "")
			}
		}
	}
	refer("default_key", c.DefaultKey, "key", keyNames)
	for i, name := range credNames {
		if !used[name] && name != "" {
			l.warn(item("credentials", i), fmt.Sprintf("no key may use the credential %q", show(name)), "name keys in its field keys, or link it later: weighbridge link")
		}
	}
}
