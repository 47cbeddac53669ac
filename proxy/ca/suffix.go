package ca

import (
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// registrable is name's registrable domain; empty where name is a public
// suffix itself.
func registrable(name string) string {
	suffix, _ := auth.ICANNSuffix(name)
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
	suffix, listed := auth.ICANNSuffix("below." + name)
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
