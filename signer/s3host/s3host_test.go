package s3host

import (
	"strings"
	"testing"
)

// row is a host and what it says, in the words of the facts' table.
type row struct {
	host, service, bucket, region, base string
}

func (h Host) row(host string) row {
	return row{host, string(h.Service), h.Bucket, h.Region, h.Base}
}

const r2Account = "0123456789abcdef0123456789abcdef"

func TestHostsOfEveryKind(t *testing.T) {
	for _, want := range []row{
		{"s3.us-west-2.amazonaws.com", "aws", "", "us-west-2", "s3.us-west-2.amazonaws.com"},
		{"acme.s3.us-west-2.amazonaws.com", "aws", "acme", "us-west-2", "s3.us-west-2.amazonaws.com"},
		{"my.dotted.bucket.s3.eu-west-1.amazonaws.com", "aws", "my.dotted.bucket", "eu-west-1", "s3.eu-west-1.amazonaws.com"},
		{"s3.amazonaws.com", "aws", "", "us-east-1", "s3.amazonaws.com"},
		{"acme.s3.amazonaws.com", "aws", "acme", "us-east-1", "s3.amazonaws.com"},
		{"s3-us-west-2.amazonaws.com", "aws", "", "us-west-2", "s3-us-west-2.amazonaws.com"},
		{"acme.s3-us-west-2.amazonaws.com", "aws", "acme", "us-west-2", "s3-us-west-2.amazonaws.com"},
		{"s3-external-1.amazonaws.com", "aws", "", "us-east-1", "s3-external-1.amazonaws.com"},
		{"s3.dualstack.eu-central-1.amazonaws.com", "aws", "", "eu-central-1", "s3.dualstack.eu-central-1.amazonaws.com"},
		{"acme.s3.dualstack.eu-central-1.amazonaws.com", "aws", "acme", "eu-central-1", "s3.dualstack.eu-central-1.amazonaws.com"},
		{"s3-fips.us-east-1.amazonaws.com", "aws", "", "us-east-1", "s3-fips.us-east-1.amazonaws.com"},
		{"acme.s3-fips.dualstack.us-east-1.amazonaws.com", "aws", "acme", "us-east-1", "s3-fips.dualstack.us-east-1.amazonaws.com"},
		{"acme.s3-accelerate.amazonaws.com", "aws", "acme", "", "s3-accelerate.amazonaws.com"},
		{"acme.s3-accelerate.dualstack.amazonaws.com", "aws", "acme", "", "s3-accelerate.dualstack.amazonaws.com"},
		{"models-123456789012.s3-accesspoint.us-west-2.amazonaws.com", "aws", "models-123456789012", "us-west-2", "s3-accesspoint.us-west-2.amazonaws.com"},
		{"models-123456789012.s3-accesspoint-fips.dualstack.us-west-2.amazonaws.com", "aws", "models-123456789012", "us-west-2", "s3-accesspoint-fips.dualstack.us-west-2.amazonaws.com"},
		{"models-abc-s3alias.s3.us-west-2.amazonaws.com", "aws", "models-abc-s3alias", "us-west-2", "s3.us-west-2.amazonaws.com"},
		{"s3.cn-north-1.amazonaws.com.cn", "aws", "", "cn-north-1", "s3.cn-north-1.amazonaws.com.cn"},
		{"acme.s3.cn-northwest-1.amazonaws.com.cn", "aws", "acme", "cn-northwest-1", "s3.cn-northwest-1.amazonaws.com.cn"},
		{"s3.us-gov-west-1.amazonaws.com", "aws", "", "us-gov-west-1", "s3.us-gov-west-1.amazonaws.com"},
		{"acme.s3-us-gov-west-1.amazonaws.com", "aws", "acme", "us-gov-west-1", "s3-us-gov-west-1.amazonaws.com"},
		{"s3.eusc-de-east-1.amazonaws.eu", "aws", "", "eusc-de-east-1", "s3.eusc-de-east-1.amazonaws.eu"},
		{"s3.us-iso-east-1.c2s.ic.gov", "aws", "", "us-iso-east-1", "s3.us-iso-east-1.c2s.ic.gov"},
		{"acme.s3.us-isob-east-1.sc2s.sgov.gov", "aws", "acme", "us-isob-east-1", "s3.us-isob-east-1.sc2s.sgov.gov"},
		{"s3.eu-isoe-west-1.cloud.adc-e.uk", "aws", "", "eu-isoe-west-1", "s3.eu-isoe-west-1.cloud.adc-e.uk"},
		{"s3.us-isof-south-1.csp.hci.ic.gov", "aws", "", "us-isof-south-1", "s3.us-isof-south-1.csp.hci.ic.gov"},
		{"vpce-1a2b-3c.s3.us-east-1.vpce.amazonaws.com", "aws", "", "us-east-1", "vpce-1a2b-3c.s3.us-east-1.vpce.amazonaws.com"},
		{"bucket.vpce-1a2b-3c.s3.us-east-1.vpce.amazonaws.com", "aws", "", "us-east-1", "bucket.vpce-1a2b-3c.s3.us-east-1.vpce.amazonaws.com"},
		{"acme.bucket.vpce-1a2b-3c.s3.us-east-1.vpce.amazonaws.com", "aws", "acme", "us-east-1", "bucket.vpce-1a2b-3c.s3.us-east-1.vpce.amazonaws.com"},
		{r2Account + ".r2.cloudflarestorage.com", "r2", "", "auto", r2Account + ".r2.cloudflarestorage.com"},
		{"acme." + r2Account + ".eu.r2.cloudflarestorage.com", "r2", "acme", "auto", r2Account + ".eu.r2.cloudflarestorage.com"},
		{"s3.us-west-004.backblazeb2.com", "backblaze", "", "us-west-004", "s3.us-west-004.backblazeb2.com"},
		{"acme.s3.us-west-004.backblazeb2.com", "backblaze", "acme", "us-west-004", "s3.us-west-004.backblazeb2.com"},
		{"s3.wasabisys.com", "wasabi", "", "us-east-1", "s3.wasabisys.com"},
		{"acme.s3.eu-central-2.wasabisys.com", "wasabi", "acme", "eu-central-2", "s3.eu-central-2.wasabisys.com"},
		{"nyc3.digitaloceanspaces.com", "spaces", "", "nyc3", "nyc3.digitaloceanspaces.com"},
		{"acme.nyc3.digitaloceanspaces.com", "spaces", "acme", "nyc3", "nyc3.digitaloceanspaces.com"},
		{"storage.googleapis.com", "gcs", "", "auto", "storage.googleapis.com"},
		{"acme.storage.googleapis.com", "gcs", "acme", "auto", "storage.googleapis.com"},
		{"s3.fr-par.scw.cloud", "scaleway", "", "fr-par", "s3.fr-par.scw.cloud"},
		{"acme.s3.nl-ams.scw.cloud", "scaleway", "acme", "nl-ams", "s3.nl-ams.scw.cloud"},
		{"acme.us-southeast-1.linodeobjects.com", "linode", "acme", "us-southeast-1", "us-southeast-1.linodeobjects.com"},
		{"fsn1.your-objectstorage.com", "hetzner", "", "fsn1", "fsn1.your-objectstorage.com"},
		{"acme.s3.gra.io.cloud.ovh.net", "ovh", "acme", "gra", "s3.gra.io.cloud.ovh.net"},
	} {
		h, ok := Parse(want.host)
		if !ok || h.Refused != "" {
			t.Errorf("%s: known %t, refused %q", want.host, ok, h.Refused)
			continue
		}
		if got := h.row(want.host); got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", want.host, got, want)
		}
		if (h.Style == Virtual) != (want.bucket != "") {
			t.Errorf("%s: style %s", want.host, h.Style)
		}
	}
}

