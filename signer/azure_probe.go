package signer

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

var _ prober = azureBlob{}

// asks asks for a blob of each pattern, which need not exist, or where none is
// named for a token of Entra alone.
func (p azureBlob) asks(q *auth.Inquiry) (string, string) {
	if p.entra(q.Credential.Params) {
		if to := entraEndpoint(q.Credential.Params); to != "" {
			return to, ""
		}
	}
	if places := p.places(q); len(places) > 0 {
		return places[0].url, ""
	}
	return "", "the fields are well formed; no pattern names a container, so nobody is asked: name yours, such as ACCOUNT.blob.core.windows.net/CONTAINER/*"
}

// entra reports whether the credential is one of Entra.
func (azureBlob) entra(params map[string]string) bool {
	source := params["source"]
	return source == sourceWorkload || source == sourceManaged || params["accountName"] == "" && params["clientId"] != ""
}

// entraEndpoint is where a static identity is exchanged.
func entraEndpoint(params map[string]string) string {
	if s := params["source"]; s != "" && s != sourceStatic || params["tenantId"] == "" {
		return ""
	}
	host := params["authorityHost"]
	if host == "" {
		host = entraHost
	}
	return "https://" + host + "/" + url.PathEscape(params["tenantId"]) + "/oauth2/v2.0/token"
}

// sensitive implements discerning: of a SAS its signature, and not its times and
// permissions.
func (azureBlob) sensitive(f auth.Fields) []auth.Secret {
	s, problem := parseSAS(f["sasToken"].Reveal())
	if problem != "" {
		return []auth.Secret{f["sasToken"], f["accountKey"], f["clientSecret"]}
	}
	return []auth.Secret{auth.NewSecret(s.signature)}
}

// places are a blob of each pattern that names a container. An account's key
// reaches every container: of a pattern for the whole account one is made up.
func (p azureBlob) places(q *auth.Inquiry) []place {
	c := &q.Credential
	account := c.Params["accountName"]
	list := placeList{of: p, c: c}
	list.want(q.Resource)
	for _, pattern := range injecting(p, c) {
		text := pattern.String()
		if rest, wild := strings.CutPrefix(text, "*."); wild && account != "" {
			if named, err := auth.ParsePattern(account + "." + rest); err == nil {
				pattern = named
			}
		}
		to, exact := somewhere(pattern)
		if to == "" {
			continue
		}
		container := strings.Contains(strings.TrimSuffix(pattern.Path(), "*"), "/") && strings.Count(pattern.Path(), "/") > 1
		if whole := strings.TrimSuffix(pattern.Path(), "*"); whole == "/" {
			if account == "" && !p.entra(c.Params) {
				continue // a SAS is for some container, and it does not say which
			}
			to = strings.TrimSuffix(to, absent) + absent + "/" + absent
		} else if !container && !exact {
			continue
		} else if exact && azureContainer(pattern.Path()) {
			to += azureListing
		}
		list.add(place{url: to, name: strings.TrimPrefix(strings.TrimPrefix(pattern.String(), "https://"), "http://"), exact: exact})
	}
	return list.out
}

// azureListing asks for the shortest listing of a container ("List Blobs").
const azureListing = "?restype=container&comp=list&maxresults=1"

