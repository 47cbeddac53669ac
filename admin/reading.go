package admin

import (
	"fmt"
	"maps"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// read puts what the provider can tell of c's fields beside them, and refuses
// those that say that they have ended.
func (a *API) read(c *auth.Credential, p auth.Provider, all auth.Fields) error {
	c.Reading = auth.Read(p, all, nil, a.o.Now())
	if end := c.Reading.ExpiresAt; !end.IsZero() && !end.After(a.o.Now()) {
		return ended(end)
	}
	endWith(c)
	return nil
}

// ended refuses a secret that says of itself that it is of no use any more.
func ended(end time.Time) *Problem {
	return invalid("body.fields", fmt.Sprintf("the secret ended at %s", end.UTC().Format(time.RFC3339)), "Get a new one from the provider.")
}

// endWith lets c end no later than its own fields say.
func endWith(c *auth.Credential) {
	if end := c.Reading.ExpiresAt; !end.IsZero() && (c.ExpiresAt.IsZero() || end.Before(c.ExpiresAt)) {
		c.ExpiresAt = end
	}
}

// endOfSecret is when the secret of c ends, as its fields or the upstream say;
// nil where neither does.
func endOfSecret(c *auth.Credential) *time.Time {
	end := c.Reading.ExpiresAt
	if c.Report != nil && !c.Report.ExpiresAt.IsZero() && (end.IsZero() || c.Report.ExpiresAt.Before(end)) {
		end = c.Report.ExpiresAt
	}
	if end.IsZero() {
		return nil
	}
	return &end
}

// together are all the fields of a credential, secret or not.
func together(secrets auth.Fields, params map[string]string) auth.Fields {
	all := maps.Clone(secrets)
	if all == nil {
		all = auth.Fields{}
	}
	for name, v := range params {
		all[name] = auth.NewSecret(v)
	}
	return all
}
