package signer

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// The service SAS that an account key signs for one request. The SDK's package
// sas would do, but its key can only be made by packages that link the whole
// client, and Apache Arrow with it.
const (
	// mintedVersion is sv. Its string-to-sign is that of version 2020-12-06,
	// which every cloud and emulator knows.
	mintedVersion = "2022-11-02"
	// mintedStep: ends are multiples of it, so that the many requests for one
	// blob carry the same signature.
	mintedStep = 15 * time.Minute
	// mintedLife is the shortest that a signature holds for. Azure looks at it
	// when a request begins. It is also how far Azure's clock may be ahead of
	// ours; there is no beginning (st), which a clock behind ours could not
	// have reached.
	mintedLife = time.Hour
)

// azureResource is what a SAS is signed for.
type azureResource struct {
	// account, container and blob are decoded; blob is empty for a container.
	account, container, blob string
	// kind is sr, moment the snapshot or version that it names.
	kind, moment string
	// lists says that the request lists what is in it.
	lists bool
	// whole says that only an account SAS is taken for the request; kind is srt
	// then.
	whole bool
}

// canonical is the canonicalized resource ("Create a service SAS",
// Canonicalized resource).
func (r *azureResource) canonical() string {
	name := "/blob/" + r.account + "/" + r.container
	if r.blob != "" {
		name += "/" + r.blob
	}
	return name
}

// mint makes the query of a service SAS ("Create a service SAS", Version
// 2020-12-06 and later: Blob Storage). key is the account's, decoded.
func (r *azureResource) mint(key []byte, permissions, protocol string, now time.Time) (query, signature string) {
	end := now.UTC().Truncate(mintedStep).Add(mintedLife + mintedStep).Format(time.RFC3339)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.Join([]string{
		permissions, "", end, r.canonical(), "", "", protocol, mintedVersion, r.kind, r.moment,
		"",                 // encryption scope
		"", "", "", "", "", // rscc, rscd, rsce, rscl, rsct
	}, "\n")))
	return mintedQuery("&sr="+r.kind, permissions, protocol, end, mac.Sum(nil))
}

// mintAccount makes the query of an account SAS, for what a service SAS cannot
// be used for ("Create an account SAS": Construct the signature string, Version
// 2020-12-06 and later).
func (r *azureResource) mintAccount(key []byte, permissions, protocol string, now time.Time) (query, signature string) {
	end := now.UTC().Truncate(mintedStep).Add(mintedLife + mintedStep).Format(time.RFC3339)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.Join([]string{
		r.account, permissions, "b", r.kind, "", end, "", protocol, mintedVersion,
		"", // encryption scope
		"",
	}, "\n")))
	return mintedQuery("&ss=b&srt="+r.kind, permissions, protocol, end, mac.Sum(nil))
}

// mintedQuery writes a SAS down.
func mintedQuery(kind, permissions, protocol, end string, mac []byte) (query, signature string) {
	signature = base64.StdEncoding.EncodeToString(mac)
	query = "sv=" + mintedVersion
	if protocol != "" {
		query += "&spr=" + protocol
	}
	return query + "&se=" + escapeQuery(end) + kind + "&sp=" + permissions + "&sig=" + escapeQuery(signature), signature
}

// signAccountKey puts a SAS on that is good for this request's blob or
// container, and for nothing but what the request does.
func signAccountKey(c *call) (auth.Applied, error) {
	key, err := base64.StdEncoding.DecodeString(c.fields["accountKey"].Reveal())
	if err != nil || len(key) < minAccountKey {
		return auth.Applied{}, errUnsendable
	}
	r, err := azureResourceOf(c)
	if err != nil {
		return auth.Applied{}, err
	}
	permissions, err := mintedPermissions(c, &r)
	if err != nil {
		return auth.Applied{}, err
	}
	protocol := "https"
	if c.out.Target.Scheme != protocol {
		protocol = "" // the pattern says http://: an emulator
	}
	mint := r.mint
	if r.whole {
		mint = r.mintAccount
	}
	query, signature := mint(key, permissions, protocol, c.now)
	c.out.Header.Del(authorization)
	putQuery(c.out, query, isSASParameter)
	return auth.Applied{Mask: []auth.Secret{auth.NewSecret(signature)}}, nil
}

