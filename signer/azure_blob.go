package signer

import (
	"context"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// azureBlob is Azure Blob Storage, by a shared access signature that was given,
// by one that an account key signs for each blob, or by Microsoft Entra.
type azureBlob struct{}

var (
	_ provider      = azureBlob{}
	_ auth.Mender   = azureBlob{}
	_ auth.Reader   = azureBlob{}
	_ auth.Rewriter = azureBlob{}
	_ chooser       = azureBlob{}
	_ deriver       = azureBlob{}
)

func init() { register(azureBlob{}) }

// What is opened, by the way in which the credential was given.
var (
	azureSASNeeds     = []string{"sasToken"}
	azureKeyNeeds     = []string{"accountName", "accountKey"}
	azureSecretNeeds  = []string{"tenantId", "clientId", "clientSecret"}
	azureAmbientNeeds = []string{"source"}
)

func (azureBlob) Schema() auth.Schema {
	return auth.Schema{
		Name:  "azure_blob",
		Title: "Azure Blob Storage",
		Help: "Private containers. Give a SAS token (Azure portal, Security + networking, Shared access signature: service Blob, resource type Object, " +
			"permission Read, and an end), or an account's name and key, of which short signatures for single blobs are made, " +
			"or a Microsoft Entra application with the role Storage Blob Data Reader. Name your account in a pattern (ACCOUNT.blob.core.windows.net/*): " +
			"by the default one a SAS token goes to every account. Sovereign clouds and private links need a pattern of their own.",
		Links: []auth.HelpLink{
			{Title: "About shared access signatures", URL: "https://learn.microsoft.com/en-us/azure/storage/common/storage-sas-overview"},
		},
		Fields: []auth.Field{
			{Name: "sasToken", Title: "SAS token", Help: "What follows the question mark; with or without it.", Secret: true},
			{Name: "accountName", Title: "Account name", Help: "With an account key: the name alone, such as acmemodels."},
			{Name: "accountKey", Title: "Account key", Help: "It is the account's root password and never leaves weighbridge: signatures that read one blob do.", Secret: true},
			{Name: "tenantId", Title: "Tenant", Help: "With Entra: the directory's id or domain."},
			{Name: "clientId", Title: "Client id", Help: "With Entra: the application's id; with a managed identity, that of a user-assigned one."},
			{Name: "clientSecret", Title: "Client secret", Help: "With Entra: the value of the secret, not its id.", Secret: true},
			{Name: "source", Title: "Identity", Help: "workload_identity and managed_identity take the identity that weighbridge itself runs with; no secret is given then.",
				Options: []string{sourceStatic, sourceWorkload, sourceManaged}},
			{Name: "authorityHost", Title: "Authority host", Help: "With Entra in a sovereign cloud, such as login.microsoftonline.us; " + entraHost + " where it is empty."},
		},
		DefaultPatterns: []string{"*.blob.core.windows.net/*"},
	}
}

func (p azureBlob) Check(f auth.Fields) error {
	err := checkFields(p.Schema(), f, map[string]fieldRule{
		"sasToken": sasProblem, "accountName": accountNameProblem, "accountKey": accountKeyProblem,
		"tenantId": tenantProblem, "clientId": clientIDProblem, "clientSecret": tokenProblem, "authorityHost": authorityHostProblem,
	})
	if err != nil {
		return err
	}
	return azureWay(f)
}

// azureWay checks that the credential is given in one way, and completely.
func azureWay(f auth.Fields) error {
	e := &FieldsError{Provider: "azure_blob"}
	source := f["source"].Reveal()
	ways := 0
	given := func(names ...string) bool {
		for _, n := range names {
			if !f[n].IsZero() {
				return true
			}
		}
		return false
	}
	need := func(names ...string) {
		ways++
		for _, n := range names {
			if f[n].IsZero() {
				e.add(n, "is required")
			}
		}
	}
	if given("sasToken") {
		need("sasToken")
	}
	if given("accountName", "accountKey") {
		need("accountName", "accountKey")
	}
	switch {
	case source == sourceWorkload || source == sourceManaged:
		ways++
		if given("clientSecret") {
			e.add("clientSecret", "is not used with source "+source)
		}
	case given("tenantId", "clientId", "clientSecret"):
		need("tenantId", "clientId", "clientSecret")
	}
	switch {
	case ways == 0:
		e.add("sasToken", "is required, or accountName and accountKey, or tenantId, clientId and clientSecret, or source")
	case ways > 1:
		e.add("sasToken", "is one way of several that are given: give a SAS token, an account key or an Entra identity, not two of them")
	case given("authorityHost") && given("sasToken", "accountKey"):
		e.add("authorityHost", "is for Entra only")
	}
	if len(e.Problems) > 0 {
		return e
	}
	return nil
}

func sasProblem(v string) string {
	_, problem := parseSAS(v)
	return problem
}

// Mend implements auth.Mender.
func (azureBlob) Mend(f auth.Fields) auth.Fields {
	out := make(auth.Fields, len(f))
	for name, v := range f {
		switch text := v.Reveal(); {
		case text == auth.Redacted:
		case name == "sasToken":
			v = auth.NewSecret(mendSAS(text))
		case name == "accountKey", name == "clientSecret":
			v = auth.NewSecret(strings.TrimSpace(text))
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

// choose implements chooser.
func (azureBlob) choose(params map[string]string) []string {
	switch source := params["source"]; {
	case source == sourceWorkload || source == sourceManaged:
		return azureAmbientNeeds
	case params["accountName"] != "":
		return azureKeyNeeds
	case params["clientId"] != "":
		return azureSecretNeeds
	}
	return azureSASNeeds
}

// derive implements deriver.
func (azureBlob) derive(ctx context.Context, c *call) (auth.Applied, error) {
	switch {
	case !c.fields["sasToken"].IsZero():
		return putSAS(c.out, c.fields["sasToken"].Reveal())
	case !c.fields["accountKey"].IsZero():
		return signAccountKey(c)
	}
	return signEntra(ctx, c)
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
