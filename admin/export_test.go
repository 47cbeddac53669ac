package admin_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// An export of a team verifies alone, and tells nothing of another: no event,
// and no head.
func TestAnExportIsOfOneTeam(t *testing.T) {
	p := newPeople(t)
	for _, name := range []string{"red", "blue", "red", "blue"} {
		must(t, p.st.Record(t.Context(), auth.Event{Action: auth.ActionConfigReload, TeamID: p.teams[name].ID, Reason: "about " + name}))
	}
	must(t, p.st.SignHead(t.Context())) // lists all teams
	must(t, p.st.Record(t.Context(), auth.Event{Action: auth.ActionConfigReload, TeamID: p.teams["red"].ID, Reason: "about red"}))
	export := func(bearer, team, query string) (int, string) {
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.ServerContextKey, nil), http.MethodGet, "/api/v1/audit/export"+query, nil)
		r.Header.Set("Authorization", "Bearer "+bearer)
		r.Header.Set("X-Team-ID", p.teams[team].ID)
		w := httptest.NewRecorder()
		p.remote.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	verifies := func(text string) {
		t.Helper()
		v, err := admin.VerifyExport(t.Context(), p.st.AuditKeys(), "export", strings.NewReader(text))
		must(t, err)
		if !v.OK {
			t.Errorf("it does not verify: %v", v.Break)
		}
	}
	status, text := export("jwt-viewer", "red", "")
	if status != http.StatusOK || strings.Count(text, "about red") != 3 || strings.Contains(text, "blue") || strings.Contains(text, p.teams["blue"].ID) || strings.Contains(text, p.teams["default"].ID) {
		t.Errorf("%d\n%s", status, text)
	}
	verifies(text)
	for line := range strings.Lines(text) {
		if strings.Contains(line, "about red") {
			text = strings.Replace(text, line, "", 1)
			break
		}
	}
	if v, err := admin.VerifyExport(t.Context(), p.st.AuditKeys(), "export", strings.NewReader(text)); err != nil || v.OK {
		t.Errorf("one event was taken out, and nobody notices: %v", err)
	}
	if status, text := export("jwt-owner", "red", "?all=true"); status != http.StatusForbidden {
		t.Errorf("all teams, for the owner of one: %d %s", status, text)
	}
	if status, _ := export("jwt-viewer", "blue", ""); status == http.StatusOK {
		t.Error("another team's record was handed out")
	}
	status, text = export("jwt-boss", "default", "?all=true")
	if status != http.StatusOK || !strings.Contains(text, "about blue") || !strings.Contains(text, auth.ActionAuditHead) {
		t.Errorf("all: %d\n%s", status, text)
	}
	verifies(text)
}
