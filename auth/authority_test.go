package auth

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// refusedWith checks that err is a bad_target whose reason holds want.
func refusedWith(t *testing.T, err error, want string) {
	t.Helper()
	var e *Error
	switch {
	case err == nil:
		t.Errorf("accepted, want a refusal because of %q", want)
	case !errors.As(err, &e) || e.Code != CodeBadTarget:
		t.Errorf("refused with %v, want %s", err, CodeBadTarget)
	case !strings.Contains(e.Reason, want):
		t.Errorf("reason %q does not say %q", e.Reason, want)
	}
}

func TestParseAuthority(t *testing.T) {
	for _, c := range []struct {
		in   string
		def  uint16
		host string
		port uint16
	}{
		{"huggingface.co", 443, "huggingface.co", 443},
		{"huggingface.co:443", 443, "huggingface.co", 443},
		{"huggingface.co:8443", 443, "huggingface.co", 8443},
		{"huggingface.co:1", 80, "huggingface.co", 1},
		{"huggingface.co:65535", 80, "huggingface.co", 65535},
		{"localhost", 80, "localhost", 80},
		{"minio:9000", 0, "minio", 9000},
		{"my_registry.corp.example", 443, "my_registry.corp.example", 443},
		{"_dmarc.example.com", 443, "_dmarc.example.com", 443},
		{"xn--bcher-kva.example", 443, "xn--bcher-kva.example", 443},
		{"r3---sn-abc.example", 443, "r3---sn-abc.example", 443},
		{"1.example", 443, "1.example", 443},
		{"0x7f.example", 443, "0x7f.example", 443},
		{"127.0.0.1", 443, "127.0.0.1", 443},
		{"127.0.0.1:9443", 443, "127.0.0.1", 9443},
		{"255.255.255.255", 443, "255.255.255.255", 443},
		{"[::1]", 443, "::1", 443},
		{"[::1]:8443", 443, "::1", 8443},
		{"[2001:db8::1]", 443, "2001:db8::1", 443},
		{"[2001:DB8::A]", 443, "2001:db8::a", 443},
		{strings.Repeat("a", 63) + ".example", 443, strings.Repeat("a", 63) + ".example", 443},
	} {
		host, port, err := ParseAuthority(c.in, c.def)
		if err != nil || host != c.host || port != c.port {
			t.Errorf("ParseAuthority(%q, %d) = %q, %d, %v; want %q, %d", c.in, c.def, host, port, err, c.host, c.port)
		}
	}
}

func TestT20_HostSpelling(t *testing.T) {
	for _, in := range []string{"HUGGINGFACE.co", "HuggingFace.CO:443", "huggingface.co"} {
		host, port, err := ParseAuthority(in, 443)
		if err != nil || host != "huggingface.co" || port != 443 {
			t.Errorf("ParseAuthority(%q) = %q, %d, %v", in, host, port, err)
		}
	}
	long := strings.Repeat("abcdefghi.", 25) + "abcd" // 254 characters
	for _, c := range []struct{ in, want string }{
		{"", "empty"},
		{"huggingface.co.", "ends in a dot"},
		{"huggingface.co.:443", "ends in a dot"},
		{"huggingface..co", "empty label"},
		{".huggingface.co", "empty label"},
		{".", "ends in a dot"},
		{"huggingface%2eco", "percent escape"},
		{"huggingface.co%00", "percent escape"},
		{"hugging\tface.co", "control character"},
		{"huggingface.co\x00", "control character"},
		{"huggingface.co\r\nHost: evil", "control character"},
		{"huggingface.co\n", "control character"},
		{"huggingface.co\x7f", "control character"},
		{" huggingface.co", "space"},
		{"huggingface.co ", "space"},
		{long, "253"},
		{strings.Repeat("a", 64) + ".example", "63"},
		{"-a.example", "hyphen"},
		{"a-.example", "hyphen"},
		{"a!b.example", "no host name has"},
		{"*.example.com", "no host name has"},
		{"a,b.example", "no host name has"},
		{"a;b.example", "no host name has"},
		{"<a>.example", "no host name has"},
	} {
		_, _, err := ParseAuthority(c.in, 443)
		refusedWith(t, err, c.want)
	}
	if _, _, err := ParseAuthority(long[1:], 443); err != nil {
		t.Errorf("253 characters are refused: %v", err)
	}
}

