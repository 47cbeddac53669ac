package auth

import (
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"
)

// This file says the rules again, slowly and plainly, for the tests to
// compare with: patterns are read from their text each time, every rule is
// tried in turn, nothing is indexed or remembered. It shares with the product
// only the parsers of state and URLs.

// refPattern is a pattern taken apart by plain cutting of its canonical text.
type refPattern struct {
	scheme, host, port string
	path               []string
}

func refParse(canonical string) refPattern {
	p := refPattern{scheme: "https", port: "443"}
	if rest, ok := strings.CutPrefix(canonical, "http://"); ok {
		p.scheme, p.port, canonical = "http", "80", rest
	}
	authority, path, _ := strings.Cut(canonical, "/")
	p.host = authority
	if strings.HasPrefix(authority, "[") {
		p.host = authority[1:strings.Index(authority, "]")]
		authority = authority[strings.Index(authority, "]")+1:]
	}
	if host, port, ok := strings.Cut(authority, ":"); ok {
		p.port = port
		if host != "" {
			p.host = host
		}
	}
	p.path = strings.Split(path, "/")
	return p
}

// refMatches reports whether canonical pattern text matches path, in one
// reading, at t's host.
func refMatches(canonical string, t Target, path string) bool {
	p := refParse(canonical)
	if p.scheme != t.Scheme || p.port != strconv.Itoa(int(t.Port)) {
		return false
	}
	labels, host := strings.Split(p.host, "."), strings.Split(t.Host, ".")
	if len(labels) != len(host) {
		return false
	}
	for i := range labels {
		if labels[i] != "*" && labels[i] != host[i] {
			return false
		}
	}
	return refPath(p.path, strings.Split(path[1:], "/"))
}

func refPath(pattern, path []string) bool {
	switch {
	case len(pattern) == 0:
		return len(path) == 0
	case len(pattern) == 1 && pattern[0] == "*":
		return len(path) >= 1
	case pattern[0] == "**":
		for i := 0; i <= len(path); i++ {
			if refPath(pattern[1:], path[i:]) {
				return true
			}
		}
		return false
	case len(path) == 0:
		return false
	}
	seg, err := url.PathUnescape(path[0])
	if err != nil {
		return false
	}
	if pattern[0] == "*" && seg == "" {
		return false
	}
	return refGlob(pattern[0], seg) && refPath(pattern[1:], path[1:])
}

// refGlob matches one segment, character by character.
func refGlob(pattern, s string) bool {
	if pattern == "" {
		return s == ""
	}
	if pattern[0] == '*' {
		for i := 0; i <= len(s); i++ {
			if refGlob(pattern[1:], s[i:]) {
				return true
			}
		}
		return false
	}
	c, rest := pattern[0], pattern[1:]
	if c == '%' {
		n, _ := strconv.ParseUint(pattern[1:3], 16, 8)
		c, rest = byte(n), pattern[3:]
	}
	return s != "" && s[0] == c && refGlob(rest, s[1:])
}

// refSpecificity are the numbers of the order, the first that differs
// decides, more is more specific.
func refSpecificity(canonical string) [4]int {
	p := refParse(canonical)
	exact, length, wildcards, explicit := 1, 0, strings.Count(p.host, "*"), 0
	if wildcards > 0 {
		exact = 0
	}
	for _, seg := range p.path {
		if seg == "**" {
			wildcards++
			continue
		}
		wildcards += strings.Count(seg, "*")
		plain, _ := url.PathUnescape(strings.ReplaceAll(seg, "*", ""))
		length += 1 + len(plain)
	}
	if p.scheme == "http" {
		explicit += 2
	}
	if p.scheme == "http" && p.port != "80" || p.scheme == "https" && p.port != "443" {
		explicit++
	}
	return [4]int{exact, length, -wildcards, explicit}
}

// refRule is one rule of one credential.
type refRule struct {
	cred     *Credential
	provider Provider
	rule     Rule
	written  string
}

