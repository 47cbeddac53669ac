package portal

import (
	"slices"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// endsSoon is how long before its end a credential is marked.
const endsSoon = 14 * 24 * time.Hour

// credentialPages are about the team's credentials.
func (p *Portal) credentialPages() {
	p.page("GET", "/credentials", func(v *visit) error {
		all, err := v.api.ListCredentials(v.ctx())
		if err != nil {
			return err
		}
		schemas, err := v.schemas()
		if err != nil {
			return err
		}
		return v.render("credentials.html", v.listed(all, schemas))
	})
	p.addCredentialPages()
	p.credentialPage()
	p.changeCredentialPages()
	p.endCredentialPages()
}

type credentialsData struct {
	Credentials []credentialRow
	// Attention is how many of them need somebody.
	Attention int
	// Query is what was searched for, and Found how many have it.
	Query string
	Found int
}

// credentialRow is a credential in the list.
type credentialRow struct {
	admin.Credential
	// Ref is what its page is called, Title its provider's, and Preview a little
	// of its secret, where that may be shown.
	Ref, Title, Preview string
	// Soon says that it ends before long, Attention that somebody should look,
	// Hidden that it is not what was searched for.
	Soon, Attention, Hidden bool
}

// shownKeys is how many API keys of a credential its row names.
const shownKeys = 4

// FirstKeys are the API keys that the row names, and MoreKeys how many it does
// not.
func (r credentialRow) FirstKeys() []admin.Ref { return r.Keys[:min(len(r.Keys), shownKeys)] }

// MoreKeys are counted, as they would make the row as high as a page.
func (r credentialRow) MoreKeys() int { return len(r.Keys) - len(r.FirstKeys()) }

func (v *visit) listed(all []admin.Credential, schemas []auth.Schema) credentialsData {
	d := credentialsData{Query: strings.TrimSpace(v.r.URL.Query().Get("q"))}
	for _, c := range all {
		row := v.row(c, schemaOf(schemas, c.Provider))
		if row.Attention {
			d.Attention++
		}
		if row.Hidden = !strings.Contains(strings.ToLower(row.Words()), strings.ToLower(d.Query)); !row.Hidden {
			d.Found++
		}
		d.Credentials = append(d.Credentials, row)
	}
	return d
}

func (v *visit) row(c admin.Credential, s auth.Schema) credentialRow {
	c.Warnings = warningsOf(&c)
	row := credentialRow{Credential: c, Ref: refOf(c), Title: s.Title}
	for _, f := range s.Fields {
		if preview := c.Fields[f.Name]; f.Preview && preview != "" && preview != auth.Redacted {
			row.Preview = preview
		}
	}
	usable := c.Status == string(auth.StatusValid) || c.Status == string(auth.StatusPending)
	row.Soon = usable && c.ExpiresAt != nil && c.ExpiresAt.Sub(v.p.o.Now()) < endsSoon
	row.Attention = row.Soon || c.Status != string(auth.StatusValid) && c.Status != string(auth.StatusRevoked) || usable && len(c.Warnings) > 0
	return row
}

// warningsOf are the warnings of a credential without that it ends soon, which
// is said of every credential that does, whatever its provider reads.
func warningsOf(c *admin.Credential) []string {
	if c.ExpiresAt == nil {
		return c.Warnings
	}
	return slices.DeleteFunc(slices.Clone(c.Warnings), func(w string) bool { return strings.HasPrefix(w, auth.WarnEndsSoon) })
}

// Words are what the row is searched for by, here and by scripts: of what it does
// not show as well.
func (r credentialRow) Words() string {
	all := append([]string{r.Name, r.Title, r.Status}, r.Patterns...)
	for _, k := range r.Keys {
		all = append(all, k.Name)
	}
	return strings.Join(all, "\n")
}

// refOf is what a credential's page is called: its name, but where that is the
// name of another page.
func refOf(c admin.Credential) string {
	if c.Name == "new" {
		return c.ID
	}
	return c.Name
}

// schemas are what providers say of themselves.
func (v *visit) schemas() ([]auth.Schema, error) {
	out, err := v.api.ListProviders(v.ctx())
	return out.Providers, err
}

// schemaOf is the provider of that name; one that is not known any more has
// its name alone.
func schemaOf(all []auth.Schema, name string) auth.Schema {
	if i := slices.IndexFunc(all, func(s auth.Schema) bool { return s.Name == name }); i >= 0 {
		return all[i]
	}
	return auth.Schema{Name: name, Title: name}
}
