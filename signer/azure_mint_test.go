package signer

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

var mintKey = base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"))

func accountFields(name string) auth.Fields {
	return auth.Fields{"accountName": auth.NewSecret(name), "accountKey": auth.NewSecret(mintKey)}
}

func signAccount(t testing.TB, method, rule, url string) (*auth.Outgoing, error) {
	t.Helper()
	p, _ := Lookup("azure_blob")
	f := accountFields("acme")
	if err := p.Check(f); err != nil {
		t.Fatal(err)
	}
	d := decide(p, rule)
	d.Params = map[string]string{"accountName": "acme"}
	out := sample(t, method, url)
	out.Header.Set("Authorization", "SharedKey of the worker")
	_, err := NewSet(&openVault{fields: f}, SetOptions{Now: fixedClock}).Sign(t.Context(), d, out)
	return out, err
}

// The signatures are those of the package sas of azure-sdk-for-go, azblob
// 1.8.3, or of azure-storage-blob, for the same values.
func TestMintedSAS(t *testing.T) {
	const host = "https://acme.blob.core.windows.net"
	for _, c := range []struct{ method, url, kind, permissions, signature, before string }{
		{"GET", host + "/models/a%20b/c%2Bd%252F%20e.bin", "b", "r", "gyvrbjP1GcZlVgS8BkF6LiCjgakD9sL6RHLxTKJ0eec=", ""},
		{"HEAD", host + "/models%2Fa%20b%2fc+d%252F%20e.bin", "b", "r", "gyvrbjP1GcZlVgS8BkF6LiCjgakD9sL6RHLxTKJ0eec=", ""},
		{"GET", host + "/models/gr%C3%B6%C3%9Fe/%E6%A8%A1%E5%9E%8B.bin?sig=x&SE=y", "b", "r", "RiuVmUpKnBnNa5w+kPoSlVeVMW7MfJGp3ZeNFWyuJQ8=", ""},
		{"GET", host + "/models?restype=container&comp=list&prefix=a", "c", "l", "8w84+s5DDQlfCgYMGFFyhejUmXd3/Pj5Gy6I6FO+iqU=", "restype=container&comp=list&prefix=a&"},
		{"GET", host + "/models/?comp=list&restype=container", "c", "l", "8w84+s5DDQlfCgYMGFFyhejUmXd3/Pj5Gy6I6FO+iqU=", "comp=list&restype=container&"},
		{"GET", host + "/x.bin", "b", "r", "fomA6CyZ9V96dP2SYAe4+ql+AZdGfMxI/wuFi5DqYZ8=", ""},
		{"GET", host + "/models/x.bin?snapshot=2024-01-01T00%3A00%3A00.1234567Z", "bs", "r", "J2lV95kvtCDWq/yVvaer0WQOPxk4w1FSmR2jR9XklIs=", "snapshot=2024-01-01T00%3A00%3A00.1234567Z&"},
		{"GET", host + "/models/x.bin?versionid=2024-01-01T00:00:00.1234567Z", "bv", "r", "52QzmUdVtsKTPP2pK0+VKcltzDLR8vC9Y3y1xU7PZcY=", "versionid=2024-01-01T00:00:00.1234567Z&"},
		{"PUT", host + "/models/x.bin", "b", "acw", "oXHsjLAYPY76rOLWxAR2A3W/ror3fZDtZKK/DAoZrYQ=", ""},
		// What only an account SAS is taken for, as azure-storage-blob signs it.
		{"GET", host + "/?comp=list&prefix=a", "srt=s", "l", "VxqkT3c43sgVO8Q75ImbUL+4IlfNCB6uT52w+cG2Mpw=", "comp=list&prefix=a&"},
		{"HEAD", host + "/models?restype=container", "srt=c", "r", "uzdNms0N5oSGxEPe4Qtvp+2zyN4UPboWu2vozfv09/g=", "restype=container&"},
		{"GET", host + "/models?restype=container&comp=metadata", "srt=c", "r", "uzdNms0N5oSGxEPe4Qtvp+2zyN4UPboWu2vozfv09/g=", "restype=container&comp=metadata&"},
		// The same by the API of Data Lake Storage.
		{"GET", "https://acme.dfs.core.windows.net/models?resource=filesystem&recursive=true", "c", "l", "8w84+s5DDQlfCgYMGFFyhejUmXd3/Pj5Gy6I6FO+iqU=", "resource=filesystem&recursive=true&"},
		{"GET", "https://acme.dfs.core.windows.net/models?recursive=false&directory=sd&resource=filesystem", "c", "l", "8w84+s5DDQlfCgYMGFFyhejUmXd3/Pj5Gy6I6FO+iqU=", "recursive=false&directory=sd&resource=filesystem&"},
		{"HEAD", "https://acme.dfs.core.windows.net/models?resource=filesystem", "srt=c", "r", "uzdNms0N5oSGxEPe4Qtvp+2zyN4UPboWu2vozfv09/g=", "resource=filesystem&"},
		{"GET", "https://acme.dfs.core.windows.net/?resource=account&prefix=a", "srt=s", "l", "VxqkT3c43sgVO8Q75ImbUL+4IlfNCB6uT52w+cG2Mpw=", "resource=account&prefix=a&"},
		{"GET", "https://acme.dfs.core.windows.net/models/x.bin", "b", "r", "", ""},
		// Elsewhere the parameter says nothing.
		{"GET", host + "/x.bin?resource=filesystem", "b", "r", "fomA6CyZ9V96dP2SYAe4+ql+AZdGfMxI/wuFi5DqYZ8=", "resource=filesystem&"},
		{"GET", "https://acme-secondary.blob.core.windows.net/x.bin", "b", "r", "fomA6CyZ9V96dP2SYAe4+ql+AZdGfMxI/wuFi5DqYZ8=", ""},
	} {
		rule := "*.blob.core.windows.net/*"
		if strings.Contains(c.url, ".dfs.") {
			rule = "*.dfs.core.windows.net/*"
		}
		out, err := signAccount(t, c.method, rule, c.url)
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		kind := "sr=" + c.kind
		if strings.HasPrefix(c.kind, "srt=") {
			kind = "ss=b&" + c.kind
		}
		want := c.before + "sv=2022-11-02&spr=https&se=2026-11-21T13%3A15%3A00Z&" + kind + "&sp=" + c.permissions + "&sig=" +
			strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(c.signature)
		if c.signature == "" { // that of a blob, which other rows hold
			want = out.Target.RawQuery
			if !strings.Contains(want, "&sr=b&sp=r&sig=") {
				t.Errorf("%s: %s", c.url, want)
			}
		}
		if out.Target.RawQuery != want {
			t.Errorf("%s %s\n got %s\nwant %s", c.method, c.url, out.Target.RawQuery, want)
		}
		if out.Header.Get("Authorization") != "" {
			t.Error("an Authorization travels beside a SAS")
		}
		if s, problem := parseSAS(strings.TrimPrefix(out.Target.RawQuery, c.before)); problem != "" || !s.end.Equal(fixedClock().Add(75*time.Minute)) {
			t.Errorf("%s, ends %s", problem, s.end)
		}
	}
}

