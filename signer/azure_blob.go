package signer

import (
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// azureBlob is Azure Blob Storage, by a shared access signature.
type azureBlob struct{}

var (
	_ provider      = azureBlob{}
	_ auth.Mender   = azureBlob{}
	_ auth.Reader   = azureBlob{}
	_ auth.Rewriter = azureBlob{}
)

func init() { register(azureBlob{}) }

var azureSASNeeds = []string{"sasToken"}

func (azureBlob) Schema() auth.Schema {
	return auth.Schema{
		Name:  "azure_blob",
		Title: "Azure Blob Storage",
		Help: "Private containers, by a shared access signature (SAS). In the Azure portal, under Security + networking, Shared access signature: " +
			"service Blob, resource type Object, permission Read, and an end. Name your account in a pattern (ACCOUNT.blob.core.windows.net/*): " +
			"by the default one the token goes to every account. Sovereign clouds and private links need a pattern of their own.",
		Fields: []auth.Field{
			{Name: "sasToken", Title: "SAS token", Help: "What follows the question mark; with or without it.", Required: true, Secret: true},
		},
		DefaultPatterns: []string{"*.blob.core.windows.net/*"},
	}
}

func (p azureBlob) Check(f auth.Fields) error {
	return checkFields(p.Schema(), f, map[string]fieldRule{"sasToken": sasProblem})
}

func sasProblem(v string) string {
	_, problem := parseSAS(v)
	return problem
}

// Mend implements auth.Mender.
func (azureBlob) Mend(f auth.Fields) auth.Fields {
	out := make(auth.Fields, len(f))
	for name, v := range f {
		if name == "sasToken" && v.Reveal() != auth.Redacted {
			v = auth.NewSecret(mendSAS(v.Reveal()))
		}
		out[name] = v
	}
	return out
}

func (azureBlob) Expand(p auth.Pattern) ([]auth.Rule, error) {
	return []auth.Rule{{Pattern: p}}, nil
}

// Companions is empty: the service sends everything itself, without redirects.
func (azureBlob) Companions() []auth.Companion { return nil }

// Classify tells by the method, and refuses what is no blob: the keys that
// sign further signatures, who may do what, the settings of the service and
// the account, and batches, whose parts name blobs of their own (Blob service
// REST: Get User Delegation Key, Get/Set Container ACL, Get/Set Blob Service
// Properties, Get Account Information, Blob Batch).
func (azureBlob) Classify(method string, t auth.Target) auth.Class {
	class := classifyMethod(method)
	if !t.HasQuery {
		return class
	}
	q := azureQuery(t.RawQuery)
	switch {
	case q.has("comp", "userdelegationkey", "acl", "batch"),
		q.has("restype", "service") && q.has("comp", "properties", "stats"),
		q.has("restype", "account"),
		// Data Lake Storage, the same blobs by another API.
		q.has("action", "getaccesscontrol", "setaccesscontrol", "setaccesscontrolrecursive"):
		return auth.ClassForbidden
	}
	return class
}

func (azureBlob) needs() []string { return azureSASNeeds }

func (azureBlob) sign(f auth.Fields, out *auth.Outgoing, _ time.Time) (auth.Applied, error) {
	return putSAS(out, f["sasToken"].Reveal())
}

// Prepare implements auth.Rewriter.
func (azureBlob) Prepare(auth.Asked, auth.Header) auth.Wants { return auth.WantsNothing }

// Rewrite takes out of a Location of the same server what belongs to a SAS:
// the next request is matched afresh and given its own. What an answer echoes
// is masked besides, but a masked signature left in a URL would look like a
// foreign one, to which nothing is put on.
func (azureBlob) Rewrite(a *auth.Answer) (auth.BodyRewrite, error) {
	location := a.Header.Get("Location")
	if location == "" {
		return nil, nil
	}
	ref, fragment, _ := strings.Cut(location, "#")
	path, query, found := strings.Cut(ref, "?")
	if !found || !sameServer(path, a.Request.Target) {
		return nil, nil
	}
	rest, removed := withoutParameters(query, isSASParameter)
	if !removed {
		return nil, nil
	}
	if path == "" {
		path = a.Request.Target.Path
	}
	if rest != "" {
		path += "?" + rest
	}
	if fragment != "" {
		path += "#" + fragment
	}
	a.Header.Set("Location", path)
	return nil, nil
}

// sameServer reports whether ref, an absolute or relative URL without a query,
// leads to the server of t.
func sameServer(ref string, t auth.Target) bool {
	if strings.HasPrefix(ref, "//") {
		ref = t.Scheme + ":" + ref
	}
	if !strings.Contains(ref, "://") {
		return true
	}
	to, err := auth.ParseURL(ref)
	return err == nil && to.Host == t.Host && to.Port == t.Port && to.Scheme == t.Scheme
}