func TestHostsThatCannotBeSignedFor(t *testing.T) {
	for host, word := range map[string]string{
		"acme.s3-website-us-east-1.amazonaws.com":                         "website",
		"acme.s3-website.eu-central-1.amazonaws.com":                      "website",
		"models.accesspoint.s3-global.amazonaws.com":                      "SigV4A",
		"acme.op-01ac.s3-outposts.us-west-2.amazonaws.com":                "SigV4A",
		"acme--use1-az5--x-s3.s3express-use1-az5.us-east-1.amazonaws.com": "CreateSession",
		"acme--use1-az5--x-s3.s3.us-east-1.amazonaws.com":                 "CreateSession",
		"s3express-control.us-east-1.amazonaws.com":                       "CreateSession",
		"models-123456789012.s3-object-lambda.us-east-1.amazonaws.com":    "Lambda",
		"123456789012.s3-control.us-east-1.amazonaws.com":                 "control",
		"acme.nyc3.cdn.digitaloceanspaces.com":                            "CDN",
		"s3-accelerate.amazonaws.com":                                     "bucket",
		"s3-accesspoint.us-west-2.amazonaws.com":                          "access point",
	} {
		h, ok := Parse(host)
		if !ok || !strings.Contains(h.Refused, word) {
			t.Errorf("%s: known %t, refused %q, want a sentence with %q", host, ok, h.Refused, word)
		}
		if _, _, err := h.Upstream("acme", "", ""); err == nil {
			t.Errorf("%s: has an upstream", host)
		}
	}
}

