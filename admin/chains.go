package admin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/chain"
	"github.com/weighbridge/weighbridge/store"
)

// maxExportLine bounds a line of an exported record; a head with many teams is
// long.
const maxExportLine = 64 << 20

type verifyOutput struct{ Body chain.Verdict }

// verifyFileInput is an exported record, read as it comes.
type verifyFileInput struct {
	Name string `query:"name" doc:"What the file is called in the answer." default:"the file" maxLength:"512"`
	body io.Reader
}

// Resolve keeps the body apart from what huma reads.
func (in *verifyFileInput) Resolve(hc huma.Context) []error {
	in.body = Steady(hc.BodyReader(), hc.SetReadDeadline)
	return nil
}

var _ huma.Resolver = (*verifyFileInput)(nil)

type exportInput struct {
	Since time.Time `query:"since" doc:"From the first event at or after this time."`
	Until time.Time `query:"until" doc:"Up to the first event at or after this time."`
	All   bool      `query:"all" doc:"Of all teams, and of none: for who runs weighbridge."`
}

const auditExportPath = "/api/v1/audit/export"

func (a *API) chains() {
	tags := []string{"audit"}
	huma.Register(a.doc, huma.Operation{
		OperationID: "verify-events", Method: http.MethodGet, Path: "/api/v1/audit/verify",
		Summary: "Verify the chains of the record", Tags: tags,
	}, func(ctx context.Context, _ *struct{}) (*verifyOutput, error) {
		r, err := VerifyRecord(ctx, a.o.Store, a.o.Record.Verify)
		if err != nil {
			return nil, a.public(err)
		}
		return &verifyOutput{r}, nil
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "verify-export", Method: http.MethodPost, Path: "/api/v1/audit/verify",
		Summary: "Verify an exported record: the body, one JSON event a line", Tags: tags,
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/x-ndjson":     {Schema: &huma.Schema{Type: "string", Format: "binary"}},
			"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}},
		}},
	}, func(ctx context.Context, in *verifyFileInput) (*verifyOutput, error) {
		r, err := VerifyExport(ctx, a.o.Store.AuditKeys(), in.Name, in.body)
		if err != nil {
			return nil, problem(http.StatusBadRequest, "invalid", "the record that was sent cannot be read", "Send lines of JSON, as `weighbridge audit export` writes them.")
		}
		return &verifyOutput{r}, nil
	})
	huma.Register(a.doc, gives("application/x-ndjson", huma.Operation{
		OperationID: "export-events", Method: http.MethodGet, Path: auditExportPath,
		Summary: "The record of a team as lines that still verify: acts first, then use", Tags: tags,
	}), func(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
		if in.All {
			if p := authorize(needOperator, http.MethodGet, auditExportPath, callerOf(ctx)); p != nil {
				a.recordDenial(ctx, http.MethodGet, auditExportPath, callerOf(ctx), p)
				return nil, p
			}
		}
		// On record before a byte leaves, and so in what is exported.
		if err := a.o.Store.Record(ctx, a.event(ctx, auth.ActionAuditExport)); err != nil {
			return nil, a.public(err)
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			hc.SetHeader("Content-Type", "application/x-ndjson")
			if err := a.export(hc.Context(), hc.BodyWriter(), in); err != nil && hc.Context().Err() == nil {
				if a.o.Log != nil {
					a.o.Log(err)
				}
				panic(http.ErrAbortHandler) // an export that is cut short does not end cleanly
			}
		}}, nil
	})
}

// export writes both records, one behind the other.
func (a *API) export(ctx context.Context, w io.Writer, in *exportInput) error {
	out := bufio.NewWriterSize(w, 64<<10)
	of := team(ctx)
	switch {
	case in.All:
		of = ""
	case of == "": // which would be all
		return errors.New("an export of no team")
	}
	exporter := func() *chain.Exporter {
		return &chain.Exporter{Keys: a.o.Store.AuditKeys(), Since: in.Since, Until: in.Until, Team: of, Now: a.o.Now(),
			Write: func(line []byte) error { _, err := out.Write(line); return err }}
	}
	acts := exporter()
	err := a.o.Store.Lines(ctx, time.Time{}, func(_ int, line []byte) bool { return acts.Line(line) })
	if err = errors.Join(err, acts.Close()); err != nil {
		return err
	}
	use := exporter()
	err = a.o.Record.Lines(ctx, in.Since, func(_ string, _ int, line []byte) bool { return use.Line(line) })
	return errors.Join(err, use.Close(), out.Flush())
}

// VerifyRecord verifies the acts in st and the use that read has a verifier
// read, which must reach to where the store knows that it had come.
func VerifyRecord(ctx context.Context, st store.Store, read func(context.Context, *chain.Verifier) error) (chain.Verdict, error) {
	anchors, err := st.Anchored(ctx) // before it goes on
	if err != nil {
		return chain.Verdict{}, err
	}
	v := chain.NewVerifier(st.AuditKeys())
	if err := errors.Join(st.Verify(ctx, v), read(ctx, v)); err != nil {
		return chain.Verdict{}, err
	}
	for writer, at := range anchors.At {
		if anchors.Shared && !v.Knows(writer) {
			continue // another weighbridge's record, which stands elsewhere
		}
		v.Reached(writer, map[string]chain.State{"": at}, false)
	}
	return v.Verdict(true), nil
}

// VerifyExport verifies an exported record, which name is called in the report.
func VerifyExport(ctx context.Context, keys *chain.Keys, name string, r io.Reader) (chain.Verdict, error) {
	v := chain.NewVerifier(keys)
	v.Section(name, true)
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 64<<10), maxExportLine)
	empty := true
	for n := 1; in.Scan(); n++ {
		if err := ctx.Err(); err != nil {
			return chain.Verdict{}, err
		}
		empty = empty && len(bytes.TrimSpace(in.Bytes())) == 0
		if !v.Line(n, in.Bytes()) {
			break
		}
	}
	if err := in.Err(); err != nil {
		return chain.Verdict{}, err
	}
	if empty {
		return chain.Verdict{}, errors.New("it is empty")
	}
	return v.Verdict(false), nil
}