func TestT21_UserinfoAndDelimiters(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"a@b", "userinfo"},
		{"a:b@c", "userinfo"},
		{"@c", "userinfo"},
		{"huggingface.co@evil.example", "userinfo"},
		{"evil.example@huggingface.co:443", "userinfo"},
		{"a%40b", "percent escape"},
		{`good.example\@evil.example`, "userinfo"},
		{`good.example\.evil.example`, "backslash"},
		{`good.example\`, "backslash"},
		{"good.example#@evil.example", "userinfo"},
		{"good.example#.evil.example", "delimiter"},
		{"good.example?@evil.example", "userinfo"},
		{"good.example?", "delimiter"},
		{"good.example/", "delimiter"},
	} {
		_, _, err := ParseAuthority(c.in, 443)
		refusedWith(t, err, c.want)
	}
	// Userinfo may be a password: it must not come back.
	_, _, err := ParseAuthority("alice:canary-1234@huggingface.co", 443)
	if err == nil || strings.Contains(err.Error(), "canary-1234") || strings.Contains(err.Error(), "alice") {
		t.Errorf("the refusal quotes userinfo: %v", err)
	}
	for _, raw := range []string{
		"https://alice:canary-1234@huggingface.co/x", "https://huggingface.co/x#canary-1234",
		"https://huggingface.co\\@canary-1234/x", "https://huggingface.co/../x?token=canary-1234",
		"https://huggingface.co/x?token=canary-1234\n", "ftp://huggingface.co/x?canary-1234",
	} {
		_, err := ParseURL(raw)
		refusedWith(t, err, "")
		if err != nil && strings.Contains(err.Error(), "canary-1234") {
			t.Errorf("the refusal of %q quotes what may be a secret: %v", raw, err)
		}
	}
}

func TestT22_OnTheWireOnlyASCII(t *testing.T) {
	for _, in := range []string{
		"bücher.example", "huggingface。co", "huggingface．co", "hugging\u200bface.co", "huggingfaсe.co", // Cyrillic es
		"faß.example", "ＨＵＧＧＩＮＧＦＡＣＥ.co", "huggingface.co\u00ad", "\xff.example",
	} {
		_, _, err := ParseAuthority(in, 443)
		refusedWith(t, err, "outside ASCII")
	}
}

func TestT23_Ports(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"h.example:", "without a port"},
		{"h.example:0", "between 1 and 65535"},
		{"h.example:0443", "leading zero"},
		{"h.example:00", "between 1 and 65535"},
		{"h.example:65536", "between 1 and 65535"},
		{"h.example:99999", "between 1 and 65535"},
		{"h.example:000443", "plain digits"},
		{"h.example:4294967739", "plain digits"}, // 443 modulo 2^32
		{"h.example:-1", "not a number"},
		{"h.example:+443", "not a number"},
		{"h.example:44a", "not a number"},
		{"h.example:0x1bb", "not a number"},
		{"h.example:https", "not a number"},
		{"h.example:443:443", "more than one colon"},
		{":443", "no host"},
		{"[::1]:", "without a port"},
		{"[::1]:0", "between 1 and 65535"},
		{"[::1]443", "behind the brackets"},
	} {
		_, _, err := ParseAuthority(c.in, 443)
		refusedWith(t, err, c.want)
	}
	_, _, err := ParseAuthority("h.example", 0)
	refusedWith(t, err, "no port")

	for _, c := range []struct{ url, authority string }{
		{"https://h.example/", "h.example"},
		{"https://h.example:443/", "h.example"},
		{"https://h.example:80/", "h.example:80"},
		{"http://h.example/", "h.example"},
		{"http://h.example:80/", "h.example"},
		{"http://h.example:443/", "h.example:443"},
		{"https://[::1]/", "[::1]"},
		{"https://[::1]:8443/", "[::1]:8443"},
	} {
		if got := mustURL(t, c.url).Authority(); got != c.authority {
			t.Errorf("%s: authority %q, want %q", c.url, got, c.authority)
		}
	}
}

func TestT24_AddressForms(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"127.1", "ends in a number"},
		{"0x7f.1", "ends in a number"},
		{"2130706433", "ends in a number"},
		{"0177.0.0.1", "ends in a number"},
		{"127.0.0.01", "ends in a number"},
		{"127.0.0.1.", "ends in a dot"},
		{"127.0.0.256", "ends in a number"},
		{"127.0.0.1.1", "ends in a number"},
		{"0x7f000001", "ends in a number"},
		{"0x7f.0x0.0x0.0x1", "ends in a number"},
		{"127.0.0.0x1", "ends in a number"},
		{"127.0.0.0X1", "ends in a number"},
		{"127.0.0.0x", "ends in a number"},
		{"0", "ends in a number"},
		{"a.example.1", "ends in a number"},
		{"[::ffff:127.0.0.1]", "write 127.0.0.1"},
		{"[::ffff:7f00:1]", "write 127.0.0.1"},
		{"[fe80::1%25eth0]", "percent escape"},
		{"[fe80::1%eth0]", "percent escape"},
		{"x[::1]", "before the brackets"},
		{"[::1]x", "behind the brackets"},
		{"[::1][::1]", "behind the brackets"},
		{"[::1", "without a closing"},
		{"::1]", "without an opening"},
		{"::1", "in brackets"},
		{"[]", "empty brackets"},
		{"[127.0.0.1]", "no IPv6 address"},
		{"[huggingface.co]", "no IPv6 address"},
		{"[::0:1]", "write [::1]"},
		{"[0:0:0:0:0:0:0:1]", "write [::1]"},
		{"[2001:db8:0:0:1::1]", "write [2001:db8::1:0:0:1]"},
		{"[::1]]", "behind the brackets"},
	} {
		_, _, err := ParseAuthority(c.in, 443)
		refusedWith(t, err, c.want)
	}
}

func TestIsIP(t *testing.T) {
	for host, want := range map[string]bool{"127.0.0.1": true, "::1": true, "a.example": false, "": false, "1.example": false} {
		if IsIP(host) != want {
			t.Errorf("IsIP(%q) = %v", host, !want)
		}
	}
}

func FuzzParseAuthority(f *testing.F) {
	for _, s := range []string{
		"huggingface.co", "HUGGINGFACE.co:443", "a..b", "a.", "127.1", "0x7f.1", "[::1]:8443", "[::ffff:1.2.3.4]", "x[::1]",
		"a@b", "a:b@c", `a\@b`, "a%2eb", "h:0443", "h:", "h:65536", "bücher.example", "huggingface。co", "[fe80::1%25eth0]", "a_b.c:1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, port, err := ParseAuthority(s, 443)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeBadTarget || e.Reason == "" {
				t.Fatalf("ParseAuthority(%q): error %v is no bad_target with a reason", s, err)
			}
			return
		}
		if port == 0 || host == "" || host != strings.ToLower(host) || strings.ContainsAny(host, "@\\%/?#[] \t\r\n") || strings.HasSuffix(host, ".") {
			t.Fatalf("ParseAuthority(%q) = %q, %d", s, host, port)
		}
		if a, err := netip.ParseAddr(host); err == nil && a.String() != host {
			t.Fatalf("ParseAuthority(%q): address %q is not canonical", s, host)
		}
		// One spelling: what it prints parses to the same, and differs from s
		// in case and default port only.
		again := Target{Scheme: "https", Host: host, Port: port}.Authority()
		h2, p2, err := ParseAuthority(again, 443)
		if err != nil || h2 != host || p2 != port {
			t.Fatalf("%q prints as %q, which parses to %q, %d, %v", s, again, h2, p2, err)
		}
		if lower := strings.ToLower(s); lower != again && lower != again+":443" {
			t.Fatalf("%q and %q are two spellings of one authority", s, again)
		}
	})
}
