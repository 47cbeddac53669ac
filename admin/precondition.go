package admin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/store"
)

// tagged is what has an ETag: a body that shows one thing.
type tagged interface {
	// tagged is what the ETag is made of: what the thing says, without readings
	// such as its last use, and without what is shown once.
	tagged() any
}

// showing shows the thing that the parameters of a path name.
type showing func(ctx context.Context, path func(string) string) (tagged, error)

// thing says that what stands at path has an ETag. Every operation on it and
// below it then takes If-Match, and GET of it If-None-Match.
func (a *API) thing(path string, show showing) { a.things[path] = show }

// bodyOf is what an operation that shows a thing shows.
func bodyOf[O interface{ body() tagged }](out O, err error) (tagged, error) {
	if err != nil {
		return nil, err
	}
	return out.body(), nil
}

// thingOf is the thing that an operation is about: the nearest at or above its
// path.
func (a *API) thingOf(path string) (at string, show showing) {
	for at = path; at != ""; at = at[:strings.LastIndexByte(at, '/')] {
		if show := a.things[at]; show != nil {
			return at, show
		}
	}
	return "", nil
}

// etag is the strong validator of a thing (RFC 9110, section 8.8.3): a digest,
// of which 132 bits tell any two states apart.
func etag(t tagged) string {
	b, _ := json.Marshal(t.tagged()) // what an answer shows can be written
	sum := sha256.Sum256(b)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:])[:22] + `"`
}

// tag puts the ETag of a thing on every answer that shows it.
func tag(hc huma.Context, status string, v any) (any, error) {
	if t, ok := v.(tagged); ok && strings.HasPrefix(status, "2") {
		hc.SetHeader("ETag", etag(t))
	}
	return v, nil
}

// conditional holds requests to their If-Match and If-None-Match (RFC 9110,
// section 13): at once, and once more in the transaction in which the first
// change is made, so that nothing comes between.
func (a *API) conditional(hc huma.Context, next func(huma.Context)) {
	match, none := fields(hc, "If-Match"), fields(hc, "If-None-Match")
	if match == "" && none == "" {
		next(hc)
		return
	}
	at, show := a.thingOf(hc.Operation().Path)
	read := hc.Operation().Method == http.MethodGet // HEAD, too
	if read && (none == "" || at != hc.Operation().Path) {
		next(hc) // If-Match of a GET is of no use here, and a list has no ETag
		return
	}
	state := func(ctx context.Context) (string, error) {
		if show == nil {
			return "", nil
		}
		t, err := show(ctx, hc.Param)
		if err != nil {
			return "", err
		}
		return etag(t), nil
	}
	check := func(ctx context.Context) error {
		now, err := state(ctx)
		var p *Problem
		switch missing := errors.As(err, &p) && p.Status == http.StatusNotFound; {
		case missing && (hc.Method() != http.MethodPut || match == ""):
			return nil // the operation says so
		case err != nil && !missing:
			return err
		case match != "" && !matches(match, now), none != "" && matches(weak(none), now):
			return problem(http.StatusPreconditionFailed, "precondition_failed", "it is not in the state that the request is meant for",
				"Get it anew, and decide again: somebody else changed it meanwhile. The header ETag of the answer goes into If-Match.")
		}
		return nil
	}
	if read {
		if now, err := state(hc.Context()); err == nil && matches(weak(none), now) {
			hc.SetHeader("ETag", now)
			hc.SetStatus(http.StatusNotModified)
			return
		}
		next(hc)
		return
	}
	if err := check(hc.Context()); err != nil {
		a.refuse(hc, a.problemOf(err))
		return
	}
	next(huma.WithContext(hc, store.OnlyIf(hc.Context(), check)))
}

// refuse answers with p.
func (a *API) refuse(hc huma.Context, p *Problem) {
	hc.SetHeader("Content-Type", p.ContentType(""))
	hc.SetStatus(p.Status)
	_ = a.doc.Marshal(hc.BodyWriter(), p.ContentType(""), p)
}

// fields is a list that may come in several fields (RFC 9110, section 5.3).
func fields(hc huma.Context, name string) string {
	var all []string
	hc.EachHeader(func(n, value string) {
		if strings.EqualFold(n, name) {
			all = append(all, value)
		}
	})
	return strings.Join(all, ",")
}

// weak is a list of tags for the weak comparison of If-None-Match, which takes
// a tag that was made weak on its way (RFC 9110, section 13.1.2).
func weak(list string) string { return strings.ReplaceAll(list, `W/"`, `"`) }

// matches reports whether list, of If-Match or If-None-Match, names the ETag;
// no thing has an empty one. A weak tag names no state that anything may be
// changed in, and our own are strong.
func matches(list, etag string) bool {
	if etag == "" {
		return false
	}
	// Our tags hold no comma: a foreign one that does is split, and its pieces
	// are not ours.
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.TrimSpace(one); one == "*" || one == etag {
			return true
		}
	}
	return false
}

// describeConditions puts the conditions into the document, for every operation
// that takes them.
func (a *API) describeConditions() {
	text := &huma.Schema{Type: "string"}
	for path, item := range a.doc.OpenAPI().Paths {
		at, show := a.thingOf(path)
		if show == nil {
			continue
		}
		for method, op := range byMethod(item) {
			switch {
			case method != http.MethodGet:
				op.Parameters = append(op.Parameters, &huma.Param{Name: "If-Match", In: "header", Schema: text,
					Description: "The ETag of the thing as it was seen, or several: the request is refused where it was changed since."})
				a.describeProblem(op, http.StatusPreconditionFailed)
			case at == path:
				op.Parameters = append(op.Parameters, &huma.Param{Name: "If-None-Match", In: "header", Schema: text,
					Description: "The ETag of the thing as it was seen: 304 where it says the same. Readings, such as the last use, may differ."})
				op.Responses["304"] = &huma.Response{Description: http.StatusText(http.StatusNotModified)}
			}
		}
	}
}

// describeProblem adds an error to what an operation may answer.
func (a *API) describeProblem(op *huma.Operation, status int) {
	op.Responses[strconv.Itoa(status)] = &huma.Response{
		Description: http.StatusText(status),
		Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: a.doc.OpenAPI().Components.Schemas.Schema(problemType, true, "")}},
	}
}