// Case 58, and its neighbours.
func TestHostsThatAreNotS3(t *testing.T) {
	for _, host := range []string{
		"amazonaws.com", "amazonaws.com.evil.net", "s3.amazonaws.com.evil.net", "xs3.amazonaws.com", "acme.xs3.us-east-1.amazonaws.com",
		"evils3.us-east-1.amazonaws.com", "s3.us-east-1.evilamazonaws.com", "s3.amazonaws.com.", "ec2.us-east-1.amazonaws.com",
		"s3.nowhere.amazonaws.com", "s3.us-east-1.x.amazonaws.com", "s3.cn-north-1.amazonaws.com", "s3.us-east-1.amazonaws.com.cn",
		"s3-eu-south-1.amazonaws.com", "s3-fips.amazonaws.com", "123.dkr.ecr.us-east-1.amazonaws.com", "s3.dualstack.amazonaws.com",
		"r2.cloudflarestorage.com", "acme.r2.cloudflarestorage.com", "xr2.cloudflarestorage.com", "pub-1.r2.dev",
		"backblazeb2.com", "f004.backblazeb2.com", "www.wasabisys.com", "storage.googleapis.com.evil.net", "xstorage.googleapis.com",
		"www.googleapis.com", "cellar.scw.cloud", "ovh.net", "minio.internal", "127.0.0.1", "::1", "",
	} {
		if h, ok := Parse(host); ok {
			t.Errorf("%s: taken for %+v", host, h)
		}
	}
}

func TestEndpoint(t *testing.T) {
	minio := Endpoint{Scheme: "http", Host: "127.0.0.1", Port: 9000, Virtual: true}
	six := Endpoint{Scheme: "http", Host: "::1", Port: 9000}
	named := Endpoint{Scheme: "https", Host: "s3.acme.example", Port: 443, Virtual: true}
	plain := Endpoint{Scheme: "https", Host: "s3.acme.example", Port: 443}
	for _, c := range []struct {
		e            Endpoint
		scheme, host string
		port         uint16
		ok           bool
		bucket       string
	}{
		{minio, "http", "127.0.0.1", 9000, true, ""},
		{minio, "http", "b.127.0.0.1", 9000, false, ""},
		{minio, "http", "127.0.0.1", 9001, false, ""},
		{minio, "https", "127.0.0.1", 9000, false, ""},
		{six, "http", "::1", 9000, true, ""},
		{named, "https", "s3.acme.example", 443, true, ""},
		{named, "https", "my.models.s3.acme.example", 443, true, "my.models"},
		{named, "https", "xs3.acme.example", 443, false, ""},
		{plain, "https", "models.s3.acme.example", 443, false, ""},
		{Endpoint{}, "", "", 0, false, ""},
	} {
		h, ok := c.e.Parse(c.scheme, c.host, c.port)
		if ok != c.ok || h.Bucket != c.bucket || ok && (h.Service != Custom || h.Base != c.e.Host) {
			t.Errorf("%+v at %s://%s:%d: %+v %t", c.e, c.scheme, c.host, c.port, h, ok)
		}
	}
}

