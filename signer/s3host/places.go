package s3host

import "strings"

// Place is a host, or a pattern of hosts in which a star is one label, and the
// beginning of the path below it: "" or "/" and a bucket.
type Place struct{ Host, Prefix string }

// Matched are the places by which a request for bucket at h is matched,
// whichever style it came in: always in path style, dual-stack, FIPS and
// legacy hosts told apart no more. At AWS the first is that of the partition,
// because a bucket is one whatever the region its request names, and the
// second that of the region. An access point is matched by its own host.
func (h Host) Matched(bucket string) []Place {
	prefix := ""
	if bucket != "" {
		prefix = "/" + bucket
	}
	switch {
	case h.AccessPoint:
		return []Place{{Host: h.accessPoint(h.Region)}}
	case h.Service != AWS:
		return []Place{{h.Base, prefix}}
	}
	p := partitionNamed(h.Partition)
	if h.Region == "" || h.Implied {
		return []Place{{p.global, prefix}}
	}
	return []Place{{p.global, prefix}, {"s3." + h.Region + "." + p.suffix, prefix}}
}

// accessPoint is the plain host of an access point.
func (h Host) accessPoint(region string) string {
	return h.Bucket + ".s3-accesspoint." + region + "." + partitionNamed(h.Partition).suffix
}

// Places are all hosts at which bucket is reached in every style, the matched
// ones first: what a rule about the bucket at h means.
func (h Host) Places(bucket string) []Place {
	prefix := "/" + bucket
	switch {
	case h.AccessPoint:
		p := partitionNamed(h.Partition)
		places := h.Matched("")
		for _, service := range [...]string{"s3-accesspoint.dualstack", "s3-accesspoint-fips", "s3-accesspoint-fips.dualstack"} {
			places = append(places, Place{Host: h.Bucket + "." + service + "." + h.Region + "." + p.suffix})
		}
		return places
	case h.Service == AWS:
		return partitionNamed(h.Partition).places(bucket)
	}
	places := []Place{{h.Base, prefix}}
	if !h.PathOnly && hostName(bucket) {
		places = append(places, Place{Host: bucket + "." + h.Base})
	}
	return places
}

// places are those of a bucket of AWS.
func (p *partition) places(bucket string) []Place {
	prefix := "/" + bucket
	places := []Place{{p.global, prefix}}
	virtual := hostName(bucket)
	add := func(host string, both bool) {
		if both && host != p.global {
			places = append(places, Place{host, prefix})
		}
		if virtual {
			places = append(places, Place{Host: bucket + "." + host})
		}
	}
	if p.name != "aws-us-gov" {
		add("s3."+p.suffix, true)
	}
	for _, service := range [...]string{"s3", "s3.dualstack", "s3-fips", "s3-fips.dualstack"} {
		add(service+".*."+p.suffix, true)
	}
	for _, region := range p.dashed {
		add("s3-"+region+"."+p.suffix, true)
	}
	if p.name == "aws" {
		add("s3-external-1."+p.suffix, true)
		add("s3-accelerate."+p.suffix, false)
		add("s3-accelerate.dualstack."+p.suffix, false)
	}
	for _, endpoint := range [...]string{"*.s3.*.vpce.", "bucket.*.s3.*.vpce."} {
		add(endpoint+p.suffix, true)
	}
	return places
}

// hostName reports whether a bucket can stand in a host name, dots and all.
func hostName(bucket string) bool {
	for label := range strings.SplitSeq(bucket, ".") {
		if !hostLabel(label) {
			return false
		}
	}
	return true
}

// ByName is where a bucket is that nobody said more about than its name, and
// perhaps its region: at AWS, in the partition of that region.
func ByName(region string) Host {
	p := &partitions[0]
	if q := partitionNamed(PartitionOf(region)); q != nil {
		p = q
	}
	h := Host{Service: AWS, Partition: p.name, Region: p.fallback, Implied: true, Style: Path, Base: "s3." + p.suffix}
	if p.region(region) {
		h.Region, h.Implied, h.Base = region, false, "s3."+region+"."+p.suffix
	}
	return h
}

// Regional are patterns for the hosts of every region of the partition of h,
// in path style.
func (h Host) Regional() []Place {
	p := partitionNamed(h.Partition)
	if p == nil {
		return nil
	}
	var places []Place
	for _, service := range [...]string{"s3", "s3.dualstack", "s3-fips", "s3-fips.dualstack"} {
		places = append(places, Place{Host: service + ".*." + p.suffix})
	}
	for _, region := range p.dashed {
		places = append(places, Place{Host: "s3-" + region + "." + p.suffix})
	}
	return places
}
