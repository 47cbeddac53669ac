package signer

import (
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// httpBearer is any server that takes a bearer token (RFC 6750).
type httpBearer struct{ anywhere }

var _ provider = httpBearer{}

func init() { register(httpBearer{}) }

var bearerNeeds = []string{"token"}

func (httpBearer) Schema() auth.Schema {
	return auth.Schema{
		Name:  "http_bearer",
		Title: "HTTP Bearer Token",
		Help:  "Any server that takes a bearer token: a model registry, a self-hosted hub, an API. Give the URL patterns it is meant for.",
		Fields: []auth.Field{
			{Name: "token", Title: "Token", Help: "The token alone, without the word Bearer.", Required: true, Secret: true, Preview: true},
			validationURL(),
		},
	}
}

func (p httpBearer) Check(f auth.Fields) error {
	return checkFields(p.Schema(), f, map[string]fieldRule{"token": tokenProblem, validationField: validationURLProblem})
}

func (httpBearer) needs() []string { return bearerNeeds }

func (httpBearer) sign(f auth.Fields, out *auth.Outgoing, _ time.Time) (auth.Applied, error) {
	return putBearer(out, f["token"])
}
