package admin

import (
	"net/http"

	"github.com/weighbridge/weighbridge/auth"
)

// need is what an operation asks of its caller.
type need uint8

const (
	// The zero value is nobody's: an operation that the table does not list.
	_ need = iota
	// needNobody: without any caller, such as signing in.
	needNobody
	// needCaller: whoever it is.
	needCaller
	// needSession: a user in person, about that user's own account. An access
	// token can do none of it, and the socket has no account.
	needSession
	// needViewer, needMember and needOwner: that role in the team that the
	// request is about, at least.
	needViewer
	needMember
	needOwner
	// needOperator: who runs weighbridge: the socket, and the owners of the
	// default team.
	needOperator
	// needSocket: whoever may open the socket, and no other operator: it takes
	// over an account.
	needSocket
)

// inPerson, beside one of the others, keeps access tokens out: a token must not
// make another that can do more.
const inPerson need = 1 << 7

// authorizations says for every operation what it asks of its caller. Reading
// and writing are told apart by the method: a token of scope read may GET.
var authorizations = map[string]need{
	"create-credential":   needMember,
	"preview-credential":  needMember,
	"list-credentials":    needViewer,
	"get-credential":      needViewer,
	"update-credential":   needMember,
	"delete-credential":   needMember,
	"validate-credential": needMember,
	"rotate-credential":   needMember,
	"revoke-credential":   needMember,

	"create-key":     needMember,
	"list-keys":      needViewer,
	"get-key":        needViewer,
	"update-key":     needMember,
	"revoke-key":     needMember,
	"regenerate-key": needMember,
	"delete-key":     needMember,

	"create-s3-key":     needMember,
	"list-s3-keys":      needViewer,
	"get-s3-key":        needViewer,
	"update-s3-key":     needMember,
	"revoke-s3-key":     needMember,
	"regenerate-s3-key": needMember,
	"delete-s3-key":     needMember,

	"get-comfy-cloud":    needViewer,
	"set-comfy-cloud":    needMember,
	"delete-comfy-cloud": needMember,

	"link":    needMember,
	"unlink":  needMember,
	"explain": needViewer,
	// It sends requests with a credential.
	"probe": needMember,

	"list-events":   needViewer,
	"follow-events": needViewer,
	"verify-events": needOperator, // the chains of all teams
	"verify-export": needViewer,
	"export-events": needViewer, // of the team; of all it asks for needOperator
	"list-usage":    needViewer,

	"list-transfers":   needViewer,
	"follow-transfers": needViewer,

	"sign-in":           needNobody,
	"refresh-session":   needNobody,
	"create-first-user": needNobody,
	"start-oidc":        needNobody,
	"finish-oidc":       needNobody,
	"change-password":   needSession,
	"sign-out":          needSession,
	"list-sessions":     needSession,
	"end-session":       needSession,

	"create-user":    needOperator,
	"list-users":     needOperator,
	"get-user":       needOperator,
	"update-user":    needOperator | inPerson, // an address is what OpenID Connect signs in by
	"disable-user":   needOperator,
	"enable-user":    needOperator,
	"delete-user":    needOperator,
	"reset-password": needSocket,

	"create-team": needOperator,
	"list-teams":  needCaller, // its own
	"get-team":    needCaller,
	"update-team": needOperator,
	"delete-team": needOperator,

	"list-members":  needViewer,
	"put-member":    needOwner,
	"remove-member": needOwner,

	"create-token": needViewer | inPerson,
	"list-tokens":  needViewer, // its own
	"get-token":    needViewer,
	// A token would get the secret of a mightier one.
	"regenerate-token": needViewer | inPerson,
	"delete-token":     needViewer,

	"get-caller":     needCaller,
	"get-system":     needCaller,
	"list-providers": needCaller,
	"list-roots":     needCaller,
	"get-bundle":     needCaller,

	"rotate-root": needOperator,
	"get-kek":     needOperator,
	"rotate-kek":  needOperator,
	"backup":      needOperator,
}

// ofTeam reports whether the operation is about the things of one team.
func (n need) ofTeam() bool {
	n &^= inPerson
	return n == needViewer || n == needMember || n == needOwner
}

// role is the least role in the team.
func (n need) role() auth.Role {
	switch n &^ inPerson {
	case needViewer:
		return auth.RoleViewer
	case needMember:
		return auth.RoleMember
	default:
		return auth.RoleOwner
	}
}

// authorize decides, of nothing but what it is given: nil, or why c may not.
// path is that of the request, for a token that is bound to a route. That a
// team is not c's is told before, by not finding it.
func authorize(n need, method, path string, c *Caller) *Problem {
	if n == needNobody {
		return nil
	}
	switch c.Kind {
	case KindLocal, KindUser:
	case KindToken:
		if p := ofToken(n, method, path, c); p != nil {
			return p
		}
	default:
		return unauthenticated()
	}
	switch n &^= inPerson; {
	case n == needCaller:
		return nil
	case n == needSession:
		if c.Kind == KindUser {
			return nil
		}
		return forbidden("the operation is about a user's own account", "Sign in with e-mail and password, or by OpenID Connect.")
	case n.ofTeam():
		if c.Kind == KindLocal || c.Role.AtLeast(n.role()) {
			return nil
		}
		return forbidden("the role "+string(c.Role)+" in the team "+quoted(c.Team.Name)+" may not do this; it takes "+string(n.role()),
			"Ask an owner of the team.")
	case n == needSocket:
		if c.Kind == KindLocal {
			return nil
		}
		return forbidden("the operation takes over an account, and is for the machine itself", "Run it there, where admin.sock is.")
	case n == needOperator:
		if c.Operator {
			return nil
		}
		return forbidden("the operation is about the whole of weighbridge, and not about one team",
			"Ask who runs it: an owner of the default team, or whoever may use admin.sock.")
	default:
		return forbidden("nobody may do this", "")
	}
}

// ofToken is what a token may not do, whoever its user is.
func ofToken(n need, method, path string, c *Caller) *Problem {
	switch read := method == http.MethodGet || method == http.MethodHead; {
	case !c.Token.Covers(path):
		return problem(http.StatusForbidden, codeTokenRoute,
			"the access token "+quoted(c.Token.Name)+" is restricted to "+c.Token.Route, "Use a token for this route, or one without a restriction.")
	case !read && c.Token.Scope != auth.ScopeWrite:
		return problem(http.StatusForbidden, string(auth.CodeScopeForbidden),
			"the access token "+quoted(c.Token.Name)+" has the scope read, which is for GET alone", "Use a token of scope write.")
	case n == needSession, n&inPerson != 0:
		return forbidden("the operation is for a user in person, which no access token can do", "Sign in.")
	default:
		return nil
	}
}

// codeTokenRoute is written as the document of the tokens that these follow
// writes it.
const codeTokenRoute = "ROUTE_FORBIDDEN"

func forbidden(detail, next string) *Problem {
	return problem(http.StatusForbidden, "forbidden", detail, next)
}

func quoted(name string) string { return `"` + name + `"` }
