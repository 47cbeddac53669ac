package auth

import (
	"strings"
)

// segmentKind tells the segments of a pattern's path apart.
type segmentKind uint8

const (
	// literal is compared byte for byte, decoded.
	literal segmentKind = iota
	// star is one whole segment of at least one character.
	star
	// glob is a segment with stars among literal text.
	glob
	// deep is "**": any number of whole segments, none included.
	deep
)

// segment is one segment of a pattern's path.
type segment struct {
	kind segmentKind
	// text is the decoded text of a literal.
	text string
	// parts are the decoded texts between the stars of a glob: the first and
	// the last are anchored and may be empty.
	parts []string
}

// maxDeep bounds how many "**" a pattern has; nobody needs two.
const maxDeep = 4

// parsePath reads the path of a pattern, beginning with its slash.
func (p *Pattern) parsePath(path string) (mistake, fix string) {
	path = escapeNonASCII(path)
	if reason := checkPath(path); reason != "" {
		return "is refused as a path: " + reason, "write the path as it stands in a canonical URL"
	}
	if hasEncodedSlash(path) {
		return "has an encoded slash (%2F), which some servers read as a slash and others not", "write ** or a final /* where it stands"
	}
	texts := strings.Split(path[1:], "/")
	deeps := 0
	for i, text := range texts {
		seg := segment{kind: literal}
		switch {
		case text == "*" && i == len(texts)-1, text == "**" && i == len(texts)-1:
			p.tail = true
			continue
		case text == "**":
			if n := len(p.segments); n > 0 && p.segments[n-1].kind == deep {
				continue // any depth below any depth is any depth
			}
			deeps++
			seg.kind = deep
		case strings.Contains(text, "**"):
			return "has ** inside a segment of its path", "let ** stand for whole segments, such as a/**/b, or write one *"
		case text == "*":
			seg.kind = star
		case strings.Contains(text, "*"):
			seg.kind = glob
			for _, part := range strings.Split(text, "*") {
				seg.parts = append(seg.parts, unescape(part))
			}
		default:
			seg.text = unescape(text)
		}
		p.segments = append(p.segments, seg)
	}
	if deeps > maxDeep {
		return "has more than four ** in its path", "one ** already means any depth"
	}
	// a/**/* is a/*: the remainder at any depth.
	if n := len(p.segments); p.tail && n > 0 && p.segments[n-1].kind == deep {
		p.segments = p.segments[:n-1]
	}
	return "", ""
}

// escapeNonASCII spells characters outside ASCII as a URL does.
func escapeNonASCII(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			escapeByte(&b, s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// print writes the canonical text: literal stars are escaped.
func (s *segment) print(b *strings.Builder) {
	switch s.kind {
	case star:
		b.WriteByte('*')
	case deep:
		b.WriteString("**")
	case glob:
		for i, part := range s.parts {
			if i > 0 {
				b.WriteByte('*')
			}
			printLiteral(b, part)
		}
	default:
		printLiteral(b, s.text)
	}
}

func printLiteral(b *strings.Builder, text string) {
	for i := 0; i < len(text); i++ {
		if c := text[i]; segmentRaw[c] && c != '*' {
			b.WriteByte(c)
		} else {
			escapeByte(b, c)
		}
	}
}

// globMatches reports whether s, decoded, fits the parts of a glob. Taking
// the leftmost place for each middle part is enough: it leaves the most room.
func globMatches(parts []string, s string) bool {
	first, last := parts[0], parts[len(parts)-1]
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}
