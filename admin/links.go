package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
)

// LinkResult says whether a link changed.
type LinkResult struct {
	Credential string `json:"credential"`
	Key        string `json:"key"`
	Changed    bool   `json:"changed" doc:"false where it was already so."`
}

type linkInput struct {
	Credential string `path:"credential" doc:"An id or a name."`
	Key        string `path:"key" doc:"An id or a name."`
}

type linkOutput struct{ Body LinkResult }

func (a *API) links() {
	tags := []string{"links"}
	path := "/api/v1/links/{credential}/{key}"
	huma.Register(a.doc, huma.Operation{
		OperationID: "link", Method: http.MethodPut, Path: path,
		Summary: "Let an API key use a credential", Tags: tags, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, in *linkInput) (*linkOutput, error) {
		changed, err := a.o.Store.Link(ctx, team(ctx), in.Credential, in.Key, a.event(ctx, auth.ActionLinkCreate))
		return a.linked(in, changed, err)
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "unlink", Method: http.MethodDelete, Path: path,
		Summary: "Stop an API key from using a credential", Tags: tags, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, in *linkInput) (*linkOutput, error) {
		changed, err := a.o.Store.Unlink(ctx, team(ctx), in.Credential, in.Key, a.event(ctx, auth.ActionLinkDelete))
		return a.linked(in, changed, err)
	})
}

func (a *API) linked(in *linkInput, changed bool, err error) (*linkOutput, error) {
	if err != nil {
		return nil, a.public(err)
	}
	return &linkOutput{LinkResult{Credential: in.Credential, Key: in.Key, Changed: changed}}, nil
}
