package portal

import (
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// formWith is what a browser sends of the form of a page that has a field of this
// name, as it came.
func formWith(t *testing.T, page, field string) url.Values {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Data != "form" || n.Type != html.ElementNode {
			continue
		}
		if form := fieldsOf(n); form.Has(field) {
			return form
		}
	}
	t.Fatalf("no form has a field %s: %s", field, page)
	return nil
}

// fieldsOf are the successful controls of a form (HTML, section 4.10.22.4).
func fieldsOf(form *html.Node) url.Values {
	out := url.Values{}
	for n := range form.Descendants() {
		name := attr(n, "name")
		if n.Type != html.ElementNode || name == "" {
			continue
		}
		switch n.Data {
		case "input":
			if kind := attr(n, "type"); kind != "checkbox" && kind != "radio" || has(n, "checked") {
				out.Add(name, attr(n, "value"))
			}
		case "textarea":
			out.Add(name, strings.ReplaceAll(textOf(n), "\n", "\r\n"))
		case "select":
			chosen := ""
			first := true
			for o := range n.Descendants() {
				if o.Data == "option" && (first || has(o, "selected")) {
					if first = false; has(o, "value") {
						chosen = attr(o, "value")
					} else {
						chosen = textOf(o)
					}
				}
			}
			out.Add(name, chosen)
		}
	}
	return out
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for one := range n.Descendants() {
		if one.Type == html.TextNode {
			b.WriteString(one.Data)
		}
	}
	return b.String()
}
