package s3host

import "strings"

// vendor is a service other than AWS.
type vendor struct {
	service Service
	suffix  string
	// whole says that the suffix itself is a host of the service.
	whole bool
	// label is the one that stands left of the region, such as "s3"; empty
	// where there is none.
	label string
	// fallback is the region of hosts that name none; empty where every host
	// names one.
	fallback string
	// read, where set, takes the place of the common form [BUCKET.][LABEL.]REGION.
	read func(v *vendor, left string) (Host, bool)
}

var vendors = [...]vendor{
	// Cloudflare, "S3 API compatibility" and "Data location".
	{service: R2, suffix: "r2.cloudflarestorage.com", read: readR2},
	// Backblaze, "Call the S3-Compatible API": s3.us-west-004.backblazeb2.com.
	{service: Backblaze, suffix: "backblazeb2.com", label: "s3"},
	// Wasabi, "Service URLs for Wasabi's storage regions".
	{service: Wasabi, suffix: "wasabisys.com", label: "s3", fallback: "us-east-1"},
	// DigitalOcean, "Spaces API".
	{service: Spaces, suffix: "digitaloceanspaces.com", read: readSpaces},
	// Google, "Request endpoints" of the XML API.
	{service: GCS, suffix: "storage.googleapis.com", whole: true, read: readGCS},
	// Scaleway, "Object Storage concepts", endpoint.
	{service: Scaleway, suffix: "scw.cloud", label: "s3"},
	// Akamai, "Object Storage: endpoint URL".
	{service: Linode, suffix: "linodeobjects.com"},
	// Hetzner, "Object Storage: overview".
	{service: Hetzner, suffix: "your-objectstorage.com"},
	// OVHcloud, "Object Storage: endpoints and geoavailability".
	{service: OVH, suffix: "io.cloud.ovh.net", label: "s3"},
}

func (v *vendor) parse(left string) (Host, bool) {
	if v.read != nil {
		return v.read(v, left)
	}
	h := Host{Service: v.service}
	rest, last := cutLast(left)
	if v.fallback != "" && last == v.label {
		h.Region, h.Implied = v.fallback, true
		return h.at(rest, last+"."+v.suffix), true
	}
	if !ValidRegion(last) {
		return Host{}, false
	}
	h.Region = last
	base := last + "." + v.suffix
	if v.label != "" {
		var label string
		if rest, label = cutLast(rest); label != v.label {
			return Host{}, false
		}
		base = label + "." + base
	}
	return h.at(rest, base), true
}

// readR2 reads [BUCKET.]ACCOUNT[.JURISDICTION]; an account is 32 hexadecimal
// digits.
func readR2(v *vendor, left string) (Host, bool) {
	h := Host{Service: R2, Region: RegionAuto}
	rest, last := cutLast(left)
	base := last + "." + v.suffix
	switch last {
	case "eu", "us", "fedramp":
		rest, last = cutLast(rest)
		base = last + "." + base
	}
	if len(last) != 32 || strings.Trim(last, "0123456789abcdef") != "" {
		return Host{}, false
	}
	return h.at(rest, base), true
}

// readSpaces reads [BUCKET.]REGION, and refuses [BUCKET.]REGION.cdn.
func readSpaces(v *vendor, left string) (Host, bool) {
	h := Host{Service: Spaces}
	rest, last := cutLast(left)
	base := last + "." + v.suffix
	if last == "cdn" {
		h.Refused = refusedCDN
		return h.at("", left+"."+v.suffix), true
	}
	if !ValidRegion(last) {
		return Host{}, false
	}
	h.Region = last
	return h.at(rest, base), true
}

// readGCS reads [BUCKET]. Any region signs; auto is what Google documents.
func readGCS(v *vendor, left string) (Host, bool) {
	return Host{Service: GCS, Region: RegionAuto}.at(left, v.suffix), true
}
