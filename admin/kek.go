package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
)

// KEK is the key encryption key as the API shows and rotates it.
type KEK interface {
	Status(ctx context.Context) (KEKStatus, error)
	// Rotate begins a rotation to the KEK that uri names, or goes on with the
	// one that is on its way where uri is empty, and returns once it runs.
	Rotate(ctx context.Context, uri string, ev auth.Event) error
}

// KEKStatus says which key encryption key wraps what.
type KEKStatus struct {
	KEK          string       `json:"kek" doc:"The id of the key that seals now."`
	URI          string       `json:"uri" doc:"What names it."`
	Configured   string       `json:"configured" doc:"What the setting kek names."`
	ChangeConfig bool         `json:"change_config" doc:"Whether the setting kek must name uri before the next start."`
	Uses         []KEKUse     `json:"uses" doc:"Every key that wraps something."`
	Rotation     *KEKRotation `json:"rotation,omitempty" doc:"The rotation that is on its way."`
	Former       []string     `json:"former,omitempty" doc:"The ids of keys that were rotated away from, the last one last. They open nothing here; backups from before may need them."`
}

// KEKUse is how much a key wraps.
type KEKUse struct {
	KEK    string `json:"kek"`
	URI    string `json:"uri,omitempty"`
	DEKs   int    `json:"deks" doc:"Data keys: one for each credential, S3 access key and sealed value."`
	RowKey bool   `json:"opens_store" doc:"Whether it opens the store."`
}

// KEKRotation is a rotation that is on its way.
type KEKRotation struct {
	From      string    `json:"from"`
	FromURI   string    `json:"from_uri"`
	To        string    `json:"to"`
	ToURI     string    `json:"to_uri"`
	StartedAt time.Time `json:"started_at"`
	Done      int       `json:"done"`
	Total     int       `json:"total"`
	Running   bool      `json:"running"`
	Error     string    `json:"error,omitempty" doc:"Why it stopped."`
}

type kekOutput struct{ Body KEKStatus }

// KEKRotate says to which key a rotation goes.
type KEKRotate struct {
	To string `json:"to,omitempty" doc:"The URI of the key to rotate to; empty goes on with a rotation that stopped."`
}

type kekRotateInput struct{ Body KEKRotate }

func (a *API) kek() {
	tags := []string{"kek"}
	status := func(ctx context.Context) (*kekOutput, error) {
		s, err := a.o.KEK.Status(ctx)
		if err != nil {
			return nil, a.public(err)
		}
		return &kekOutput{Body: s}, nil
	}
	huma.Register(a.doc, huma.Operation{
		OperationID: "get-kek", Method: http.MethodGet, Path: "/api/v1/kek",
		Summary: "Which key encryption key wraps what", Tags: tags,
	}, func(ctx context.Context, _ *struct{}) (*kekOutput, error) { return status(ctx) })
	huma.Register(a.doc, huma.Operation{
		OperationID: "rotate-kek", Method: http.MethodPost, Path: "/api/v1/kek/rotate", DefaultStatus: http.StatusAccepted,
		Summary: "Begin to wrap every data key by another key encryption key", Tags: tags,
	}, func(ctx context.Context, in *kekRotateInput) (*kekOutput, error) {
		if err := a.o.KEK.Rotate(ctx, in.Body.To, a.event(ctx, auth.ActionKEKRotate)); err != nil {
			return nil, a.public(err)
		}
		return status(ctx)
	})
}