// azureContainer reports whether path is a container's rather than that of a blob
// in $root: 3 to 63 lower-case letters, digits and hyphens ("Naming and
// referencing containers, blobs, and metadata").
func azureContainer(path string) bool {
	name := strings.TrimPrefix(path, "/")
	return len(name) >= 3 && len(name) <= 63 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func (p azureBlob) probe(ctx context.Context, c *probing) auth.Report {
	t := c.trial(p)
	defer t.close()
	places := p.places(c.Inquiry)
	if len(places) == 0 {
		return t.entraAlone(ctx)
	}
	r := t.tally(ctx, places, func(a *answer, at *place) finding { return azureFinding(c, a, at) })
	if to := entraEndpoint(c.Credential.Params); r.Asked == "" && to != "" { // no token
		r.Asked = "POST " + to
	}
	if r.Verdict == auth.VerdictInvalid && r.Next == "" {
		r.Next = azureRenew(c)
	}
	return r
}

// entraAlone only gets a token.
func (t *trial) entraAlone(ctx context.Context) auth.Report {
	to := entraEndpoint(t.p.Credential.Params)
	if to == "" { // the machine's own identity
		return auth.Report{Verdict: auth.VerdictUnasked, Meaning: "the fields are well formed; no pattern names a storage account, so nobody is asked"}
	}
	call := &call{params: t.p.Credential.Params, fields: t.p.Fields, now: t.p.now, means: &t.set.means}
	if _, err := call.entraToken(ctx); err != nil {
		r := t.p.unsigned(err)
		r.Asked = "POST " + to
		if r.Verdict == auth.VerdictInvalid {
			r.Next = azureRenew(t.p)
		}
		return *r
	}
	return auth.Report{Verdict: auth.VerdictValid, Asked: "POST " + to, Answer: statusText(http.StatusOK),
		Meaning: "Entra gives a token to the application; whether it may read is not known",
		Next:    "Name a container in a pattern, such as ACCOUNT.blob.core.windows.net/CONTAINER/*, and it is tried."}
}

func azureRenew(c *probing) string {
	switch {
	case !c.Fields["sasToken"].IsZero():
		return "Make a new SAS token for the container, with permission Read, and rotate it in."
	case !c.Fields["accountKey"].IsZero():
		return "Copy the account's key anew (Azure portal, Security + networking, Access keys), and rotate it in."
	}
	return "Compare tenant, client id and secret with the application in Entra (the secret's value, not its id), and rotate a new secret in."
}

// azureFinding reads an answer by its code (Azure Storage REST, "Common REST
// API error codes" and "Blob service error codes"). The signature is looked at
// before the blob.
func azureFinding(c *probing, a *answer, at *place) finding {
	code := a.header.Get("X-Ms-Error-Code")
	if code == "" {
		code = readS3Error(a.body).Code // the form of the document is the same
	}
	what := "the SAS token"
	switch {
	case !c.Fields["accountKey"].IsZero():
		what = "the account key"
	case c.Fields["sasToken"].IsZero():
		what = "the identity"
	}
	valid := finding{verdict: auth.VerdictValid, meaning: "Azure takes " + what, fact: at.name + ": may be read"}
	invalid := func(why string) finding {
		return finding{verdict: auth.VerdictInvalid, meaning: why, next: azureRenew(c)}
	}
	without := func(why, next string) finding {
		return finding{verdict: auth.VerdictValid, meaning: "Azure takes " + what + ", but does not let it read " + at.name, warning: why, next: next}
	}
	lists := strings.HasSuffix(at.url, azureListing)
	if lists {
		valid.fact = at.name + ": may be listed"
	}
	switch {
	case a.status == http.StatusOK, a.status == http.StatusPartialContent, code == "InvalidRange":
		return valid
	case lists && code == "AuthorizationPermissionMismatch":
		valid.fact = at.name + ": may not be listed, which a download does not need"
		return valid
	case code == "BlobNotFound" && !at.exact:
		return valid
	case code == "BlobNotFound":
		valid.fact, valid.warning, valid.next = "", "there is no blob "+at.name, "Compare the name with what is in the container."
		return valid
	case code == "ContainerNotFound":
		valid.fact = ""
		if !strings.Contains(at.url, "/"+absent+"/") {
			valid.warning, valid.next = "there is no container for "+at.name, "Compare the container's name with the pattern."
		}
		return valid
	case code == "AuthorizationPermissionMismatch" && what == "the identity":
		return without("the application has no role that reads "+at.name, "Give it the role Storage Blob Data Reader on the account or container.")
	case code == "AuthorizationPermissionMismatch":
		return without("the permissions of "+what+" (sp) do not let it read", "Make a SAS token with the permission Read.")
	case code == "AuthorizationResourceTypeMismatch":
		return without("the SAS token is not for objects (srt has no o)", "Make a SAS token for the resource type Object.")
	case code == "AuthorizationServiceMismatch":
		return without("the SAS token is not for blobs (ss has no b)", "Make a SAS token for the service Blob.")
	case code == "AuthorizationSourceIPMismatch":
		return without("the SAS token does not hold from the address by which weighbridge leaves (sip)", "Make a SAS token for that address, or for every address.")
	case code == "KeyBasedAuthenticationNotPermitted":
		return invalid("the storage account takes no account keys, nor what they sign: use Entra")
	case code == "AuthenticationFailed" && what == "the SAS token":
		return invalid("Azure does not take the SAS token: its signature is wrong, it has ended or not begun, or it is for another container")
	case code == "AuthenticationFailed" && what == "the account key" && endedThere(c, a):
		return finding{meaning: "what is signed with the account key ends within the hour, and by Azure's clock that is over: this machine's clock is behind", next: "Set this machine's clock."}
	case code == "AuthenticationFailed":
		return invalid("Azure does not take " + what + ": it is wrong, or was replaced")
	case code == "AuthorizationFailure" && !emulated(a):
		return finding{meaning: "Azure refuses the request for something else than its signature: a firewall of the storage account, perhaps",
			next: "Look at the networking of the storage account; it is asked again by itself."}
	case code == "AuthorizationFailure":
		return invalid("the emulator does not take " + what)
	case a.status == http.StatusUnauthorized:
		return invalid("Azure does not take the token of the identity")
	}
	return finding{}
}

// endedThere reports whether the clock of who answered is further ahead of ours
// than what is minted with an account key holds for: it had ended when it came,
// whatever the key is.
func endedThere(c *probing, a *answer) bool {
	date, err := http.ParseTime(a.header.Get("Date"))
	return err == nil && date.Sub(c.now) > mintedLife
}

// emulated recognises Azurite, which says AuthorizationFailure where Azure says
// AuthenticationFailed.
func emulated(a *answer) bool { return strings.HasPrefix(a.header.Get("Server"), "Azurite") }