// A signature is made for the account of the key, and sent nowhere else.
func TestMintedSASGoesToItsAccountOnly(t *testing.T) {
	for _, c := range []struct{ method, rule, url, want string }{
		{"GET", "*.blob.core.windows.net/*", "https://other.blob.core.windows.net/models/x", "another storage account"},
		{"GET", "*.blob.core.windows.net/*", "https://acme2.blob.core.windows.net/models/x", "another storage account"},
		{"GET", "other.blob.core.windows.net/*", "https://other.blob.core.windows.net/acme/models/x", "another storage account"},
		{"GET", "*.example.com/*", "https://models.example.com/models/x", "another storage account"},
		{"GET", "models.example.com/*", "https://models.example.com/models/x.bin", ""},
		{"GET", "acme.privatelink.blob.core.windows.net/*", "https://acme.privatelink.blob.core.windows.net/models/x", ""},
		{"GET", "acme.z01.blob.storage.azure.net/*", "https://acme.z01.blob.storage.azure.net/models/x", ""},
		{"PUT", "acme.blob.core.windows.net/*", "https://acme.blob.core.windows.net/?comp=list", "the account is not changed"},
		{"GET", "acme.blob.core.windows.net/*", "https://acme.blob.core.windows.net/?comp=blobs&where=x", "names no blob"},
		{"GET", "acme.blob.core.windows.net/*", "https://acme.blob.core.windows.net/models/", "names no blob"},
		{"GET", "acme.blob.core.windows.net/*", "https://acme.blob.core.windows.net/a/b?restype=container&comp=list", "names no container"},
		{"PUT", "acme.blob.core.windows.net/*", "https://acme.blob.core.windows.net/a?restype=container", "not made or changed"},
		{"GET", "acme.blob.core.windows.net/*", "https://acme.blob.core.windows.net/a/b?snapshot=x&snapshot=y", "more than one snapshot"},
		{"PUT", "acme.dfs.core.windows.net/*", "https://acme.dfs.core.windows.net/a?resource=filesystem", "not made or changed"},
		{"DELETE", "acme.dfs.core.windows.net/*", "https://acme.dfs.core.windows.net/a?resource=filesystem", "not made or changed"},
		{"GET", "acme.dfs.core.windows.net/*", "https://acme.dfs.core.windows.net/a/b?resource=filesystem&recursive=true", "names no container"},
		{"PUT", "acme.dfs.core.windows.net/*", "https://acme.dfs.core.windows.net/?resource=account", "the account is not changed"},
	} {
		out, err := signAccount(t, c.method, c.rule, c.url)
		if c.want != "" {
			wantRefusal(t, err, c.want)
			if strings.Contains(out.Target.RawQuery, "sig=") {
				t.Error("the request was changed")
			}
		} else if err != nil {
			t.Errorf("%s: %v", c.url, err)
		}
	}
	// An emulator has the account in the path, and no TLS.
	out, err := signAccount(t, "GET", "http://127.0.0.1:10000/acme/*", "http://127.0.0.1:10000/acme/x.bin")
	if err != nil {
		t.Fatal(err)
	}
	key, _ := base64.StdEncoding.DecodeString(mintKey)
	r := azureResource{account: "acme", container: "$root", blob: "x.bin", kind: "b"}
	if want, _ := r.mint(key, "r", "", fixedClock()); out.Target.RawQuery != want || strings.Contains(want, "spr=") {
		t.Errorf("%s, want %s", out.Target.RawQuery, want)
	}
}

