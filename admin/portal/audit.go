package portal

import (
	"cmp"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// auditPage is how many events a page shows.
const auditPage = 100

type auditData struct {
	Filter recordFilter
	Rows   []told
	// Older leads to what was before, and is empty where there is nothing.
	Older string
	// Live is where to follow from, empty where nothing is followed.
	Live string
	// Keys and Credentials are names to choose from.
	Keys, Credentials []string
	Seal              *seal
}

// auditPages are about the record.
func (p *Portal) auditPages() {
	p.page("GET", "/audit", func(v *visit) error {
		d, err := v.audit()
		if prob, ok := asProblem(err); ok && prob.Status == 422 { // what was typed is no filter
			return v.refused(err, "audit.html", d)
		}
		if err != nil {
			return err
		}
		return v.render("audit.html", d)
	})
	p.page("GET", "/audit/follow", p.followAudit)
	p.page("GET", "/audit/export", p.exportAudit)
	p.page("GET", "/audit/verify", func(v *visit) error { return v.render("verify.html", verifyData{}) })
	p.page("POST", "/audit/verify/record", p.verifyRecord)
	p.page("POST", "/audit/verify/file", p.verifyFile)
}

func (v *visit) audit() (d auditData, err error) {
	q := v.r.URL.Query()
	d.Filter = filterOf(q)
	if d.Keys, d.Credentials, err = v.names(); err != nil {
		return d, err
	}
	asked := v.p.o.Now()
	events, next, err := v.api.ListEventsPage(v.ctx(), d.Filter.query(), admin.Page{Limit: auditPage, Cursor: q.Get("cursor")})
	if err != nil {
		return d, err
	}
	slices.Reverse(events) // the newest first
	d.Rows = v.tell(events)
	if next != "" {
		d.Older = v.at("audit") + "?" + d.Filter.with("cursor", next)
	}
	if q.Get("live") != "" && q.Get("cursor") == "" {
		from := asked
		if len(events) > 0 {
			from = events[0].Time.Add(1)
		}
		d.Live = v.at("audit", "follow") + "?" + d.Filter.with("from", from.UTC().Format(time.RFC3339Nano))
	}
	return d, nil
}

// names are those that the record can be asked about: of keys of both kinds and
// of credentials.
func (v *visit) names() (keys, credentials []string, err error) {
	all, err := v.api.ListKeys(v.ctx())
	if err != nil {
		return nil, nil, err
	}
	for i := range all {
		keys = append(keys, all[i].Name)
	}
	s3, err := v.api.ListS3Keys(v.ctx())
	if err != nil {
		return nil, nil, err
	}
	for i := range s3 {
		keys = append(keys, s3[i].Name)
	}
	creds, err := v.api.ListCredentials(v.ctx())
	for i := range creds {
		credentials = append(credentials, creds[i].Name)
	}
	return keys, credentials, err
}

// recordFilter is what the record is asked for, as it was typed.
type recordFilter struct {
	Since, Until         time.Time
	Key, Credential, Who string
	Action, Outcome      string
	Code, Host           string
}

// inputTime is what a field for a date and a time holds (HTML, section
// 4.10.5.1.11), which the portal takes for UTC.
const inputTime = "2006-01-02T15:04"

func filterOf(q url.Values) recordFilter {
	get := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	list := func(name string) string {
		return strings.Join(slices.DeleteFunc(slices.Clone(q[name]), func(s string) bool { return s == "" }), ",")
	}
	return recordFilter{
		Since: timeIn(get("since")), Until: timeIn(get("until")), Key: get("key"), Credential: get("credential"),
		Who: cmp.Or(get("who"), get("user"), get("actor")), Action: list("action"), Outcome: list("outcome"), Code: list("code"), Host: get("host"),
	}
}

// timeIn reads a time as the form has it, or a link; zero where it is none.
func timeIn(s string) time.Time {
	for _, layout := range []string{time.RFC3339, inputTime, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// query is the filter as the API takes it. Who is an actor as events name it,
// or a user.
func (f *recordFilter) query() admin.ListEventsQuery {
	q := admin.ListEventsQuery{Since: f.Since, Until: f.Until, Key: f.Key, Credential: f.Credential, Host: f.Host,
		Action: listed(f.Action), Outcome: listed(f.Outcome), Code: listed(f.Code)}
	switch {
	case f.Who == "cli", f.Who == "config", f.Who == "system", strings.Contains(f.Who, ":"):
		q.Actor = f.Who
	default:
		q.User = f.Who
	}
	return q
}

func listed(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// with is the filter as a query with one more value.
func (f *recordFilter) with(name, value string) string {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	moment := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.RFC3339)
	}
	set("since", moment(f.Since))
	set("until", moment(f.Until))
	set("key", f.Key)
	set("credential", f.Credential)
	set("who", f.Who)
	set("action", f.Action)
	set("outcome", f.Outcome)
	set("code", f.Code)
	set("host", f.Host)
	set(name, value)
	return q.Encode()
}

// Query is the filter as a query, encoded already: a template would encode it
// once more, with its signs of equality.
func (f recordFilter) Query() template.URL { return template.URL(f.with("", "")) }

// Times are those of the filter as a query: an export is of nothing else.
func (f recordFilter) Times() template.URL {
	times := recordFilter{Since: f.Since, Until: f.Until}
	return times.Query()
}

// Narrow reports whether anything but times is filtered.
func (f recordFilter) Narrow() bool { return f.Query() != f.Times() }

// Live is the filter as a query of a page that follows.
func (f recordFilter) Live() template.URL { return template.URL(f.with("live", "1")) }

// From and To are the times as their fields hold them.
func (f recordFilter) From() string { return inForm(f.Since) }

// To is From of the end.
func (f recordFilter) To() string { return inForm(f.Until) }

func inForm(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(inputTime)
}

// Families are the actions to choose from, each a list of the API's filter.
func (f recordFilter) Families() []string {
	return withOwn([]string{
		auth.ActionUsed + "," + auth.ActionFinished + "," + auth.ActionDenied + "," + auth.ActionSummary,
		"credential.*", "key.*", "link.*", "token.*,user.*,team.*,member.*", "session.*", "audit.*,ca.*,kek.*,config.*," + auth.ActionBackup, auth.ActionURLProbe, auth.ActionAPIDenied,
	}, f.Action)
}

// Outcomes are the outcomes to choose from.
func (f recordFilter) Outcomes() []string {
	return withOwn([]string{auth.OutcomeOK, auth.OutcomeAllowed, auth.OutcomeDenied, auth.OutcomeFailed, auth.OutcomeDenied + "," + auth.OutcomeFailed}, f.Outcome)
}

// quick is a filter that is asked for often.
type quick struct {
	Name  string
	Query template.URL
	Now   bool
}

// Quick are those to choose from.
func (f recordFilter) Quick() []quick {
	all := []quick{
		{Name: "all"},
		{Name: "trouble", Query: "outcome=denied,failed"},
		{Name: "requests", Query: "action=" + auth.ActionUsed + "," + auth.ActionFinished + "," + auth.ActionDenied + "," + auth.ActionSummary},
		{Name: "acts", Query: "action=credential.*,key.*,link.*,token.*,user.*,team.*,member.*,config.*,kek.*,ca.*"},
	}
	for i := range all {
		q, err := url.ParseQuery(string(all[i].Query))
		all[i].Now = err == nil && filterOf(q) == f
	}
	return all
}

// withOwn is all, and own where it is none of them.
func withOwn(all []string, own string) []string {
	if own == "" || slices.Contains(all, own) {
		return all
	}
	return append(all, own)
}

// Family is what a list of actions is called; itself where it has no name.
func (w *view) Family(actions string) string {
	return cmp.Or(w.v.p.pages().text.optional("family."+actions), actions)
}

// Outcome is an outcome in words.
func (w *view) Outcome(outcome string) string {
	return cmp.Or(w.v.p.pages().text.optional("outcome."+outcome), outcome)
}