func TestUpstream(t *testing.T) {
	for _, c := range []struct {
		host, bucket, region string
		style                Style
		want, prefix         string
	}{
		{"acme.s3.us-west-2.amazonaws.com", "acme", "", "", "acme.s3.us-west-2.amazonaws.com", ""},
		{"acme.s3.us-west-2.amazonaws.com", "acme", "", Path, "s3.us-west-2.amazonaws.com", "/acme"},
		{"s3.us-west-2.amazonaws.com", "acme", "", Virtual, "acme.s3.us-west-2.amazonaws.com", ""},
		// Case 53.
		{"my.dotted.bucket.s3.eu-west-1.amazonaws.com", "my.dotted.bucket", "", "", "s3.eu-west-1.amazonaws.com", "/my.dotted.bucket"},
		{"s3.eu-west-1.amazonaws.com", "a.b", "", Virtual, "s3.eu-west-1.amazonaws.com", "/a.b"},
		{"s3.amazonaws.com", "acme", "eu-north-1", "", "s3.eu-north-1.amazonaws.com", "/acme"},
		{"acme.s3-us-west-2.amazonaws.com", "acme", "eu-west-1", "", "acme.s3.eu-west-1.amazonaws.com", ""},
		{"acme.s3-us-west-2.amazonaws.com", "acme", "us-west-2", "", "acme.s3-us-west-2.amazonaws.com", ""},
		{"acme.s3-fips.dualstack.us-east-1.amazonaws.com", "acme", "us-east-2", "", "acme.s3-fips.dualstack.us-east-2.amazonaws.com", ""},
		{"s3.cn-north-1.amazonaws.com.cn", "acme", "cn-northwest-1", "", "s3.cn-northwest-1.amazonaws.com.cn", "/acme"},
		{"acme.s3-accelerate.amazonaws.com", "acme", "eu-west-1", Path, "acme.s3-accelerate.amazonaws.com", ""},
		{"m-1.s3-accesspoint.us-west-2.amazonaws.com", "m-1", "", Path, "m-1.s3-accesspoint.us-west-2.amazonaws.com", ""},
		{"storage.googleapis.com", "acme", "europe-west1", "", "storage.googleapis.com", "/acme"},
		{"s3.amazonaws.com", "Old_Bucket", "", Virtual, "s3.amazonaws.com", "/Old_Bucket"},
		{"s3.us-west-2.amazonaws.com", "", "", "", "s3.us-west-2.amazonaws.com", ""},
	} {
		h, ok := Parse(c.host)
		host, prefix, err := h.Upstream(c.bucket, c.region, c.style)
		if !ok || err != nil || host != c.want || prefix != c.prefix {
			t.Errorf("%s %q in %q, %q: %s%s %v, want %s%s", c.host, c.bucket, c.region, c.style, host, prefix, err, c.want, c.prefix)
		}
	}
}

// Case 68: what an answer calls a region leads nowhere else.
func TestRegionsOfOthersAreRefused(t *testing.T) {
	for _, c := range [][2]string{
		{"s3.amazonaws.com", "us-east-1.evil"}, {"s3.amazonaws.com", "evil.net/"}, {"s3.amazonaws.com", "cn-north-1"},
		{"s3.amazonaws.com", "us-gov-west-1"}, {"s3.us-gov-west-1.amazonaws.com", "us-east-1"}, {"s3.amazonaws.com", "US-EAST-1"},
		{"s3.amazonaws.com", "us--1"}, {"s3.amazonaws.com", "us-east-1-"}, {"s3.amazonaws.com", "-"}, {"s3.amazonaws.com", "*"},
		{"nyc3.digitaloceanspaces.com", "ams3"}, {"vpce-1.s3.us-east-1.vpce.amazonaws.com", "us-east-2"},
	} {
		h, _ := Parse(c[0])
		if host, _, err := h.Upstream("acme", c[1], ""); err == nil {
			t.Errorf("%s in %q leads to %s", c[0], c[1], host)
		}
	}
	h, _ := Parse("s3.amazonaws.com")
	if !h.TakesRegion("eu-south-2") || h.TakesRegion("auto") || h.TakesRegion("eusc-de-east-1") {
		t.Error("TakesRegion does not know the partition")
	}
	if PartitionOf("cn-north-1") != "aws-cn" || PartitionOf("us-gov-east-1") != "aws-us-gov" || PartitionOf("nowhere") != "" {
		t.Error("PartitionOf")
	}
}

