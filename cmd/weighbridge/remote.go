package main

import (
	"cmp"

	"github.com/spf13/pflag"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// The environment of a command that reaches a weighbridge elsewhere.
const (
	addressVariable = "WEIGHBRIDGE_ADDRESS"
	tokenVariable   = "WEIGHBRIDGE_TOKEN"
	teamVariable    = "WEIGHBRIDGE_TEAM"
)

// remoteFlags say which weighbridge is meant, and which team in it.
type remoteFlags struct{ address, token, team string }

func (r *remoteFlags) declare(f *pflag.FlagSet) {
	f.StringVar(&r.address, "address", "", "URL of the admin listener of a weighbridge elsewhere ("+addressVariable+"); admin.sock where none is given")
	f.StringVar(&r.token, "token", "", "access token for --address, as @FILE, env:VAR or - (env:"+tokenVariable+" where it is set)")
	f.StringVar(&r.team, "team", "", "the team that is meant, by name or id ("+teamVariable+"); the default one, or the token's")
}

// client reaches the API that the command is about. Where it cannot, each call
// answers with the reason.
func (a *app) client() *admin.Client {
	if a.api == nil {
		api, err := a.reach()
		if err != nil {
			api = admin.NewFailedClient(err)
		}
		a.api = api // a token on standard input is read once
	}
	return a.api
}

func (a *app) reach() (*admin.Client, error) {
	address, team := cmp.Or(a.remote.address, a.env(addressVariable)), cmp.Or(a.remote.team, a.env(teamVariable))
	if address == "" {
		if a.remote.token != "" {
			return nil, usage("--token is for a weighbridge elsewhere: name it with --address (or %s)", addressVariable)
		}
		return admin.NewTeamClient(a.dataDir, team), nil
	}
	source := a.remote.token
	if source == "" && a.env(tokenVariable) != "" {
		source = "env:" + tokenVariable
	}
	if source == "" {
		return nil, usage("--address needs an access token: --token @FILE, or the variable %s", tokenVariable)
	}
	token, literal, err := a.value("--token", source)
	if err != nil {
		return nil, err
	}
	if literal {
		return nil, usage("--token: a literal token would show in the list of processes; give @FILE, env:VAR or -")
	}
	api, err := admin.NewRemoteClient(address, team, auth.NewSecret(token))
	if err != nil {
		return nil, usage("%w", err)
	}
	return api, nil
}
