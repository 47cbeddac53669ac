package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

const (
	// usageDays is how far back a credential's page shows what came of it.
	usageDays = 14
	// recently is how far back it shows requests.
	recently = 24 * time.Hour
	// historyLength and recentLength bound what it shows of the record.
	historyLength, recentLength = 20, 10
)

// credentialData is a credential's page.
type credentialData struct {
	credentialRow
	Schema auth.Schema
	// Shown are its fields in the provider's order, with previews of secrets.
	Shown []factPair
	// Said is what was found out about the secret.
	Said []factPair
	// Means is what the status means, and Next what to do about it.
	Means, Next string
	// ValidatedOn says that a repository can be asked about.
	ValidatedOn bool
	Guide       bool
	Used        []admin.Usage
	Most        int64
	History     []auth.Event
	Recent      []auth.Event
	Audit       string
}

// factPair is what something is called, and what it is.
type factPair struct{ Name, Value string }

// credentialPage shows one, and asks the upstream about it.
func (p *Portal) credentialPage() {
	p.page("GET", "/credentials/{ref}", func(v *visit) error {
		c, err := v.credential()
		if err != nil {
			return err
		}
		d, err := v.credentialData(c)
		if err != nil {
			return err
		}
		return v.render("credential.html", d)
	})
	p.act("/credentials/{ref}/validate", func(v *visit, form url.Values) error {
		_, err := v.api.ValidateCredential(v.ctx(), v.r.PathValue("ref"), admin.ValidateCredentialQuery{CheckRepo: repositoryOf(form.Get("repository"))})
		if err == nil {
			return v.redirect(v.at("credentials", v.r.PathValue("ref")), "credential-validated")
		}
		return refusedAsItIs(v, err, "credential.html", v.credentialData)
	})
}

// refusedAsItIs is v.refused with the page of the credential as it is now,
// after an act that may have been carried out in part.
func refusedAsItIs[D any](v *visit, err error, page string, data func(admin.Credential) (D, error)) error {
	now, missing := v.credential()
	if missing != nil {
		return missing
	}
	d, broken := data(now)
	if broken != nil {
		return broken
	}
	return v.refused(err, page, d)
}

// credential is the one that the path names.
func (v *visit) credential() (admin.Credential, error) {
	return v.api.ETag(&v.state).GetCredential(v.ctx(), v.r.PathValue("ref"))
}

func (v *visit) credentialData(c admin.Credential) (d credentialData, err error) {
	schemas, err := v.schemas()
	if err != nil {
		return d, err
	}
	s := schemaOf(schemas, c.Provider)
	d = credentialData{credentialRow: v.row(c, s), Schema: s, Guide: v.r.URL.Query().Get("guide") != "",
		ValidatedOn: c.Provider == "huggingface", // whose repositories the API asks about
		Audit:       v.at("audit") + "?" + url.Values{"credential": {c.Name}}.Encode()}
	d.Means, d.Next = v.say("status-means."+c.Status), v.p.pages().text.optional("status-next."+c.Status)
	if c.Status == string(auth.StatusValid) && (c.Report == nil || c.Report.Verdict == string(auth.VerdictUnasked)) {
		d.Means = v.say("credential.unasked.means")
	}
	if c.Report != nil && c.Report.Next != "" {
		d.Next = c.Report.Next
	}
	for _, f := range s.Fields {
		if value := c.Fields[f.Name]; value != "" {
			d.Shown = append(d.Shown, factPair{f.Title, value})
		}
	}
	facts := slices.Clone(c.Facts)
	if c.Report != nil {
		facts = append(facts, c.Report.Facts...)
	}
	for _, f := range facts {
		name, value, _ := strings.Cut(f, ": ")
		if name == "ends" && c.ExpiresAt != nil {
			continue // it is said beside
		}
		d.Said = append(d.Said, factPair{name, value})
	}
	now := v.p.o.Now()
	if d.Used, err = v.api.ListUsage(v.ctx(), admin.ListUsageQuery{By: "day", Credential: c.ID, Since: now.AddDate(0, 0, 1-usageDays)}); err != nil {
		return d, err
	}
	for _, u := range d.Used {
		d.Most = max(d.Most, u.Bytes)
	}
	slices.Reverse(d.Used) // the newest first
	if d.History, err = v.newest(admin.ListEventsQuery{Credential: c.ID, Action: []string{"credential.*", "link.*"}}, historyLength); err != nil {
		return d, err
	}
	d.Recent, err = v.newest(admin.ListEventsQuery{Credential: c.ID, Action: []string{auth.ActionUsed, auth.ActionDenied, auth.ActionFinished}, Since: now.Add(-recently)}, recentLength)
	return d, err
}

// newest are the newest events of the record, the newest first.
func (v *visit) newest(q admin.ListEventsQuery, most int) ([]auth.Event, error) {
	all, _, err := v.api.ListEventsPage(v.ctx(), q, admin.Page{Limit: most})
	slices.Reverse(all)
	return all, err
}

// repositoryOf takes the URL of a page or a file of the Hub as well, of which
// it is the repository: what is copied from the browser's address.
func repositoryOf(typed string) string {
	typed = strings.TrimSpace(typed)
	u, err := url.Parse(typed)
	if err != nil || u.Host == "" {
		return typed
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	most := 2 // org/model
	if parts[0] == "datasets" || parts[0] == "spaces" {
		most = 3
	}
	return strings.Join(parts[:min(most, len(parts))], "/")
}

// onCredential registers a page about one credential that changes it by an
// operation of the API: who may not call it is told so, and what comes from the
// configuration is not changed here.
func (p *Portal) onCredential(method, path, operation string, page func(*visit, admin.Credential) error) {
	p.page(method, "/credentials/{ref}"+path, func(v *visit) error {
		if err := v.may(operation); err != nil {
			return err
		}
		c, err := v.credential()
		if err != nil {
			return err
		}
		if c.Declarative && operation != "link" {
			return declared(v, c)
		}
		return page(v, c)
	})
}

func declared(v *visit, c admin.Credential) error {
	return &admin.Problem{Status: http.StatusConflict, Code: "read_only", Detail: v.say("credential.declared", c.Name), Next: v.say("credential.declared.next")}
}
