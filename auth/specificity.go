package auth

import (
	"cmp"
	"strings"
	"time"
)

// rank is how specific a pattern is; more is more specific. From the highest
// bit down:
//
//	63     the host is exact
//	32–55  length of the literal path, decoded, slashes included ("**" brings none)
//	8–31   all ones minus the number of wildcards, in host and path
//	0–1    the scheme, the port are written out
//
// Two patterns of different text can have the same rank.
type rank uint64

func (p *Pattern) rankOf() rank {
	length, wildcards := 0, strings.Count(p.host, "*")
	var r rank
	if wildcards == 0 {
		r = 1 << 63
	}
	for i := range p.segments {
		switch s := &p.segments[i]; s.kind {
		case literal:
			length += 1 + len(s.text)
		case star:
			length++
			wildcards++
		case glob:
			length++
			wildcards += len(s.parts) - 1
			for _, part := range s.parts {
				length += len(part)
			}
		case deep:
			wildcards++
		}
	}
	if p.tail {
		length++
		wildcards++
	}
	r |= rank(length)<<32 | rank(1<<24-1-wildcards)<<8
	if p.scheme == schemeHTTP {
		r |= 2
	}
	if p.port != defaultPort(p.scheme) {
		r |= 1
	}
	return r
}

// before is the total order in which the rules that match one target are
// considered, the chosen one first: the more specific pattern, then a usable
// credential before an unusable one, then the newest credential, then the
// lower id. Rules of one credential come bare first, because nothing put on
// is the safe side, then by their texts.
//
// An unusable credential loses only against equally specific ones: the rule
// of an unusable credential still beats every less specific rule.
func before(a, b *rule, now time.Time) bool {
	if a.pattern.rank != b.pattern.rank {
		return a.pattern.rank > b.pattern.rank
	}
	if a.cred != b.cred {
		ua, ub := a.cred.record.Usable(now), b.cred.record.Usable(now)
		if ua != ub {
			return ua
		}
	}
	return byPreference(a, b) < 0
}

// byPreference is the part of the order that neither specificity nor the
// clock decides. Only rules with the same credential, text and origin are
// equal in it.
func byPreference(a, b *rule) int {
	if a.cred != b.cred {
		x, y := &a.cred.record, &b.cred.record
		return cmp.Or(y.CreatedAt.Compare(x.CreatedAt), strings.Compare(x.ID, y.ID))
	}
	if a.bare != b.bare {
		if a.bare {
			return -1
		}
		return 1
	}
	return cmp.Or(strings.Compare(a.pattern.text, b.pattern.text), strings.Compare(a.written, b.written))
}
