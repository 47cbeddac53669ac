package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/auth/audit"
)

// Usage is what came of one credential, key or host.
type Usage struct {
	Day            string `json:"day,omitempty" doc:"The day (UTC), where by ends in day or hour, or is nothing."`
	Hour           string `json:"hour,omitempty" format:"date-time" doc:"When the hour began (UTC), where by ends in hour."`
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
	By         string    `query:"by" enum:"credential,key,host,day,credential-day,key-day,hour,credential-hour,key-hour" doc:"What to sum up by, also of each day or hour on its own; nothing gives every row there is. What came of a download counts when it ends. Hours are kept of today and the day before."`
	Since      time.Time `query:"since" doc:"From the day (UTC) of this time on, or from its hour where by ends in hour."`
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
		Summary: "Requests, bytes and errors by credential, key, host, day and hour", Tags: []string{"audit"},
	}, func(ctx context.Context, in *usageInput) (*usageOutput, error) {
		out := &usageOutput{}
		out.Body.Usage = []Usage{}
		read := a.o.Usage
		if strings.HasSuffix(in.By, "hour") {
			read = a.o.UsageHours
		}
		if read == nil {
			return out, nil
		}
		rows, err := read(ctx, in.Since)
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
		case "credential-day", "credential-hour":
			key = Usage{Day: r.Day, Hour: r.Hour, CredentialID: r.CredentialID}
			row = key
			row.CredentialName = r.CredentialName
		case "key-day", "key-hour":
			key = Usage{Day: r.Day, Hour: r.Hour, KeyID: r.KeyID}
			row = key
			row.KeyName = r.KeyName
		case "host":
			key.Host = r.Host
			row = key
		case "day", "hour":
			key = Usage{Day: r.Day, Hour: r.Hour}
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

// placeOfUsage is the place of a sum: by day and hour, the most bytes first.
func placeOfUsage(u Usage) []string {
	return []string{u.Day, u.Hour, sortable(u.Bytes, true), sortable(u.Requests, true), u.CredentialID, u.KeyID, u.Host}
}
