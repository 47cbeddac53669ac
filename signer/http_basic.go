package signer

import (
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// httpBasic is any server that takes a user name and password (RFC 7617).
type httpBasic struct{ anywhere }

var _ provider = httpBasic{}

func init() { register(httpBasic{}) }

var basicNeeds = []string{"username", "password"}

func (httpBasic) Schema() auth.Schema {
	return auth.Schema{
		Name:  "http_basic",
		Title: "HTTP Basic Auth",
		Help:  "Any server that takes a user name and a password. Give the URL patterns it is meant for.",
		Fields: []auth.Field{
			{Name: "username", Title: "User name", Help: "Without a colon.", Required: true},
			{Name: "password", Title: "Password", Required: true, Secret: true},
			validationURL(),
		},
	}
}

func (p httpBasic) Check(f auth.Fields) error {
	return checkFields(p.Schema(), f, map[string]fieldRule{
		validationField: validationURLProblem,
		"username": func(v string) string {
			switch {
			case strings.Contains(v, ":"):
				// RFC 7617, section 2: the first colon ends the user-id.
				return "may not have a colon"
			case !pairable(v):
				return "may not have control characters or line ends"
			}
			return ""
		},
		"password": func(v string) string {
			if !pairable(v) {
				return "may not have control characters or line ends"
			}
			return ""
		},
	})
}

func (httpBasic) needs() []string { return basicNeeds }

func (httpBasic) sign(f auth.Fields, out *auth.Outgoing, _ time.Time) (auth.Applied, error) {
	return putBasic(out, f["username"].Reveal(), f["password"])
}
