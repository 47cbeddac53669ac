package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
)

// gives says that op answers with bytes of a kind of its own.
func gives(kind string, op huma.Operation) huma.Operation {
	op.Responses = map[string]*huma.Response{"200": {
		Description: "OK", Content: map[string]*huma.MediaType{kind: {Schema: &huma.Schema{Type: "string", Format: "binary"}}},
	}}
	return op
}

// onRef is an operation on one thing that exists: it may be missing, and may
// refuse what is asked of it.
func onRef(id, method, path, summary, tag string) huma.Operation {
	op := huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{tag},
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}
	if method == http.MethodDelete {
		op.DefaultStatus = http.StatusNoContent
	}
	return op
}

// changes registers an operation on one thing that takes a body.
func changes[Body, Out any](a *API, op huma.Operation, do func(ctx context.Context, ref string, in Body) (*Out, error)) {
	huma.Register(a.doc, op, func(ctx context.Context, in *struct {
		RefInput
		Body Body
	}) (*Out, error) {
		return do(ctx, in.Ref, in.Body)
	})
}

// revokes registers an operation that ends one thing for good.
func revokes[Out any](a *API, op huma.Operation, do func(ctx context.Context, ref string, now bool) (*Out, error)) {
	huma.Register(a.doc, op, func(ctx context.Context, in *struct {
		RefInput
		Now bool `query:"now" doc:"Also cut the transfers in progress."`
	}) (*Out, error) {
		return do(ctx, in.Ref, in.Now)
	})
}

// keysOf shows a page of the team's API keys, or of its S3 access keys.
func keysOf[T any](ctx context.Context, a *API, in PageInput, s3 bool, show func(*auth.Key, *auth.State) T) ([]T, Next, error) {
	st, err := a.o.Store.State(ctx)
	if err != nil {
		return nil, Next{}, a.public(err)
	}
	list := "keys"
	if s3 {
		list = "s3-keys"
	}
	return shown(ctx, in, list, st.Keys, func(k *auth.Key) (string, []string) {
		if (k.S3 != nil) != s3 {
			return "", nil
		}
		return k.TeamID, byName(k.Name, k.ID)
	}, func(k *auth.Key) T { return show(k, &st) })
}

// shown is a page of those of rows that are the team's, shown. The rows are the
// store's, and stay as they are; only those of the page are shown. of says
// whose a row is, and where it stands.
func shown[Row, T any](ctx context.Context, in PageInput, list string, rows []Row, of func(*Row) (teamID string, order []string), show func(*Row) T) ([]T, Next, error) {
	var mine []*Row
	for i := range rows {
		if owner, _ := of(&rows[i]); owner != "" && owner == team(ctx) {
			mine = append(mine, &rows[i])
		}
	}
	mine, next, err := page(in, list, mine, func(r *Row) []string { _, order := of(r); return order })
	if err != nil {
		return nil, next, err
	}
	out := make([]T, len(mine))
	for i, r := range mine {
		out[i] = show(r)
	}
	return out, next, nil
}

// paged is a page of all of rows, shown, in the order of what order says of a
// shown row. err is that of finding them.
func paged[Row, T any](ctx context.Context, a *API, in PageInput, list string, rows []Row, err error, show func(context.Context, *Row) (T, error), order func(T) []string) ([]T, Next, error) {
	all := make([]T, len(rows))
	for i := range rows {
		if err == nil {
			all[i], err = show(ctx, &rows[i])
		}
	}
	if err != nil {
		return nil, Next{}, a.public(err)
	}
	return page(in, list, all, order)
}

// showOf finds one key and shows it beside what it is linked to.
func showOf[T any](ctx context.Context, a *API, ref string, find func(context.Context, string) (*auth.Key, error), show func(*auth.Key, *auth.State) T) (out T, err error) {
	k, err := find(ctx, ref)
	if err != nil {
		return out, err
	}
	st, err := a.o.Store.State(ctx)
	if err != nil {
		return out, a.public(err)
	}
	return show(k, &st), nil
}

// lastUsed is the last use of a key, credential or access token, nil where none is known.
func (a *API) lastUsed(id string) (at *time.Time, address string) {
	if a.o.LastUsed == nil {
		return nil, ""
	}
	t, address, ok := a.o.LastUsed(id)
	if !ok {
		return nil, ""
	}
	return &t, address
}

// ends is the end of something new: the zero time, which means never, where
// none is given. It must be to come.
func (a *API) ends(t *time.Time) (time.Time, error) {
	switch {
	case t == nil:
		return time.Time{}, nil
	case !t.After(a.o.Now()):
		return time.Time{}, past(*t)
	}
	return t.UTC(), nil
}

// credentialIDs finds each credential by id or name.
func (a *API) credentialIDs(ctx context.Context, refs []string) ([]string, error) {
	ids := make([]string, 0, len(refs))
	for _, ref := range refs {
		c, err := a.o.Store.Credential(ctx, team(ctx), ref)
		if err != nil {
			return nil, a.public(err)
		}
		ids = append(ids, c.ID)
	}
	return ids, nil
}
