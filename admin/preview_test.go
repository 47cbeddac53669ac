package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth/audit"
)

// What a credential's fields and patterns say is told before there is one, with
// every mistake at its place, and without a word of a secret, a row or an event.
func TestPreviewOfACredential(t *testing.T) {
	f := newFixture(t)
	before := f.acts()
	ask := func(provider string, fields map[string]string, patterns ...string) (out admin.CredentialPreview) {
		t.Helper()
		body, err := json.Marshal(admin.CredentialDraft{Provider: provider, Fields: fields, Patterns: patterns})
		must(t, err)
		b, err := json.Marshal(f.must(200, "POST", "/api/v1/credentials/preview", string(body)))
		must(t, err)
		must(t, json.Unmarshal(b, &out))
		return out
	}
	got := ask("azure_blob", map[string]string{"sasToken": "?" + sas + "&se=2098-01-01"}, "acme.blob.core.windows.net/*")
	if len(got.Errors) > 0 || got.ExpiresAt == nil || got.ExpiresAt.Year() != 2098 || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "write") || len(got.Facts) < 3 {
		t.Errorf("a SAS that writes: %+v", got)
	}
	got = ask("azure_blob", map[string]string{"sasToken": sas + "&se=2020-01-01"})
	if len(got.Errors) != 1 || !strings.Contains(got.Errors[0].Message, "the secret ended at 2020-01-01") {
		t.Errorf("a SAS that has ended: %+v", got)
	}
	got = ask("huggingface", map[string]string{"token": "Bearer " + canary, "tokn": canary}, "huggingface.co/*", "*.com/*")
	var places []string
	for _, e := range got.Errors {
		places = append(places, e.Location)
	}
	if want := []string{"body.fields.token", "body.fields.tokn", "body.patterns[1]"}; !reflect.DeepEqual(places, want) || !reflect.DeepEqual(got.Patterns, []string{"huggingface.co/*"}) {
		t.Errorf("mistakes at %v: %+v", places, got)
	}
	got = ask("s3", map[string]string{"region": "eu-central-1"}, "s3://acme-models/flux/*", "nonsense")
	if !strings.Contains(got.Grant, `"arn:aws:s3:::acme-models/flux/*"`) {
		t.Errorf("the policy to copy: %s", got.Grant)
	}
	got = ask("http_bearer", map[string]string{"token": canary, "validationUrl": "https://other.example.com/x"}, "models.example.com/*")
	if len(got.Errors) != 1 || !strings.Contains(got.Errors[0].Message, "other.example.com") {
		t.Errorf("a place of somebody else: %+v", got)
	}
	f.must(422, "POST", "/api/v1/credentials/preview", `{"provider":"nobody"}`)
	if n := f.acts() - before; n != 0 {
		t.Errorf("%d events", n)
	}
	if all := f.must(200, "GET", "/api/v1/credentials", "")["credentials"].([]any); len(all) != 0 {
		t.Errorf("%d credentials", len(all))
	}
	f.clean()
}

// A refused credential says of each field what is wrong with it.
func TestARefusalNamesEveryField(t *testing.T) {
	f := newFixture(t)
	got := f.must(422, "POST", "/api/v1/credentials", `{"name":"x","provider":"http_basic","fields":{"username":"a:b"}}`)
	if flaws := fmt.Sprint(got["errors"]); !strings.Contains(flaws, "location:body.fields.username") || !strings.Contains(flaws, "location:body.fields.password") {
		t.Errorf("%v", got)
	}
}

// Usage is summed up of one credential or key, by the name that it has now.
func TestUsageOfOne(t *testing.T) {
	f := newFixture(t)
	f.must(201, "POST", "/api/v1/credentials", `{"name":"old","provider":"http_bearer","patterns":["models.example.com/*"],"fields":{"token":"`+canary+`"}}`)
	id := f.must(200, "PATCH", "/api/v1/credentials/old", `{"name":"new"}`)["id"].(string)
	f.o.Usage = func(context.Context, time.Time) ([]audit.UsageRow, error) {
		return []audit.UsageRow{
			{Day: "2026-11-20", TeamID: f.o.TeamID, CredentialID: id, CredentialName: "old", KeyID: "k1", KeyName: "worker", Requests: 1, Bytes: 10},
			{Day: "2026-11-20", TeamID: f.o.TeamID, CredentialID: id, CredentialName: "old", KeyID: "k2", KeyName: "other", Requests: 2, Bytes: 20},
			{Day: "2026-11-21", TeamID: f.o.TeamID, CredentialID: "another", CredentialName: "another", KeyID: "k1", KeyName: "worker", Requests: 4, Bytes: 40},
		}, nil
	}
	f.api = admin.New(f.o)
	for query, want := range map[string]int64{"by=day&credential=new": 30, "by=day&credential=" + id: 30, "by=key&key=worker": 50, "credential=new&key=k2": 20, "credential=nobody": 0, "": 70} {
		var sum int64
		for _, row := range f.must(200, "GET", "/api/v1/usage?"+query, "")["usage"].([]any) {
			sum += int64(row.(map[string]any)["bytes"].(float64))
		}
		if sum != want {
			t.Errorf("%s: %d bytes, not %d", query, sum, want)
		}
	}
}
