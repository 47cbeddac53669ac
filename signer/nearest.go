package signer

import (
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// sameBeginning is from how many letters on two names that begin alike are
// taken for each other, where none is nearer: parameter and paramName.
const sameBeginning = 4

// NearestField is the field of s that name was probably meant to be, or "".
func NearestField(s *auth.Schema, name string) string {
	known := make([]string, len(s.Fields))
	for i := range s.Fields {
		known[i] = s.Fields[i].Name
	}
	return nearest(name, known)
}

// nearest finds the candidate that name was probably meant to be, or "".
// Another spelling of the same words (apiKey, api_key, API-KEY) always counts;
// otherwise about one slip in three letters does, and in the end the same
// beginning.
func nearest(name string, candidates []string) string {
	best, bestDistance := "", -1
	plain := plainSpelling(name)
	for _, c := range candidates {
		other := plainSpelling(c)
		d := distance(plain, other)
		if d > max(1, len(other)/3) {
			continue
		}
		if bestDistance < 0 || d < bestDistance {
			best, bestDistance = c, d
		}
	}
	if best != "" {
		return best
	}
	longest := sameBeginning - 1
	for _, c := range candidates {
		if n := commonPrefix(plain, plainSpelling(c)); n > longest {
			best, longest = c, n
		}
	}
	return best
}

func commonPrefix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func plainSpelling(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "", ".", "").Replace(s))
}

// distance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b (optimal string alignment). Names longer than
// any field's are not compared.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return longest
	}
	var rows [3][longest + 1]int
	for j := 0; j <= len(b); j++ {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row, above, twoAbove := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], twoAbove[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}
