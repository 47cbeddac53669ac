package signer

import "strings"

// azureParams are the parameters of a request to Azure by which it is told
// what it does. A name may be there more than once; any of its values counts.
type azureParams map[string][]string

// azureQuery reads a raw query the way the most lenient reader would: names
// and values decoded once, in lower case.
func azureQuery(raw string) azureParams {
	q := azureParams{}
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, _ = unescapeOnce(name)
		value, _ = unescapeOnce(value)
		name = strings.ToLower(name)
		switch name {
		case "comp", "restype", "action", "resource", "snapshot", "versionid":
			q[name] = append(q[name], strings.ToLower(value))
		}
	}
	return q
}

func (q azureParams) has(name string, values ...string) bool {
	for _, v := range q[name] {
		if contains(values, v) {
			return true
		}
	}
	return false
}
