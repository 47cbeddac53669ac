package portal

import (
	"cmp"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// everything is what the portal serves below a team, and who may have it: the
// least role in the team, operator for who runs weighbridge. Streams go on.
const everything = `
GET viewer
GET /live/transfers viewer stream
GET /live/today viewer
GET /live/first-use/{key} viewer stream
GET /audit viewer
GET /audit/follow viewer stream
GET /audit/export viewer
GET /audit/verify viewer
POST /audit/verify/record operator
POST /audit/verify/file viewer
GET /test viewer
POST /test viewer
POST /test/link member
GET /credentials viewer
GET /credentials/new member
POST /credentials/new member
POST /credentials/new/preview member
GET /credentials/{ref} viewer
POST /credentials/{ref}/validate member
GET /credentials/{ref}/edit member
POST /credentials/{ref}/edit member
GET /credentials/{ref}/rotate member
POST /credentials/{ref}/rotate member
GET /credentials/{ref}/keys member
POST /credentials/{ref}/keys member
GET /credentials/{ref}/revoke member
POST /credentials/{ref}/revoke member
GET /credentials/{ref}/delete member
POST /credentials/{ref}/delete member
GET /keys viewer
GET /keys/new member
POST /keys/new member
GET /keys/{key} viewer
POST /keys/{key} member
POST /keys/{key}/credentials member
GET /keys/{key}/regenerate member
POST /keys/{key}/regenerate member
POST /keys/{key}/url-key member
GET /keys/{key}/url-key/end member
POST /keys/{key}/url-key/end member
GET /keys/{key}/revoke member
POST /keys/{key}/revoke member
GET /keys/{key}/delete member
POST /keys/{key}/delete member
GET /s3-keys viewer
GET /s3-keys/new member
POST /s3-keys/new member
GET /s3-keys/{key} viewer
POST /s3-keys/{key} member
POST /s3-keys/{key}/credentials member
GET /s3-keys/{key}/regenerate member
POST /s3-keys/{key}/regenerate member
GET /s3-keys/{key}/revoke member
POST /s3-keys/{key}/revoke member
GET /s3-keys/{key}/delete member
POST /s3-keys/{key}/delete member
GET /tokens viewer
GET /tokens/new viewer
POST /tokens/new viewer
GET /tokens/{token}/regenerate viewer
POST /tokens/{token}/regenerate viewer
GET /tokens/{token}/delete viewer
POST /tokens/{token}/delete viewer
GET /guide viewer
POST /guide member
GET /ca-bundle.pem viewer
GET /teams viewer
POST /teams owner
GET /teams/members/{user}/remove owner
POST /teams/members/{user}/remove owner
GET /teams/all viewer
POST /teams/all operator
GET /teams/all/{id} viewer
POST /teams/all/{id} operator
GET /teams/all/{id}/delete operator
POST /teams/all/{id}/delete operator
GET /teams/users operator
GET /teams/users/new operator
POST /teams/users/new operator
GET /teams/users/{id} operator
POST /teams/users/{id} operator
GET /teams/users/{id}/disable operator
POST /teams/users/{id}/disable operator
POST /teams/users/{id}/enable operator
GET /teams/users/{id}/delete operator
POST /teams/users/{id}/delete operator
GET /cloud-providers viewer
POST /cloud-providers member
POST /cloud-providers/fallback member
GET /cloud-providers/delete member
POST /cloud-providers/delete member
GET /settings viewer
GET /settings/ca/bundle viewer
GET /settings/ca/roots/{fingerprint} viewer
GET /settings/ca/rotate operator
POST /settings/ca/rotate operator
GET /settings/kek operator
GET /settings/kek/rotate operator
POST /settings/kek/rotate operator
POST /settings/kek/resume operator
GET /settings/backup operator
POST /settings/backup operator
GET /account viewer
POST /account/password viewer
GET /account/sessions/{id}/end viewer
POST /account/sessions/{id}/end viewer
GET /account/sessions/end-others viewer
POST /account/sessions/end-others viewer
`

// served is a row of everything.
type served struct {
	method, path, least string
	stream              bool
}

func rows(t *testing.T) (out []served) {
	t.Helper()
	for line := range strings.Lines(strings.TrimSpace(everything)) {
		part := strings.Fields(line)
		if !strings.HasPrefix(part[1], "/") { // the first page of a team
			part = slices.Insert(part, 1, "")
		}
		out = append(out, served{part[0], part[1], part[2], len(part) > 3})
	}
	return out
}

// registered is what the sources register below a team.
func registered(t *testing.T) (out []string) {
	t.Helper()
	call := regexp.MustCompile(`p\.(page|act|confirm|onCredential)\((?:"(GET|POST)", )?"([^"]*)"`)
	names, err := fs.Glob(here, "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := fs.ReadFile(here, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(b), -1) {
			path := m[3]
			if m[1] == "onCredential" {
				path = "/credentials/{ref}" + path
			}
			switch {
			case strings.HasSuffix(path, "...}"), path == "GET", path == "POST": // there is nothing there, or any path
			case m[1] == "confirm":
				out = append(out, "GET "+path, "POST "+path)
			default:
				out = append(out, cmp.Or(m[2], "POST")+" "+path)
			}
		}
	}
	return out
}