func TestAzureWays(t *testing.T) {
	p, _ := Lookup("azure_blob")
	const guid = "00000000-1111-2222-3333-444444444444"
	for _, c := range []struct {
		fields map[string]string
		want   string
	}{
		{map[string]string{}, "is required, or accountName and accountKey"},
		{map[string]string{"source": "static"}, "is required, or"},
		{map[string]string{"sasToken": containerSAS}, ""},
		{map[string]string{"accountName": "acme", "accountKey": " " + mintKey + "\n"}, ""},
		{map[string]string{"accountName": "acme"}, "accountKey: is required"},
		{map[string]string{"accountKey": mintKey}, "accountName: is required"},
		{map[string]string{"accountName": "acme.blob.core.windows.net", "accountKey": mintKey}, "not its host"},
		{map[string]string{"accountName": "acme", "accountKey": "DefaultEndpointsProtocol=https;AccountName=acme"}, "connection string"},
		{map[string]string{"tenantId": guid, "clientId": guid, "clientSecret": "s~8Q"}, ""},
		{map[string]string{"tenantId": "acme.onmicrosoft.com", "clientId": guid, "clientSecret": "s", "authorityHost": "login.microsoftonline.us"}, ""},
		{map[string]string{"tenantId": guid, "clientSecret": "s"}, "clientId: is required"},
		{map[string]string{"tenantId": "a/b", "clientId": guid, "clientSecret": "s"}, "tenantId: is a directory's id"},
		{map[string]string{"tenantId": guid, "clientId": "a b", "clientSecret": "s"}, "clientId: is the application's id"},
		{map[string]string{"tenantId": guid, "clientId": guid, "clientSecret": "s", "authorityHost": "https://login.microsoftonline.us/"}, "a host alone"},
		{map[string]string{"tenantId": guid, "clientId": guid, "clientSecret": "s", "authorityHost": "a@b"}, "a host alone"},
		{map[string]string{"source": "managed_identity"}, ""},
		{map[string]string{"source": "managed_identity", "clientId": guid}, ""},
		{map[string]string{"source": "workload_identity", "clientId": guid, "tenantId": guid}, ""},
		{map[string]string{"source": "workload_identity", "clientSecret": "s"}, "is not used with source"},
		{map[string]string{"source": "managed_identity", "sasToken": containerSAS}, "one way of several"},
		{map[string]string{"sasToken": containerSAS, "accountName": "acme", "accountKey": mintKey}, "one way of several"},
		{map[string]string{"sasToken": containerSAS, "authorityHost": "login.microsoftonline.us"}, "for Entra only"},
	} {
		f := auth.Fields{}
		for n, v := range c.fields {
			f[n] = auth.NewSecret(v)
		}
		err := p.Check(auth.Mend(p, f))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v, want %q", c.fields, err, c.want)
		}
	}
}

func BenchmarkMint(b *testing.B) {
	p, _ := Lookup("azure_blob")
	d := decide(p, "acme.blob.core.windows.net/*")
	d.Params = map[string]string{"accountName": "acme"}
	set := NewSet(readyVault{accountFields("acme")}, SetOptions{Now: fixedClock})
	out := sample(b, "GET", "https://acme.blob.core.windows.net/models/a/b.safetensors")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := set.Sign(b.Context(), d, out); err != nil {
			b.Fatal(err)
		}
	}
}
