package s3host

import (
	"slices"
	"strings"
)

// partition is a partition of AWS (aws-sdk-go-v2, internal/endpoints/awsrulesfn,
// partitions.go): a DNS suffix and what its regions look like.
type partition struct {
	name   string
	suffix string
	// prefixes are what regions begin with; a place and a number follow.
	prefixes []string
	// fallback is the region of hosts that name none.
	fallback string
	// global is the host in path style by which a bucket is matched whatever
	// its region; bucket names are unique within a partition. That of
	// GovCloud, which shares its suffix with the commercial partition, is one
	// that no server has.
	global string
	// dashed are the regions with hosts of the old form s3-REGION, which
	// regions opened after 2019 do not have ("Amazon S3 endpoints", legacy
	// endpoints).
	dashed []string
}

var partitions = [...]partition{
	{
		name: "aws", suffix: "amazonaws.com", fallback: "us-east-1", global: "s3.amazonaws.com",
		prefixes: []string{"us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"},
		dashed: []string{
			"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1",
			"eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3",
			"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
		},
	},
	{
		name: "aws-us-gov", suffix: "amazonaws.com", fallback: "us-gov-west-1", global: "s3.us-gov.amazonaws.com",
		prefixes: []string{"us-gov"}, dashed: []string{"us-gov-west-1", "us-gov-east-1"},
	},
	{name: "aws-cn", suffix: "amazonaws.com.cn", fallback: "cn-north-1", global: "s3.amazonaws.com.cn", prefixes: []string{"cn"}},
	{name: "aws-eusc", suffix: "amazonaws.eu", fallback: "eusc-de-east-1", global: "s3.amazonaws.eu", prefixes: []string{"eusc-de"}},
	{name: "aws-iso", suffix: "c2s.ic.gov", fallback: "us-iso-east-1", global: "s3.c2s.ic.gov", prefixes: []string{"us-iso"}},
	{name: "aws-iso-b", suffix: "sc2s.sgov.gov", fallback: "us-isob-east-1", global: "s3.sc2s.sgov.gov", prefixes: []string{"us-isob"}},
	{name: "aws-iso-e", suffix: "cloud.adc-e.uk", fallback: "eu-isoe-west-1", global: "s3.cloud.adc-e.uk", prefixes: []string{"eu-isoe"}},
	{name: "aws-iso-f", suffix: "csp.hci.ic.gov", fallback: "us-isof-south-1", global: "s3.csp.hci.ic.gov", prefixes: []string{"us-isof"}},
}

// region reports whether s is a region of p: PREFIX-\w+-\d+.
func (p *partition) region(s string) bool {
	for _, prefix := range p.prefixes {
		rest, ok := strings.CutPrefix(s, prefix+"-")
		if !ok {
			continue
		}
		place, number, ok := strings.Cut(rest, "-")
		if ok && len(place) <= 20 && isWord(place, 'a', 'z') && len(number) <= 2 && isWord(number, '0', '9') {
			return true
		}
	}
	return false
}

// isWord reports whether s is one or more bytes from first to last.
func isWord(s string, first, last byte) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < first || s[i] > last {
			return false
		}
	}
	return s != ""
}

// partitionNamed finds a partition; nil where there is none.
func partitionNamed(name string) *partition {
	for i := range partitions {
		if partitions[i].name == name {
			return &partitions[i]
		}
	}
	return nil
}

// PartitionOf names the partition of AWS that a region belongs to, or nothing.
func PartitionOf(region string) string {
	for i := range partitions {
		if partitions[i].region(region) {
			return partitions[i].name
		}
	}
	return ""
}

// Suffix is what the hosts of a partition's services end in, such as
// "amazonaws.com"; empty for a partition that is not known.
func Suffix(partition string) string {
	if p := partitionNamed(partition); p != nil {
		return p.suffix
	}
	return ""
}

// Fallback is the region of a partition that is asked where nobody names one;
// empty for a partition that is not known.
func Fallback(partition string) string {
	if p := partitionNamed(partition); p != nil {
		return p.fallback
	}
	return ""
}

