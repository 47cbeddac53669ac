package s3host

import (
	"errors"
	"net"
	"strings"
)

// Endpoint is where a store is that an operator configured: MinIO, Ceph, a
// gateway, or one of the known services.
type Endpoint struct {
	// Scheme is "https" or "http".
	Scheme string
	// Host and Port as in auth.Target; Port is never zero.
	Host string
	Port uint16
	// Virtual says that the store also knows bucket.Host.
	Virtual bool
}

// Parse reads a target's scheme, host and port. ok is false where the target
// is not at the endpoint.
func (e Endpoint) Parse(scheme, host string, port uint16) (h Host, ok bool) {
	if e.Host == "" || scheme != e.Scheme || port != e.Port {
		return Host{}, false
	}
	h = Host{Service: Custom, Region: fallbackRegion, Implied: true, PathOnly: !e.Virtual || isIP(e.Host)}
	if host == e.Host {
		return h.at("", e.Host), true
	}
	if left, found := below(host, e.Host); found && !h.PathOnly {
		h = h.at(left, e.Host)
		h.refuseBucket()
		return h, true
	}
	return Host{}, false
}

// fallbackRegion is what clients sign for where nobody names a region; most
// stores take it as their own.
const fallbackRegion = "us-east-1"

func isIP(host string) bool { return net.ParseIP(host) != nil }

// ErrRefused is the error of Upstream for hosts that cannot be signed for.
var ErrRefused = errors.New("requests to the host cannot be signed")

// Upstream is the inverse of Parse: the host at which to ask for a bucket, and
// the beginning of the path, which is "" or "/" and the bucket. region, where
// it is not empty, takes the place of that in the host. style, where it is
// empty, is that of h. Buckets with dots in them go in path style, because no
// certificate covers their hosts, and accelerated hosts and access points keep
// the only style that they have.
//
// What a region is asked for that is none of the host's partition, and where h
// is refused, the error says so.
func (h Host) Upstream(bucket, region string, style Style) (host, prefix string, err error) {
	switch {
	case h.Refused != "":
		return "", "", ErrRefused
	case h.AccessPoint:
		return h.Bucket + "." + h.Base, "", nil
	}
	base := h.Base
	if region != "" && region != h.Region {
		if base, err = h.baseIn(region); err != nil {
			return "", "", err
		}
	}
	if style == "" {
		style = h.Style
	}
	dotted := strings.Contains(bucket, ".")
	switch {
	case bucket == "":
		return base, "", nil
	case h.Accelerate && dotted:
		// Transfer Acceleration does not take such buckets.
		return "", "", errors.New("S3 Transfer Acceleration takes no bucket with dots in its name: use the endpoint of its region")
	case h.Accelerate:
		return bucket + "." + base, "", nil
	case style == Virtual && !h.PathOnly && !dotted && hostLabel(bucket):
		return bucket + "." + base, "", nil
	}
	return base, "/" + bucket, nil
}

// baseIn is the base in another region. Where hosts say nothing about regions
// it is the base as it is.
func (h Host) baseIn(region string) (string, error) {
	switch {
	case h.Service == AWS:
		p := partitionNamed(h.Partition)
		switch {
		case p == nil || !p.region(region):
			return "", errors.New("the region is none of the partition " + h.Partition)
		case h.Accelerate:
			return h.Base, nil
		case strings.HasSuffix(h.Base, ".vpce."+p.suffix):
			return "", errors.New("the interface endpoint leads to the region " + h.Region + " only")
		}
		service := "s3."
		if h.FIPS {
			service = "s3-fips."
		}
		if h.DualStack {
			service += "dualstack."
		}
		return service + region + "." + p.suffix, nil
	case h.Implied || h.Region == RegionAuto:
		return h.Base, nil
	}
	return "", errors.New("the host is that of the region " + h.Region)
}

// hostLabel reports whether bucket can stand in a host name.
func hostLabel(bucket string) bool {
	if len(bucket) > 63 || bucket == "" || bucket[0] == '-' || bucket[len(bucket)-1] == '-' {
		return false
	}
	for i := 0; i < len(bucket); i++ {
		if c := bucket[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// TakesRegion reports whether region may be signed for at h: it has the syntax
// of one and, at AWS, belongs to the host's partition.
func (h Host) TakesRegion(region string) bool {
	if !ValidRegion(region) {
		return false
	}
	if h.Service == AWS {
		p := partitionNamed(h.Partition)
		return p != nil && p.region(region)
	}
	return true
}
