package signer

import "strings"

// withoutLinks removes from a Link field the links that have a relation type
// which hidden names, and leaves the others byte for byte (RFC 8288, section
// 3). A link that cannot be read goes too where its text holds the beginning
// of a hidden type's name: better no link than one that should not be seen.
func withoutLinks(field string, hidden func(rel string) bool, trace string) (rest string, removed bool) {
	var kept []string
	for _, link := range splitUnquoted(field, ',') {
		rel, readable := linkRelation(link)
		drop := !readable && strings.Contains(strings.ToLower(link), trace)
		for _, r := range strings.Fields(rel) {
			drop = drop || hidden(r)
		}
		if drop {
			removed = true
			continue
		}
		kept = append(kept, strings.TrimSpace(link))
	}
	if !removed {
		return field, false
	}
	return strings.Join(kept, ", "), true
}

// mapLinks replaces the targets of the links in a Link field by what edit
// makes of them. Everything else, and links that cannot be read, stay byte for
// byte.
func mapLinks(field string, edit func(rel, target string) string) string {
	links := splitUnquoted(field, ',')
	for i, link := range links {
		rel, readable := linkRelation(link)
		start, end := strings.IndexByte(link, '<'), strings.IndexByte(link, '>')
		if !readable || start < 0 || end < start {
			continue
		}
		links[i] = link[:start+1] + edit(rel, link[start+1:end]) + link[end:]
	}
	return strings.Join(links, ",")
}

// linkRelation returns the value of the first rel parameter: later ones are
// ignored by readers (RFC 8288, section 3.3).
func linkRelation(link string) (rel string, readable bool) {
	link = strings.TrimSpace(link)
	if link == "" {
		return "", true
	}
	end := strings.IndexByte(link, '>')
	if link[0] != '<' || end < 0 {
		return "", false
	}
	for _, param := range splitUnquoted(link[end+1:], ';') {
		name, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "rel") {
			continue
		}
		value = strings.TrimSpace(value)
		if strings.HasPrefix(value, `"`) {
			if len(value) < 2 || !strings.HasSuffix(value, `"`) {
				return "", false
			}
			value = strings.ReplaceAll(value[1:len(value)-1], `\`, "")
		}
		return value, true
	}
	return "", true
}

// splitUnquoted cuts s at sep outside of <…> and "…".
func splitUnquoted(s string, sep byte) []string {
	var out []string
	start, angle, quote := 0, false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote:
			if c == '\\' {
				i++
			} else if c == '"' {
				quote = false
			}
		case angle:
			angle = c != '>'
		case c == '"':
			quote = true
		case c == '<':
			angle = true
		case c == sep:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}