// Whatever style a request comes in, one of the places by which it is matched
// is among those that the rule for its bucket has.
func TestNoStyleDodgesARule(t *testing.T) {
	places := ByName("").Places("acme")
	has := func(p Place) bool {
		for _, q := range places {
			if q == p {
				return true
			}
		}
		return false
	}
	for _, host := range []string{
		"acme.s3.amazonaws.com", "s3.amazonaws.com", "acme.s3.eu-west-3.amazonaws.com", "s3.eu-west-3.amazonaws.com", "acme.s3-eu-west-3.amazonaws.com",
		"s3-us-west-2.amazonaws.com", "s3.dualstack.us-east-2.amazonaws.com", "acme.s3-fips.us-east-2.amazonaws.com",
		"acme.s3-fips.dualstack.us-east-2.amazonaws.com", "acme.s3-accelerate.amazonaws.com", "acme.s3-accelerate.dualstack.amazonaws.com",
		"s3-external-1.amazonaws.com", "acme.bucket.vpce-1.s3.us-east-1.vpce.amazonaws.com",
	} {
		h, ok := Parse(host)
		if !ok || !has(h.Matched("acme")[0]) {
			t.Errorf("%s: matched by %+v, which is not a place of the bucket", host, h.Matched("acme"))
		}
		if has(h.Matched("other")[0]) {
			t.Errorf("%s: another bucket is a place of this one", host)
		}
	}
	gov, _ := Parse("acme.s3.us-gov-west-1.amazonaws.com")
	if has(gov.Matched("acme")[0]) {
		t.Error("a bucket of GovCloud is matched as one of the commercial partition")
	}
}

func FuzzParse(f *testing.F) {
	for _, host := range []string{
		"acme.s3.us-west-2.amazonaws.com", "s3-accelerate.dualstack.amazonaws.com", "a.b.s3-fips.dualstack.us-east-1.amazonaws.com",
		r2Account + ".eu.r2.cloudflarestorage.com", "x.storage.googleapis.com", "vpce.amazonaws.com", ".s3.amazonaws.com", "accesspoint.s3-global.amazonaws.com",
	} {
		f.Add(host, "acme", "eu-west-1")
	}
	f.Fuzz(func(t *testing.T, host, bucket, region string) {
		h, ok := Parse(host)
		if !ok {
			return
		}
		if h.Bucket != "" && h.Refused == "" && h.Bucket+"."+h.Base != host {
			t.Fatalf("%q: bucket %q and base %q do not make the host", host, h.Bucket, h.Base)
		}
		if h.Bucket == "" && h.Refused == "" && h.Base != host {
			t.Fatalf("%q: base %q", host, h.Base)
		}
		up, prefix, err := h.Upstream(bucket, region, "")
		if err != nil {
			return
		}
		if prefix != "" && prefix != "/"+bucket {
			t.Fatalf("prefix %q for %q", prefix, bucket)
		}
		if h.AccessPoint {
			return
		}
		again, ok := Parse(up)
		if !ok || again.Service != h.Service || again.Partition != h.Partition {
			t.Fatalf("%q, %q in %q: the upstream %q is %+v", host, bucket, region, up, again)
		}
		if prefix == "" && again.Bucket != bucket {
			t.Fatalf("%q, %q in %q: the upstream %q has the bucket %q", host, bucket, region, up, again.Bucket)
		}
	})
}
