package admin

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// defaultPage is how many things a page has where the request does not say.
const defaultPage = 100

// PageInput is what every list takes. Embed it in the list's input.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"At most so many on a page."`
	Cursor string `query:"cursor" maxLength:"4096" pattern:"^[A-Za-z0-9_-]*$" doc:"Where to go on: next_cursor of the page before."`
}

// Next is what every list ends with. Embed it in the list's body; the answer
// then also carries a Link to the next page (RFC 8288).
type Next struct {
	NextCursor string `json:"next_cursor,omitempty" doc:"The query parameter cursor of the next page; absent on the last one."`
}

func (n Next) next() string { return n.NextCursor }

// page picks the page of rows that in asks for, in the order of what order says
// of a row, which must tell any two of them apart: a name and an id. Nothing is
// kept between two pages: whatever comes, goes or is renamed meanwhile, what
// stays as it is stands on exactly one of them. list names what is listed, with
// all else that the order depends on; a cursor of one list is none of another.
func page[T any](in PageInput, list string, rows []T, order func(T) []string) ([]T, Next, error) {
	limit := cmp.Or(in.Limit, defaultPage)
	type placed struct {
		place []string
		row   T
	}
	all := make([]placed, len(rows))
	for i, r := range rows {
		all[i] = placed{order(r), r}
	}
	slices.SortFunc(all, func(a, b placed) int { return slices.Compare(a.place, b.place) })
	if in.Cursor != "" {
		after, err := readCursor(in.Cursor, list)
		if err != nil {
			return nil, Next{}, err
		}
		from, _ := slices.BinarySearchFunc(all, after, func(p placed, after []string) int {
			// What the cursor names was on the page before.
			return cmp.Or(slices.Compare(p.place, after), -1)
		})
		all = all[from:]
	}
	var next Next
	if len(all) > limit {
		all = all[:limit]
		next.NextCursor = cursorOf(list, all[limit-1].place)
	}
	out := make([]T, len(all))
	for i := range all {
		out[i] = all[i].row
	}
	return out, next, nil
}

// cursorOf is the place of a row in a list. It says nothing but what the row
// itself shows: it needs no seal, since all that it can do is to name a place
// in what its bearer may list anyway.
func cursorOf(list string, place []string) string {
	b, _ := json.Marshal(append([]string{list}, place...)) // strings always encode
	return base64.RawURLEncoding.EncodeToString(b)
}

// readCursor takes nothing but what cursorOf makes for the same list.
func readCursor(cursor, list string) ([]string, error) {
	var parts []string
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(b, &parts)
	}
	if err != nil || len(parts) < 2 || parts[0] != list || cursorOf(list, parts[1:]) != cursor {
		return nil, invalid("query.cursor", "it is no cursor of this list", "Begin again without one, and go on with the next_cursor of each answer as it is.")
	}
	return parts[1:], nil
}

// linkNext adds the Link to the next page where there is one.
func linkNext(hc huma.Context, _ string, v any) (any, error) {
	if n, ok := v.(interface{ next() string }); ok && n.next() != "" {
		u := hc.URL()
		q := u.Query()
		q.Set("cursor", n.next())
		hc.SetHeader("Link", "<"+(&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: q.Encode()}).String()+`>; rel="next"`)
	}
	return v, nil
}

// byName is the order of most lists.
func byName(name, id string) []string { return []string{name, id} }

// sortable writes a number that is not negative so that texts sort as numbers
// do; reversed, the greatest comes first.
func sortable(n int64, reversed bool) string {
	if reversed {
		n = 1<<63 - 1 - n
	}
	s := strconv.FormatInt(n, 10)
	return "0000000000000000000"[len(s):] + s
}