// refRules expands every pattern of every credential that keep wants.
func refRules(s State, keep func(c *Credential) bool) []refRule {
	var out []refRule
	for i := range s.Credentials {
		c := &s.Credentials[i]
		if !keep(c) {
			continue
		}
		p := refProvider(c.Provider)
		for _, text := range c.Patterns {
			pattern, err := ParsePattern(text)
			if err != nil {
				panic(err)
			}
			rules, err := p.Expand(pattern)
			if err != nil {
				panic(err)
			}
			for _, r := range rules {
				out = append(out, refRule{c, p, r, pattern.String()})
			}
		}
	}
	return out
}

func refProvider(name string) Provider {
	for _, p := range testProviders {
		if p.Schema().Name == name {
			return p
		}
	}
	return nil
}

// refBest sorts all rules that match and takes the first.
func refBest(rules []refRule, t Target, path string, now time.Time) *refRule {
	var match []refRule
	for _, r := range rules {
		if refMatches(r.rule.Pattern.String(), t, path) {
			match = append(match, r)
		}
	}
	if len(match) == 0 {
		return nil
	}
	sort.SliceStable(match, func(i, j int) bool { return refBefore(match[i], match[j], now) })
	return &match[0]
}

func refBefore(a, b refRule, now time.Time) bool {
	x, y := refSpecificity(a.rule.Pattern.String()), refSpecificity(b.rule.Pattern.String())
	for i := range x {
		if x[i] != y[i] {
			return x[i] > y[i]
		}
	}
	if a.cred.ID != b.cred.ID {
		if a.cred.Usable(now) != b.cred.Usable(now) {
			return a.cred.Usable(now)
		}
		if !a.cred.CreatedAt.Equal(b.cred.CreatedAt) {
			return a.cred.CreatedAt.After(b.cred.CreatedAt)
		}
		return a.cred.ID < b.cred.ID
	}
	if a.rule.Bare != b.rule.Bare {
		return a.rule.Bare
	}
	if a.rule.Pattern.String() != b.rule.Pattern.String() {
		return a.rule.Pattern.String() < b.rule.Pattern.String()
	}
	return a.written < b.written
}

// refReadings are the paths that a server may see.
func refReadings(path string) []string {
	open := strings.ReplaceAll(strings.ReplaceAll(path, "%2F", "/"), "%2f", "/")
	if open == path {
		return []string{path}
	}
	return []string{path, open}
}

// refCompanion reports whether t is on a companion host of p.
func refCompanion(p Provider, host string) bool {
	for _, c := range p.Companions() {
		if c.Host == host || strings.HasPrefix(c.Host, ".") && strings.HasSuffix(host, c.Host) {
			return true
		}
	}
	return false
}

func refOnHTTPS(t Target) bool { return t.Scheme == "https" && t.Port == 443 }

// refSigned looks for signatures with the standard library's query parser.
func refSigned(raw string) (signed, bearer bool) {
	have := map[string]bool{}
	for _, pair := range strings.Split(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name, err := url.PathUnescape(name); err == nil && value != "" {
			have[strings.ToLower(name)] = true
		}
	}
	all := func(names ...string) bool {
		for _, n := range names {
			if !have[n] {
				return false
			}
		}
		return true
	}
	sas := all("sig", "se") || all("sig", "si") || all("sig", "sv", "sp")
	signed = sas || all("x-amz-signature", "x-amz-credential") || all("x-amz-signature", "x-amz-algorithm") ||
		all("x-goog-signature", "x-goog-credential") || all("x-goog-signature", "x-goog-algorithm") ||
		all("signature", "expires", "awsaccesskeyid") || all("signature", "expires", "googleaccessid") ||
		all("signature", "key-pair-id", "policy") || all("signature", "key-pair-id", "expires") || all("x-xet-signed-range")
	return signed, sas && all("sduoid")
}
