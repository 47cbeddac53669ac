// Package s3host knows the hosts of S3 and of the services that speak its
// protocol: which bucket, region and style a host name stands for, whether
// requests to it can be signed, and under which other names the same bucket
// is reached. It is pure: no network, no configuration.
//
// The shapes are those of the endpoint rule set of the AWS SDKs
// (aws-sdk-go-v2, service/s3, endpoints.go), of "Amazon S3 endpoints and
// quotas" in the AWS General Reference, and of each other vendor's page on its
// S3-compatible API. Suffixes match on label boundaries, from the right. A
// host that is not known is none of S3 and is never signed for.
package s3host

import "strings"

// Service is who runs the store behind a host.
type Service string

// The services.
const (
	AWS       Service = "aws"
	R2        Service = "r2"
	Backblaze Service = "backblaze"
	Wasabi    Service = "wasabi"
	Spaces    Service = "spaces"
	GCS       Service = "gcs"
	Scaleway  Service = "scaleway"
	Linode    Service = "linode"
	Hetzner   Service = "hetzner"
	OVH       Service = "ovh"
	// Custom is an endpoint that an operator configured.
	Custom Service = "custom"
)

// Style is where a request names its bucket.
type Style string

// The styles.
const (
	// Path is /bucket/key.
	Path Style = "path"
	// Virtual is bucket.host/key.
	Virtual Style = "virtual"
)

// RegionAuto is the region of services that have but one scope for signing
// (Cloudflare R2, "S3 API compatibility"; Cloud Storage, "HMAC keys").
const RegionAuto = "auto"

// Host is what a host name says.
type Host struct {
	Service Service
	// Partition is that of AWS, such as "aws-cn"; empty elsewhere.
	Partition string
	// Bucket is the bucket in the host, which may have dots, or the name and
	// account of an access point; empty in path style.
	Bucket string
	// Region is that in the host, or the one that the host implies. It is empty
	// where the host does not say (accelerate).
	Region string
	Style  Style
	// Implied says that Region follows from the service rather than from a
	// label of the host: what is learned of the bucket counts more.
	Implied bool
	// DualStack, FIPS and Accelerate are the variants of the endpoint.
	DualStack, FIPS, Accelerate bool
	// AccessPoint says that the host is that of an access point, which has no
	// path style.
	AccessPoint bool
	// PathOnly says that there are no hosts of buckets: a configured endpoint
	// whose operator did not say so.
	PathOnly bool
	// Base is the host in path style: what stands right of the bucket.
	Base string
	// Refused says in a sentence why requests to the host cannot be signed;
	// empty where they can.
	Refused string
}

// Parse reads a host name: lower-case, without port and without trailing dot,
// as auth.Target has it. ok is false for hosts that are none of S3.
func Parse(host string) (h Host, ok bool) {
	if strings.HasPrefix(host, ".") || strings.Contains(host, "..") {
		return Host{}, false
	}
	for i := range partitions {
		p := &partitions[i]
		if left, found := below(host, p.suffix); found {
			if h, ok = p.parse(left); ok {
				h.refuseBucket()
				return h, true
			}
		}
	}
	for i := range vendors {
		v := &vendors[i]
		if host == v.suffix && v.whole || strings.HasSuffix(host, "."+v.suffix) {
			if h, ok = v.parse(strings.TrimSuffix(strings.TrimSuffix(host, v.suffix), ".")); ok {
				h.refuseBucket()
				return h, true
			}
		}
	}
	return Host{}, false
}

// below returns what stands left of suffix and its dot.
func below(host, suffix string) (left string, ok bool) {
	left, ok = strings.CutSuffix(host, suffix)
	if !ok || left == "" || left[len(left)-1] != '.' {
		return "", false
	}
	return left[:len(left)-1], true
}

// cutLast cuts the label furthest right off.
func cutLast(s string) (left, label string) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return "", s
	}
	return s[:i], s[i+1:]
}

// at makes a Host of the labels left of base.
func (h Host) at(bucket, base string) Host {
	h.Bucket, h.Base, h.Style = bucket, base, Path
	if bucket != "" {
		h.Style = Virtual
	}
	return h
}

// refuseBucket refuses the bucket in the host where it cannot be signed for.
func (h *Host) refuseBucket() {
	if h.Refused == "" && h.Bucket != "" {
		h.Refused = RefusedBucket(h.Bucket)
	}
}

// RefusedBucket says why requests for a bucket cannot be signed, by its name
// alone, or nothing. Suffixes are those of "General purpose bucket naming
// rules" in the Amazon S3 User Guide.
func RefusedBucket(bucket string) string {
	switch {
	case strings.HasSuffix(bucket, "--x-s3"):
		return refusedExpress
	case strings.HasSuffix(bucket, ".mrap"):
		return refusedMultiRegion
	case strings.HasSuffix(bucket, "--ol-s3"):
		return refusedLambda
	case strings.HasSuffix(bucket, "--table-s3"):
		return "S3 table buckets are not supported: name a general purpose bucket"
	}
	return ""
}

// The sentences of refusals.
const (
	refusedWebsite     = "S3 website endpoints take no signature and no TLS: use the REST endpoint of the bucket, such as BUCKET.s3.REGION.amazonaws.com"
	refusedExpress     = "S3 Express One Zone needs sessions of its own kind (CreateSession), which are not supported: use a general purpose bucket"
	refusedMultiRegion = "S3 multi-Region access points need SigV4A, which is not supported: use the bucket or a regional access point"
	refusedOutposts    = "S3 on Outposts needs SigV4A, which is not supported: use a bucket in a region"
	refusedLambda      = "S3 Object Lambda is not supported: use the bucket or a regional access point"
	refusedControl     = "S3 control endpoints manage the account and serve no objects: use the endpoint of the bucket"
	refusedCDN         = "the CDN host of Spaces takes no signature: use the origin host, BUCKET.REGION.digitaloceanspaces.com"
	refusedNoBucket    = "S3 Transfer Acceleration names the bucket in its host: use BUCKET.s3-accelerate.amazonaws.com"
)

// ValidBucket reports whether name can be a bucket's: 3 to 63 letters, digits,
// dots, hyphens and underscores, beginning and ending in a letter or digit.
// Capitals and underscores exist in buckets made before March 2018 ("General
// purpose bucket naming rules") and with other vendors.
func ValidBucket(name string) bool {
	if len(name) < 3 || len(name) > 63 || !alphanumeric(name[0]) || !alphanumeric(name[len(name)-1]) || strings.Contains(name, "..") {
		return false
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; !alphanumeric(c) && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// ValidRegion reports whether name has the syntax of a region of any service:
// it becomes a part of a scope and perhaps of a host.
func ValidRegion(name string) bool {
	if name == "" || len(name) > 32 || name[0] == '-' || name[len(name)-1] == '-' {
		return false
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