// parse reads what stands left of the suffix.
func (p *partition) parse(left string) (Host, bool) {
	h := Host{Service: AWS, Partition: p.name}
	rest, last := cutLast(left)
	switch {
	case last == "s3" && p.name != "aws-us-gov":
		h.Region, h.Implied = p.fallback, true
		return h.at(rest, "s3."+p.suffix), true
	case last == "s3-external-1" && p.name == "aws":
		// N. Virginia, under a name of its own ("Amazon S3 endpoints").
		h.Region = "us-east-1"
		return h.at(rest, "s3-external-1."+p.suffix), true
	case last == "s3-accelerate" && p.name == "aws":
		return p.accelerated(h, rest, "s3-accelerate."), true
	case last == "dualstack" && p.name == "aws" && (rest == "s3-accelerate" || strings.HasSuffix(rest, ".s3-accelerate")):
		h.DualStack = true
		rest, _ = cutLast(rest)
		return p.accelerated(h, rest, "s3-accelerate.dualstack."), true
	case last == "s3-global" && (rest == "accesspoint" || strings.HasSuffix(rest, ".accesspoint")) && p.name == "aws":
		h.Refused = refusedMultiRegion
		return h.at("", left+"."+p.suffix), true
	case last == "vpce":
		return p.endpoint(h, rest)
	}
	if region, ok := strings.CutPrefix(last, "s3-website-"); ok && p.region(region) {
		h.Region, h.Refused = region, refusedWebsite
		return h.at(rest, last+"."+p.suffix), true
	}
	if region, ok := strings.CutPrefix(last, "s3-"); ok && slices.Contains(p.dashed, region) {
		h.Region = region
		return h.at(rest, last+"."+p.suffix), true
	}
	if p.region(last) {
		h.Region = last
		return p.regional(h, rest)
	}
	return Host{}, false
}

func (p *partition) accelerated(h Host, bucket, prefix string) Host {
	h.Accelerate = true
	h = h.at(bucket, prefix+p.suffix)
	if bucket == "" {
		h.Refused = refusedNoBucket
	}
	return h
}

// regional reads what stands left of a region.
func (p *partition) regional(h Host, left string) (Host, bool) {
	tail := "." + h.Region + "." + p.suffix
	rest, service := cutLast(left)
	if service == "dualstack" {
		h.DualStack = true
		rest, service = cutLast(rest)
		tail = ".dualstack" + tail
	}
	base := service + tail
	refuse := func(why string) (Host, bool) {
		h.Refused = why
		return h.at(rest, base), true
	}
	switch service {
	case "s3":
		return h.at(rest, base), true
	case "s3-fips":
		h.FIPS = true
		return h.at(rest, base), true
	case "s3-accesspoint", "s3-accesspoint-fips":
		h.AccessPoint, h.FIPS = true, service != "s3-accesspoint"
		h = h.at(rest, base)
		if rest == "" || strings.Contains(rest, ".") {
			h.Refused = "an access point has a host of its own, NAME-ACCOUNT.s3-accesspoint.REGION.amazonaws.com"
		}
		return h, true
	case "s3-website":
		return refuse(refusedWebsite)
	case "s3-object-lambda", "s3-object-lambda-fips":
		return refuse(refusedLambda)
	case "s3-outposts", "s3-outposts-fips":
		return refuse(refusedOutposts)
	case "s3-control", "s3-control-fips":
		return refuse(refusedControl)
	}
	if strings.HasPrefix(service, "s3express-") {
		return refuse(refusedExpress)
	}
	return Host{}, false
}

// endpoint reads what stands left of "vpce": interface endpoints, of the form
// [BUCKET.][bucket.]vpce-ID.s3.REGION ("AWS PrivateLink for Amazon S3"). Their
// buckets are those of the partition.
func (p *partition) endpoint(h Host, left string) (Host, bool) {
	rest, region := cutLast(left)
	rest, service := cutLast(rest)
	bucket, id := cutLast(rest)
	if !p.region(region) || service != "s3" || !strings.HasPrefix(id, "vpce-") {
		return Host{}, false
	}
	h.Region = region
	base := id + ".s3." + region + ".vpce." + p.suffix
	switch before, word := cutLast(bucket); word {
	case "bucket":
		return h.at(before, "bucket."+base), true
	case "accesspoint":
		h.AccessPoint = true
		h = h.at(before, "accesspoint."+base)
		if before == "" || strings.Contains(before, ".") {
			h.Refused = "an access point has a host of its own, NAME-ACCOUNT.accesspoint.vpce-ID.s3.REGION.vpce.amazonaws.com"
		}
		return h, true
	case "control":
		h.Refused = refusedControl
		return h.at("", "control."+base), true
	}
	return h.at(bucket, base), true
}
