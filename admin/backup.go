package admin

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
)

// Backup is a backup that was begun.
type Backup interface {
	io.WriterTo
	io.Closer
}

// BackupOptions are what making a backup takes.
type BackupOptions struct {
	WithoutAudit bool `json:"without_audit,omitempty" doc:"Leave out the record of use."`
	WithKEK      bool `json:"with_kek,omitempty" doc:"For the record alone: that the caller adds the key encryption key, which is in no answer."`
}

func (a *API) backup() {
	huma.Register(a.doc, gives("application/x-tar", huma.Operation{
		OperationID: "backup", Method: http.MethodPost, Path: "/api/v1/backup",
		Summary: "A backup of the store, still sealed, as it stands now, and of the record of use", Tags: []string{"system"},
	}), func(ctx context.Context, in *struct{ Body BackupOptions }) (*huma.StreamResponse, error) {
		// On record first: no copy is made that nobody knows of, and it holds
		// what says that it was made.
		ev := a.event(ctx, auth.ActionBackup)
		ev.Reason = in.Body.words()
		if err := a.o.Store.Record(ctx, ev); err != nil {
			return nil, a.public(err)
		}
		b, err := a.o.Backup(ctx, !in.Body.WithoutAudit)
		if err != nil {
			return nil, a.public(err)
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			defer func() { _ = b.Close() }()
			hc.SetHeader("Content-Type", "application/x-tar")
			if _, err := b.WriteTo(hc.BodyWriter()); err != nil {
				if a.o.Log != nil {
					a.o.Log(err)
				}
				panic(http.ErrAbortHandler) // a broken answer is not a short one
			}
		}}, nil
	})
}

// words say on record what a backup holds.
func (o BackupOptions) words() string {
	parts := []string{"the store"}
	if !o.WithoutAudit {
		parts = append(parts, "the record of use")
	}
	if o.WithKEK {
		parts = append(parts, "the key encryption key")
	}
	return strings.Join(parts, ", ")
}
