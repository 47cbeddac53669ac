package signer

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// sigText is a signature with every character that base64 has trouble with in
// a query.
const sigText = "CanaryCanary+Canary/CanaryCanary+CanaryCana="

// sigEncoded is sigText as the portal gives it.
const sigEncoded = "CanaryCanary%2BCanary%2FCanaryCanary%2BCanaryCana%3D"

const containerSAS = "sv=2022-11-02&sr=c&sp=rl&se=2030-01-01T00%3A00%3A00Z&sig=" + sigEncoded

func signAzure(t testing.TB, token, url string) (*auth.Outgoing, auth.Applied) {
	t.Helper()
	p, _ := Lookup("azure_blob")
	f := auth.Mend(p, auth.Fields{"sasToken": auth.NewSecret(token)})
	if err := p.Check(f); err != nil {
		t.Fatal(err)
	}
	out := sample(t, "GET", url)
	applied, err := NewSet(&openVault{fields: f}, SetOptions{Now: fixedClock}).Sign(t.Context(), decide(p, "*.blob.core.windows.net/*"), out)
	if err != nil {
		t.Fatal(err)
	}
	return out, applied
}

// The query that goes out, to the byte: cases 81 to 84.
func TestT10_SASGoesOutOnceAndByteForByte(t *testing.T) {
	const base = "https://acct.blob.core.windows.net/models/a%20b/c%2Bd.bin"
	for _, c := range []struct{ name, token, query, want string }{
		{"as it is", containerSAS, "", containerSAS},
		{"81 with a question mark", "?" + containerSAS, "", containerSAS},
		{"81 with an ampersand", "&" + containerSAS, "", containerSAS},
		{"with a line end", "?" + containerSAS + "\n", "", containerSAS},
		{"82 a signature that was decoded", strings.Replace(containerSAS, sigEncoded, sigText, 1), "", containerSAS},
		{"an order of its own", "sig=" + sigEncoded + "&sp=r&sr=c&se=2030-01-01&sv=2022-11-02", "",
			"sig=" + sigEncoded + "&sp=r&sr=c&se=2030-01-01&sv=2022-11-02"},
		{"a bare colon stays", "sv=2022-11-02&sr=c&sp=r&se=2030-01-01T00:00:00Z&sig=" + sigEncoded, "",
			"sv=2022-11-02&sr=c&sp=r&se=2030-01-01T00:00:00Z&sig=" + sigEncoded},
		{"83 the worker's own", containerSAS, "?sig=AAAA&x=1", "x=1&" + containerSAS},
		{"83 in upper case", containerSAS, "?SIG=AAAA&SR=b", containerSAS},
		{"83 percent-encoded", containerSAS, "?%73ig=AAAA&s%50=w&a=b", "a=b&" + containerSAS},
		{"83 several", containerSAS, "?sig=1&sig=2&skoid=3&sduoid=4&rscd=attachment&sip=1.2.3.4&srh=x", containerSAS},
		{"84 a listing", containerSAS, "?comp=list&restype=container", "comp=list&restype=container&" + containerSAS},
		{"84 in order", containerSAS, "?restype=container&comp=list&prefix=a%2Fb%20c&delimiter=/&marker=2!64!MDA&maxresults=5&include=metadata,tags",
			"restype=container&comp=list&prefix=a%2Fb%20c&delimiter=/&marker=2!64!MDA&maxresults=5&include=metadata,tags&" + containerSAS},
		{"84 others", containerSAS, "?snapshot=2024-01-01T00:00:00.0000000Z&versionid=x&timeout=30", "snapshot=2024-01-01T00:00:00.0000000Z&versionid=x&timeout=30&" + containerSAS},
		{"an empty query", containerSAS, "?", containerSAS},
		{"an open end", containerSAS, "?x=1&", "x=1&" + containerSAS},
		{"an empty part", containerSAS, "?x=1&&y", "x=1&&y&" + containerSAS},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, applied := signAzure(t, c.token, base+c.query)
			if out.Target.RawQuery != c.want || !out.Target.HasQuery {
				t.Errorf("query\n%s, want\n%s", out.Target.RawQuery, c.want)
			}
			if out.Target.Path != "/models/a%20b/c%2Bd.bin" || out.Target.Host != "acct.blob.core.windows.net" {
				t.Errorf("went to %s%s", out.Target.Host, out.Target.Path)
			}
			if got := reveal(applied); !strings.Contains(strings.Join(got, " "), sigText) || len(got) != 1 {
				t.Error("the signature is not masked as Azure computes it")
			}
		})
	}
}