// azureResourceOf reads from the URL what is asked for. The account is the one
// that the key belongs to: a signature for it is not sent to any other.
func azureResourceOf(c *call) (azureResource, error) {
	t := &c.out.Target
	r := azureResource{account: c.fields["accountName"].Reveal()}
	path, err := url.PathUnescape(strings.TrimPrefix(t.Path, "/"))
	if err != nil {
		return r, &obstacle{why: "the path is not percent-encoded correctly"}
	}
	label, _, _ := strings.Cut(t.Host, ".")
	switch {
	case strings.TrimSuffix(label, "-secondary") == r.account:
	case c.pattern.WildcardHost(), storageHost(t.Host):
		return r, &obstacle{why: "the URL is of another storage account than the key"}
	case strings.HasPrefix(path, r.account+"/"):
		// An emulator, or an address: the account is in the path.
		path = strings.TrimPrefix(path, r.account+"/")
	}
	q := azureQuery(t.RawQuery)
	filesystem := dataLake(t.Host) && q.has("resource", "filesystem")
	if q.has("restype", "container") || filesystem {
		r.container, r.kind = strings.TrimSuffix(path, "/"), "c"
		if r.container == "" || strings.Contains(r.container, "/") {
			return r, &obstacle{why: "the URL names no container"}
		}
		// Of a container a service SAS lists the blobs, and tells nothing else
		// ("Create a service SAS", Permissions for a directory, container, or
		// blob: properties and metadata need an account SAS).
		// "Path - List" is a GET of the filesystem; a HEAD gets its properties.
		r.lists = q.has("comp", "list") || filesystem && c.out.Method == "GET"
		r.whole = !r.lists && !q.has("comp", "blobs")
		return r, nil
	}
	if path == "" && (q.has("comp", "list") || dataLake(t.Host) && q.has("resource", "account")) {
		// List Containers, or Filesystem - List ("Create an account SAS", Blob
		// service).
		r.kind, r.lists, r.whole = "s", true, true
		return r, nil
	}
	var inContainer bool
	r.container, r.blob, inContainer = strings.Cut(path, "/")
	if !inContainer {
		r.container, r.blob = "$root", path
	}
	if r.container == "" || r.blob == "" {
		return r, &obstacle{why: "the URL names no blob"}
	}
	r.kind = "b"
	snapshots, versions := q["snapshot"], q["versionid"]
	switch {
	case len(snapshots)+len(versions) > 1:
		return r, &obstacle{why: "the URL names more than one snapshot or version"}
	case len(snapshots) == 1:
		r.kind, r.moment = "bs", strings.ToUpper(snapshots[0])
	case len(versions) == 1:
		r.kind, r.moment = "bv", strings.ToUpper(versions[0])
	}
	return r, nil
}

// dataLake reports whether host serves the API of Data Lake Storage, where a
// container is a filesystem, and said by another parameter ("Azure Data Lake
// Storage Gen2 REST APIs").
func dataLake(host string) bool { return strings.Contains(host, ".dfs.") }

// storageHost reports whether host is one of Azure's own, whose first label is
// the account; others are domains of the account's owner, or emulators.
func storageHost(host string) bool {
	return strings.Contains(host, ".blob.core.") || strings.Contains(host, ".dfs.core.") || hostBelow(host, "storage.azure.net")
}

// mintedPermissions are the fewest that the request needs ("Create a service
// SAS", Permissions for a directory, container, or blob).
func mintedPermissions(c *call, r *azureResource) (string, error) {
	q := azureQuery(c.out.Target.RawQuery)
	switch {
	case r.lists && c.read():
		return "l", nil
	case r.kind == "s":
		return "", &obstacle{why: "the account is not changed with its key"}
	case r.kind == "c" && c.read() && q.has("comp", "blobs"):
		return "f", nil // Find Blobs by Tags in Container
	case r.kind == "c" && c.read():
		return "r", nil
	case r.kind == "c":
		return "", &obstacle{why: "containers are not made or changed with an account key"}
	case c.read() && q.has("comp", "tags"):
		return "t", nil
	case c.read():
		return "r", nil
	case c.out.Method == "DELETE":
		return "d", nil
	case q.has("comp", "tags"):
		return "t", nil
	}
	return "acw", nil // in the order in which Azure wants them
}

// minAccountKey is the fewest bytes of an account key that are taken for one;
// Azure's have 64.
const minAccountKey = 16

func accountNameProblem(v string) string {
	// "Storage account name": 3 to 24 lower-case letters and digits.
	if len(v) < 3 || len(v) > 24 || strings.Trim(v, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return "is 3 to 24 lower-case letters and digits: the name alone, not its host"
	}
	return ""
}

func accountKeyProblem(v string) string {
	if key, err := base64.StdEncoding.DecodeString(v); err != nil || len(key) < minAccountKey || strings.ContainsAny(v, "\r\n") {
		return "is not a storage account's key (base64); copy it whole, not the connection string"
	}
	return ""
}
