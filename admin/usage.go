package admin

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
)

// Usage is what came of one credential, key or host.
type Usage struct {
	Day            string `json:"day,omitempty" doc:"The day (UTC), where by ends in day or is nothing."`
	CredentialID   string `json:"credential_id,omitempty"`
	CredentialName string `json:"credential_name,omitempty" doc:"Its last name; empty for requests that nothing was put on."`
	KeyID          string `json:"key_id,omitempty"`
	KeyName        string `json:"key_name,omitempty"`
	Host           string `json:"host,omitempty" doc:"The host, or other beyond 500 a day."`
	Requests       int64  `json:"requests" doc:"Requests that were let through."`
	Bytes          int64  `json:"bytes" doc:"Bytes of body that workers got."`
	Errors         int64  `json:"errors" doc:"Requests of those that did not end well."`
	Denied         int64  `json:"denied" doc:"Requests that were refused."`
}

type usageInput struct {
	By         string    `query:"by" enum:"credential,key,host,day,credential-day,key-day" doc:"What to sum up by, also of each day on its own; nothing gives every row there is."`
	Since      time.Time `query:"since" doc:"From the day (UTC) of this time on."`
	Key        string    `query:"key" doc:"Only what came of this API key or S3 access key, by id or name."`
	Credential string    `query:"credential" doc:"Only what came of this credential, by id or name."`
	PageInput
}

type usageOutput struct {
	Body struct {
		Usage []Usage `json:"usage" doc:"The most bytes first; by day, in order. It is counted while it is read: what has moved up since the page before stands in the next reading."`
		Next
	}
}

func (a *API) usage() {
	huma.Register(a.doc, huma.Operation{
		OperationID: "list-usage", Method: http.MethodGet, Path: "/api/v1/usage",
		Summary: "Requests, bytes and errors by credential, key, host and day", Tags: []string{"audit"},
	}, func(ctx context.Context, in *usageInput) (*usageOutput, error) {
		out := &usageOutput{}
		out.Body.Usage = []Usage{}
		if a.o.Usage == nil {
			return out, nil
		}
		rows, err := a.o.Usage(ctx, in.Since)
		if err != nil {
			return nil, a.public(err)
		}
		caller := callerOf(ctx)
		of := RecordFilter{Key: in.Key, Credential: in.Credential}
		a.resolve(ctx, &of)
		rows = slices.DeleteFunc(rows, func(r audit.UsageRow) bool {
			return !caller.sees(&auth.Event{TeamID: r.TeamID}) ||
				!names(of.Key, of.keyID, r.KeyID, r.KeyName) || !names(of.Credential, of.credentialID, r.CredentialID, r.CredentialName)
		})
		out.Body.Usage, out.Body.Next, err = page(in.PageInput, "usage/"+in.By, sumUp(rows, in.By), placeOfUsage)
		return out, err
	})
}

// sumUp adds rows up by what is asked for. Names are those of the last day.
func sumUp(rows []audit.UsageRow, by string) []Usage {
	sums := map[Usage]*Usage{}
	for i := range rows {
		r := &rows[i]
		var key, row Usage
		switch by {
		case "credential":
			key.CredentialID = r.CredentialID
			row = Usage{CredentialID: r.CredentialID, CredentialName: r.CredentialName}
		case "key":
			key.KeyID = r.KeyID
			row = Usage{KeyID: r.KeyID, KeyName: r.KeyName}
		case "credential-day":
			key.Day, key.CredentialID = r.Day, r.CredentialID
			row = Usage{Day: r.Day, CredentialID: r.CredentialID, CredentialName: r.CredentialName}
		case "key-day":
			key.Day, key.KeyID = r.Day, r.KeyID
			row = Usage{Day: r.Day, KeyID: r.KeyID, KeyName: r.KeyName}
		case "host":
			key.Host = r.Host
			row = key
		case "day":
			key.Day = r.Day
			row = key
		default:
			key = Usage{Day: r.Day, CredentialID: r.CredentialID, KeyID: r.KeyID, Host: r.Host}
			row = key
			row.CredentialName, row.KeyName = r.CredentialName, r.KeyName
		}
		s := sums[key]
		if s == nil {
			s = &row
			sums[key] = s
		}
		s.CredentialName, s.KeyName = row.CredentialName, row.KeyName
		s.Requests += r.Requests
		s.Bytes += r.Bytes
		s.Errors += r.Errors
		s.Denied += r.Denied
	}
	out := make([]Usage, 0, len(sums))
	for _, s := range sums {
		out = append(out, *s)
	}
	return out
}

// placeOfUsage is the place of a sum: by day, the most bytes first.
func placeOfUsage(u Usage) []string {
	return []string{u.Day, sortable(u.Bytes, true), sortable(u.Requests, true), u.CredentialID, u.KeyID, u.Host}
}
