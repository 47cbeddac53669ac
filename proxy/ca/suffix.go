package ca

import (
	"strings"

	"golang.org/x/net/publicsuffix"
)

// icannSuffix is the public suffix of name by the ICANN section of the public
// suffix list; listed is false where the list's default rule "*" applied.
// Suffixes of the private section (blob.core.windows.net) do not count: those
// are names that somebody registered.
func icannSuffix(name string) (suffix string, listed bool) {
	for {
		suffix, listed = publicsuffix.PublicSuffix(name)
		if listed || !strings.Contains(suffix, ".") {
			return suffix, listed
		}
		name = parent(suffix) // a private suffix: the ICANN one is shorter
	}
}

// registrable is name's registrable domain; empty where name is a public
// suffix itself.
func registrable(name string) string {
	suffix, _ := icannSuffix(name)
	if len(name) <= len(suffix) {
		return ""
	}
	head := name[:len(name)-len(suffix)-1]
	return name[strings.LastIndexByte(head, '.')+1:]
}

// constrainable reports whether a DNS constraint may be name, given that it
// covers everything below name: a registrable domain or less, or an exact host
// of one label that no registry manages (localhost, a container's name). A
// name below which every label is a public suffix of its own (kawasaki.jp) is
// none of these, though itself it may be registered.
func constrainable(name string, exact bool) bool {
	suffix, listed := icannSuffix("below." + name)
	if len(suffix) < len(name) {
		return true
	}
	return exact && !listed && !strings.Contains(name, ".")
}

// parent is name without its first label; empty where it has one label.
func parent(name string) string {
	_, rest, _ := strings.Cut(name, ".")
	return rest
}