// Case 87: only a SAS that names its user travels with a Bearer.
func TestT08_OnlyASASOfOursWithItsUserKeepsTheBearer(t *testing.T) {
	p, _ := Lookup("azure_blob")
	for token, want := range map[string]string{
		containerSAS: "",
		"sv=2025-07-05&sr=c&sp=r&se=2030-01-01&skoid=a&sktid=b&skt=2026-01-01&ske=2026-12-01&sks=b&skv=2025-07-05&sduoid=u&sig=" + sigEncoded: "Bearer user",
	} {
		f := auth.Fields{"sasToken": auth.NewSecret(token)}
		out := sample(t, "GET", "https://acct.blob.core.windows.net/models/a")
		out.Header.Set("Authorization", "Bearer user")
		if _, err := NewSet(&openVault{fields: f}, SetOptions{Now: fixedClock}).Sign(t.Context(), decide(p, "*.blob.core.windows.net/*"), out); err != nil {
			t.Fatal(err)
		}
		if got := out.Header.Get("Authorization"); got != want {
			t.Errorf("Authorization is %q, want %q", got, want)
		}
		if r := auth.Read(p, f, nil, fixedClock()); r.KeepBearer != (want != "") {
			t.Errorf("KeepBearer is %v", r.KeepBearer)
		}
	}
}

func TestSASThatMayGoByTLSOnlyIsNotSentInClear(t *testing.T) {
	p, _ := Lookup("azure_blob")
	set := NewSet(&openVault{fields: auth.Fields{"sasToken": auth.NewSecret(containerSAS + "&spr=https")}}, SetOptions{})
	_, err := set.Sign(t.Context(), decide(p, "http://acct.blob.core.windows.net/*"), sample(t, "GET", "http://acct.blob.core.windows.net/a/b"))
	wantRefusal(t, err, "could not be put on the request")
}

func TestSASHosts(t *testing.T) {
	p, _ := Lookup("azure_blob")
	for _, rule := range []string{
		"acct.blob.core.windows.net/*", "acct-secondary.blob.core.windows.net/*", "*.blob.core.usgovcloudapi.net/*", "*.blob.core.chinacloudapi.cn/*",
		"acct.z12.blob.storage.azure.net/*", "acct.privatelink.blob.core.windows.net/*", "acct.dfs.core.windows.net/*", "models.example.com/*",
	} {
		rules, err := p.Expand(pattern(t, rule))
		if err != nil || len(rules) != 1 || rules[0].Bare {
			t.Errorf("%s: %v, %v", rule, rules, err)
		}
	}
}

