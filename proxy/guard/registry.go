package guard

import (
	"net/netip"
	"strings"
	"sync"
)

// registry4 is the IANA IPv4 Special-Purpose Address Registry (RFC 6890),
// without the rows that are globally reachable.
var registry4 = sync.OnceValue(func() []block {
	return blocks(`
		0.0.0.0/32          unspecified     RFC 1122 section 3.2.1.3
		0.0.0.0/8           reserved        RFC 791 section 3.2
		10.0.0.0/8          private         RFC 1918
		100.64.0.0/10       cgnat           RFC 6598
		127.0.0.0/8         loopback        RFC 1122 section 3.2.1.3
		169.254.0.0/16      link-local      RFC 3927
		172.16.0.0/12       private         RFC 1918
		192.0.0.0/24        reserved        RFC 6890 section 2.1
		192.0.2.0/24        documentation   RFC 5737
		192.88.99.0/24      reserved        RFC 7526 (6to4 relays, withdrawn)
		192.168.0.0/16      private         RFC 1918
		198.18.0.0/15       benchmarking    RFC 2544
		198.51.100.0/24     documentation   RFC 5737
		203.0.113.0/24      documentation   RFC 5737
		224.0.0.0/4         multicast       RFC 5771
		255.255.255.255/32  broadcast       RFC 919
		240.0.0.0/4         reserved        RFC 1112 section 4
	`)
})

// registry6 is the IANA IPv6 Special-Purpose Address Registry (RFC 6890). An
// embedding form is Public here where its embedded address alone decides.
var registry6 = sync.OnceValue(func() []block {
	return blocks(`
		::/128          unspecified     RFC 4291 section 2.5.2
		::1/128         loopback        RFC 4291 section 2.5.3
		::/96           transition      RFC 4291 section 2.5.5.1 (IPv4-compatible)
		64:ff9b::/96    public          RFC 6052 (NAT64: the embedded address decides)
		64:ff9b:1::/48  transition      RFC 8215 (local NAT64)
		100::/64        reserved        RFC 6666 (discard-only)
		2001::/32       transition      RFC 4380 (Teredo)
		2001:2::/48     benchmarking    RFC 5180
		2001:db8::/32   documentation   RFC 3849
		2001:10::/28    reserved        RFC 4843 (ORCHID)
		2001:20::/28    reserved        RFC 7343 (ORCHIDv2)
		2001::/23       reserved        RFC 2928
		2002::/16       transition      RFC 3056 (6to4)
		3fff::/20       documentation   RFC 9637
		5f00::/16       reserved        RFC 9602 (segment routing)
		fc00::/7        unique-local    RFC 4193
		fe80::/10       link-local      RFC 4291 section 2.5.6
		fec0::/10       site-local      RFC 3879
		ff00::/8        multicast       RFC 4291 section 2.7
	`)
})

// globalUnicast6 is all that IANA assigns from; RFC 4291 section 2.4, RFC 3513.
var globalUnicast6 = sync.OnceValue(func() netip.Prefix { return prefixOf("2000::/3") })

// metadata are the addresses at which clouds serve metadata and credentials
// to machines.
var metadata = sync.OnceValue(func() []netip.Addr {
	var out []netip.Addr
	for line := range strings.Lines(`
		169.254.169.254      AWS, Azure, Google, Oracle, DigitalOcean and others
		fd00:ec2::254        AWS EC2 over IPv6
		169.254.170.2        AWS ECS task credentials
		169.254.170.23       AWS EKS pod identity
		fd00:ec2::23         AWS EKS pod identity over IPv6
		fd20:ce::254         Google Compute Engine over IPv6
		168.63.129.16        Azure wire server (a public address)
		100.100.100.200      Alibaba Cloud
		192.0.0.192          Oracle Cloud Classic
		fd00:c1::a9fe:a9fe   Oracle Cloud over IPv6
		169.254.0.23         Tencent Cloud
		169.254.42.42        Scaleway
		fd00:42::42          Scaleway over IPv6
	`) {
		if f := strings.Fields(line); len(f) > 0 {
			out = append(out, netip.MustParseAddr(f[0]))
		}
	}
	return out
})

// metadataName reports whether host is a name by which a metadata service is
// reached, in any spelling: the name is refused before any lookup.
func metadataName(host string) bool {
	switch strings.ToLower(strings.TrimRight(host, ".")) {
	case "metadata.google.internal", "metadata.goog", "metadata", // Google
		"instance-data", "instance-data.ec2.internal", // AWS
		"metadata.tencentyun.com",      // Tencent Cloud
		"metadata.platformequinix.com": // Equinix Metal
		return true
	default:
		return false
	}
}

// prefixOf parses a constant.
func prefixOf(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// blocks reads rows of prefix, class and source.
func blocks(table string) []block {
	names := map[string]Class{
		"public": Public, "unspecified": Unspecified, "loopback": Loopback,
		"private": Private, "cgnat": CGNAT, "link-local": LinkLocal,
		"site-local": SiteLocal, "unique-local": UniqueLocal,
		"multicast": Multicast, "broadcast": Broadcast,
		"documentation": Documentation, "benchmarking": Benchmarking,
		"transition": Transition, "reserved": Reserved,
	}
	var out []block
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		class, ok := names[f[1]]
		if !ok {
			panic("guard: unknown class " + f[1])
		}
		out = append(out, block{prefixOf(f[0]), class})
	}
	return out
}