func TestSASProblems(t *testing.T) {
	p, _ := Lookup("azure_blob")
	for token, want := range map[string]string{
		"":                              "is required",
		"https://a.b/c?" + containerSAS: "whole URL",
		strings.ReplaceAll(containerSAS, "&", "&amp;"):                       "&amp;",
		containerSAS + "&sig=x":                                              "twice",
		"??" + containerSAS:                                                  "question mark",
		strings.Replace(containerSAS, "sig=", "SIG=", 1):                     "upper case",
		strings.Replace(containerSAS, "%2B", "%252B", 1):                     "percent-encoded twice",
		containerSAS[:len(containerSAS)-12]:                                  "not complete",
		"sv=2022-11-02&sr=c&sp=r&se=2030-01-01":                              "no signature",
		strings.Replace(containerSAS, "sv=2022-11-02&", "", 1):               "no version",
		strings.Replace(containerSAS, "sr=c&", "", 1):                        "neither",
		strings.Replace(containerSAS, "sp=rl&", "", 1):                       "no permissions",
		strings.Replace(containerSAS, "se=2030-01-01T00%3A00%3A00Z&", "", 1): "no end",
		strings.Replace(containerSAS, "2030", "soon", 1):                     "time (se)",
		containerSAS + "&token=x":                                            "no parameter",
		containerSAS + "&x":                                                  "no parameter",
		containerSAS + "&spr=a b":                                            "no spaces",
		containerSAS + "\r\nX: y":                                            "no spaces",
		"hf_tokentokentokentokenst":                                          "no parameter",
	} {
		err := p.Check(auth.Mend(p, auth.Fields{"sasToken": auth.NewSecret(token)}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", token, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "Canary") || strings.Contains(err.Error(), "tokentoken")) {
			t.Errorf("%q: the error quotes the token", token)
		}
	}
	if f := auth.Mend(p, auth.Fields{"sasToken": auth.NewSecret(auth.Redacted), "x": auth.NewSecret("?")}); f["sasToken"].Reveal() != auth.Redacted || f["x"].Reveal() != "?" {
		t.Error("mending changed what it should not")
	}
}

// Cases 85 and 86, and the other forms of a time.
func TestSASEnds(t *testing.T) {
	p, _ := Lookup("azure_blob")
	utc := func(text string) time.Time {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for query, want := range map[string]time.Time{
		"se=2030-01-01":                          utc("2030-01-01T00:00:00Z"),
		"se=2030-01-01T10:30Z":                   utc("2030-01-01T10:30:00Z"),
		"se=2030-01-01T10:30:15Z":                utc("2030-01-01T10:30:15Z"),
		"se=2030-01-01T10%3A30%3A15.1234567Z":    utc("2030-01-01T10:30:15.1234567Z"),
		"se=2030-01-01T10:30:15%2B02:00":         utc("2030-01-01T08:30:15Z"),
		"se=2030-01-01&ske=2029-01-01T00:00:00Z": utc("2029-01-01T00:00:00Z"),
		"ske=2031-01-01T00:00:00Z&se=2030-01-01": utc("2030-01-01T00:00:00Z"),
		"si=policy":                              {},
		"si=policy&se=2030-01-01":                utc("2030-01-01T00:00:00Z"),
	} {
		f := auth.Fields{"sasToken": auth.NewSecret("sv=2022-11-02&sr=c&sp=r&" + query + "&sig=" + sigEncoded)}
		if err := p.Check(f); err != nil {
			t.Errorf("%s: %v", query, err)
		}
		r := auth.Read(p, f, nil, fixedClock())
		if !r.ExpiresAt.Equal(want) {
			t.Errorf("%s ends %s, want %s", query, r.ExpiresAt, want)
		}
		if unknown := strings.Contains(strings.Join(r.Facts, "\n"), "ends: unknown"); unknown != want.IsZero() {
			t.Errorf("%s: %q", query, r.Facts)
		}
	}
}

func TestSASReading(t *testing.T) {
	p, _ := Lookup("azure_blob")
	for _, c := range []struct {
		token           string
		facts, warnings []string
	}{
		{"sv=2022-11-02&sr=c&sp=r&se=2030-01-01&spr=https",
			[]string{"kind: service SAS for a container", "permissions: read", "ends: 2030-01-01T00:00:00Z", "protocol: https"}, nil},
		{"sv=2022-11-02&ss=bfqt&srt=sco&sp=rwdlacupiytfx&se=2030-01-01&st=2026-01-01",
			[]string{"kind: account SAS for blobs, files, queues, tables (service, containers, objects)",
				"permissions: read, list, find by tags, add, create, write, update, process or set permissions, delete, delete versions, delete for good, set tags, set immutability",
				"starts: 2026-01-01T00:00:00Z", "ends: 2030-01-01T00:00:00Z", "protocol: https and http; weighbridge uses https"},
			[]string{"it reaches more than blobs: blobs, files, queues, tables",
				"it can do more than read: add, create, write, update, process or set permissions, delete, delete versions, delete for good, set tags, set immutability; a token with read alone is enough for downloads"}},
		{"sv=2022-11-02&ss=q&srt=s&sp=w&se=2026-11-22&st=2026-11-22&spr=https,http",
			[]string{"kind: account SAS for queues (service)", "permissions: write", "starts: 2026-11-22T00:00:00Z", "ends: 2026-11-22T00:00:00Z", "protocol: https and http; weighbridge uses https"},
			[]string{"it is not for blobs (ss has no b), so nothing can be downloaded with it", "it is not for objects (srt has no o), so no blob can be downloaded with it",
				"it can do more than read: write; a token with read alone is enough for downloads", "it cannot read (sp has no r), so nothing can be downloaded with it",
				"it is not valid before 2026-11-22T00:00:00Z", "it ends soon: 2026-11-22T00:00:00Z"}},
		{"sv=2022-11-02&sr=b&si=policy&sip=168.1.5.60-168.1.5.70&spr=https",
			[]string{"kind: service SAS for one blob", "stored policy: yes; it may be changed or withdrawn at the container", "permissions: those of the stored policy",
				"ends: unknown; the stored policy says when", "addresses: 168.1.5.60-168.1.5.70", "protocol: https"},
			[]string{"it is for one blob only; the pattern should be that blob", "what it may do is not written in it but in the stored policy: see there that it only reads",
				"it holds only from those addresses; the one by which weighbridge leaves must be among them"}},
		{"sv=2026-04-06&sr=c&sp=r&se=2030-01-01&ske=2026-11-25&skoid=a&sduoid=u&srh=x&spr=https&sip=evil%0Atext",
			[]string{"kind: user delegation SAS for a container", "permissions: read", "ends: 2026-11-25T00:00:00Z", "addresses: a range that cannot be read", "protocol: https",
				"user: it is bound to one; workers send that user's Bearer token along (forward mode)"},
			[]string{"it ends soon: 2026-11-25T00:00:00Z", "it holds only from those addresses; the one by which weighbridge leaves must be among them",
				"it holds only for requests with certain headers or parameters (srh, srq), which workers would have to send"}},
	} {
		r := auth.Read(p, auth.Fields{"sasToken": auth.NewSecret(c.token + "&sig=" + sigEncoded)}, nil, fixedClock())
		if !reflect.DeepEqual(r.Facts, c.facts) {
			t.Errorf("%s\n got %q\nwant %q", c.token, r.Facts, c.facts)
		}
		if !reflect.DeepEqual(r.Warnings, c.warnings) {
			t.Errorf("%s\n got %q\nwant %q", c.token, r.Warnings, c.warnings)
		}
	}
	r := auth.Read(p, nil, []string{"*.blob.core.windows.net/*", "acct.blob.core.windows.net/*", "http://*.blob.core.usgovcloudapi.net/*"}, fixedClock())
	if len(r.Warnings) != 2 || !strings.Contains(r.Warnings[0], "name yours: ACCOUNT.blob.core.windows.net/*") || !strings.Contains(r.Warnings[1], "ACCOUNT.blob.core.usgovcloudapi.net/*") {
		t.Errorf("%q", r.Warnings)
	}
}

func TestAzureClassify(t *testing.T) {
	for request, want := range map[string]auth.Class{
		"GET /c/b": auth.ClassRead, "HEAD /c/b": auth.ClassRead, "GET /c?restype=container&comp=list": auth.ClassRead, "GET /?comp=list": auth.ClassRead,
		"GET /c/b?comp=metadata": auth.ClassRead, "PUT /c/b": auth.ClassWrite, "DELETE /c/b": auth.ClassWrite, "PUT /c/b?comp=block&blockid=x": auth.ClassWrite,
		"POST /?restype=service&comp=userdelegationkey": auth.ClassForbidden, "POST /?RESTYPE=service&%63omp=UserDelegationKey": auth.ClassForbidden,
		"GET /c?restype=container&comp=acl": auth.ClassForbidden, "PUT /c?restype=container&comp=acl": auth.ClassForbidden,
		"GET /?restype=service&comp=properties": auth.ClassForbidden, "GET /?restype=account&comp=properties": auth.ClassForbidden,
		"POST /?comp=batch": auth.ClassForbidden, "POST /c?restype=container&comp=batch": auth.ClassForbidden, "HEAD /c/b?action=getAccessControl": auth.ClassForbidden,
		"GET /c/b?comp=x&comp=acl": auth.ClassForbidden, "TRACE /c/b": auth.ClassForbidden,
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := (azureBlob{}).Classify(method, target(t, "https://acct.blob.core.windows.net"+path)); got != want {
			t.Errorf("%s: %v, want %v", request, got, want)
		}
	}
}

// Case 90: what a server echoes in a Location is taken out, so that the next
// request is matched afresh.
func TestT51_ALocationLosesTheSAS(t *testing.T) {
	for location, want := range map[string]string{
		"/c/b?" + containerSAS:                                         "/c/b",
		"/c/b?x=1&" + containerSAS + "&y=2#f":                          "/c/b?x=1&y=2#f",
		"https://acct.blob.core.windows.net/c/b?" + containerSAS:       "https://acct.blob.core.windows.net/c/b",
		"//acct.blob.core.windows.net:443/c/b?" + containerSAS:         "//acct.blob.core.windows.net:443/c/b",
		"?sv=1&sig=********":                                           "/c/a",
		"https://other.example.com/c/b?" + containerSAS:                "https://other.example.com/c/b?" + containerSAS,
		"http://acct.blob.core.windows.net/c/b?" + containerSAS:        "http://acct.blob.core.windows.net/c/b?" + containerSAS,
		"https://acct.blob.core.windows.net.evil.net/?" + containerSAS: "https://acct.blob.core.windows.net.evil.net/?" + containerSAS,
		"/c/b": "/c/b", "": "",
	} {
		h := &headerLines{}
		if location != "" {
			h.Add("Location", location)
		}
		a := &auth.Answer{Header: h, Status: 302, Request: auth.Asked{Method: "GET", Target: target(t, "https://acct.blob.core.windows.net/c/a")}}
		if body, err := (azureBlob{}).Rewrite(a); err != nil || body != nil {
			t.Errorf("%s: %v", location, err)
		}
		if got := h.Get("Location"); got != want {
			t.Errorf("%s\n got %s\nwant %s", location, got, want)
		}
	}
}
