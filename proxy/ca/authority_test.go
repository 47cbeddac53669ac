package ca

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

var teamHosts = []string{".hf.co", "127.0.0.1", "::1", "cdn-lfs.example.org", "huggingface.co"}

func mint(t testing.TB, a *Authority, host string, hosts []string) *tls.Certificate {
	t.Helper()
	c, err := a.Certificate(t.Context(), "team_a", host, hosts)
	if err != nil {
		t.Fatalf("%s: %v", host, err)
	}
	return c
}

func TestT47_LeafNamesTheHostAndNothingElse(t *testing.T) {
	a, clk := testAuthority(t, Options{})
	serials := map[string]bool{}
	for _, host := range []string{"huggingface.co", "cas-bridge.xethub.hf.co", "127.0.0.1", "::1"} {
		cert := mint(t, a, host, teamHosts)
		leaf := cert.Leaf
		if ip := net.ParseIP(host); ip != nil {
			if len(leaf.DNSNames) != 0 || len(leaf.IPAddresses) != 1 || !leaf.IPAddresses[0].Equal(ip) {
				t.Errorf("%s: names %v, addresses %v", host, leaf.DNSNames, leaf.IPAddresses)
			}
		} else if len(leaf.IPAddresses) != 0 || len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != host {
			t.Errorf("%s: names %v, addresses %v", host, leaf.DNSNames, leaf.IPAddresses)
		}
		if leaf.Subject.CommonName != "" || len(leaf.EmailAddresses)+len(leaf.URIs) != 0 {
			t.Errorf("%s: subject %s", host, leaf.Subject)
		}
		if leaf.IsCA || !leaf.BasicConstraintsValid || leaf.KeyUsage != x509.KeyUsageDigitalSignature ||
			len(leaf.ExtKeyUsage) != 1 || leaf.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth {
			t.Errorf("%s: CA %v, usage %v, extended %v", host, leaf.IsCA, leaf.KeyUsage, leaf.ExtKeyUsage)
		}
		if got := leaf.NotAfter.Sub(leaf.NotBefore); got != 24*time.Hour+5*time.Minute {
			t.Errorf("%s: lives %s", host, got)
		}
		if len(cert.Certificate) != 2 {
			t.Errorf("%s: %d certificates are sent", host, len(cert.Certificate))
		}
		inter, err := x509.ParseCertificate(cert.Certificate[1])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(leaf.AuthorityKeyId, inter.SubjectKeyId) || !bytes.Equal(inter.AuthorityKeyId, a.Roots()[0].Certificate().SubjectKeyId) {
			t.Errorf("%s: the key identifiers do not lead upwards", host)
		}
		if !inter.IsCA || !inter.MaxPathLenZero || !basicConstraintsCritical(inter) || !inter.PermittedDNSDomainsCritical || len(inter.ExtKeyUsage) != 1 {
			t.Errorf("%s: intermediate CA %v, pathlen 0 %v, constraints critical %v", host, inter.IsCA, inter.MaxPathLenZero, inter.PermittedDNSDomainsCritical)
		}
		if err := verify(cert.Certificate, host, clk.t, a.Roots()...); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if verify(cert.Certificate, "example.com", clk.t, a.Roots()...) == nil {
			t.Errorf("the leaf for %s is good for example.com", host)
		}
		serial := leaf.SerialNumber.String()
		if serials[serial] || leaf.SerialNumber.BitLen() > 128 || leaf.SerialNumber.BitLen() < 64 {
			t.Errorf("%s: serial %s", host, serial)
		}
		serials[serial] = true
	}
}

func TestT47_NothingIsMintedOutsideTheTeamsHosts(t *testing.T) {
	a, _ := testAuthority(t, Options{})
	for _, host := range []string{
		"example.com", "huggingface.co.evil.com", "evilhuggingface.co", "hf.co.evil", "xhf.co", "127.0.0.2", "::2",
		"hf.co",                 // a suffix does not cover its own apex …
		"cdn.huggingface.co",    // … nor an exact name what lies below it, though the X.509 constraint does
		"a.cdn-lfs.example.org", // likewise
	} {
		_, err := a.Certificate(t.Context(), "team_a", host, teamHosts)
		if !errors.Is(err, ErrHostOutside) {
			t.Errorf("%s: error %v", host, err)
		}
	}
	for _, host := range []string{"", ".", "Huggingface.co", "huggingface.co.", "hugging face.co", "*.hf.co", "hf..co", "-a.hf.co", "127.0.0.1:443", "[::1]", "::ffff:127.0.0.1", "fe80::1%lo", "0::1", "1.2.3", "12345", "a/b.hf.co", "hf.co\x00.evil"} {
		_, err := a.Certificate(t.Context(), "team_a", host, append([]string{".co"}, teamHosts...))
		wantCode(t, err, auth.CodeBadTarget)
	}
	if _, err := a.Certificate(t.Context(), "team_a", "huggingface.co", nil); !errors.Is(err, ErrHostOutside) {
		t.Errorf("a team without hosts: %v", err)
	}
	if _, err := a.Certificate(t.Context(), "team_a", "huggingface.co", []string{"huggingface.co", "*.x.org"}); err == nil || errors.Is(err, ErrHostOutside) {
		t.Errorf("a host that is none was passed over: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Certificate(ctx, "team_a", "huggingface.co", teamHosts); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Somebody who has an intermediate's key signs for other names.
func TestT47_NameConstraintsRefuseForgedLeaves(t *testing.T) {
	a, clk := testAuthority(t, Options{})
	for _, c := range []struct{ hosts, good, forged []string }{
		{teamHosts, []string{"huggingface.co", "a.b.hf.co", "127.0.0.1", "::1"}, []string{"example.com", "huggingface.com", "evilhuggingface.co", "co", "127.0.0.2", "::2"}},
		{[]string{"huggingface.co"}, []string{"huggingface.co"}, []string{"example.com", "127.0.0.1", "::1", "0.0.0.0"}},
		{[]string{"10.1.2.3"}, []string{"10.1.2.3"}, []string{"example.com", "huggingface.co", "10.1.2.4", "::1"}},
	} {
		mint(t, a, c.good[0], c.hosts)
		addr, err := parseHost(c.good[0])
		if err != nil {
			t.Fatal(err)
		}
		iss, err := a.issuer("team_a", c.good[0], addr, c.hosts, clk.t)
		if err != nil {
			t.Fatal(err)
		}
		forge := func(host string) error {
			addr, err := parseHost(host)
			if err != nil {
				t.Fatal(err)
			}
			cert, _, err := iss.mint(host, addr, clk.t, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			return verify(cert.Certificate, host, clk.t, a.Roots()...)
		}
		for _, host := range c.good {
			if err := forge(host); err != nil {
				t.Errorf("%v: %s: %v", c.hosts, host, err)
			}
		}
		for _, host := range c.forged {
			var invalid x509.CertificateInvalidError
			if err := forge(host); !errors.As(err, &invalid) || invalid.Reason != x509.CANotAuthorizedForThisName {
				t.Errorf("%v: a forged leaf for %s: %v", c.hosts, host, err)
			}
		}
	}
}

func TestT47_CacheIsBounded(t *testing.T) {
	names, size := 300, 32
	if os.Getenv("WEIGHBRIDGE_SOAK") != "" {
		names, size = 1_000_000, DefaultCacheSize
	}
	a, _ := testAuthority(t, Options{CacheSize: size})
	hosts := []string{".example.com"}
	for i := range names {
		if _, err := a.ConfigFor(t.Context(), fmt.Sprintf("team_%d", i%(2*size)), fmt.Sprintf("h%d.example.com", i), hosts); err != nil {
			t.Fatal(err)
		}
	}
	if l, c, n := a.leaves.len(), a.configs.len(), a.teams.len(); l != size || c != size || n != size {
		t.Fatalf("%d leaves, %d configurations, %d teams are kept; the bound is %d", l, c, n, size)
	}
}

func TestOneOfManyCallersMints(t *testing.T) {
	a, _ := testAuthority(t, Options{})
	var wg sync.WaitGroup
	got := make([]*tls.Certificate, 64)
	for i := range got {
		wg.Go(func() { got[i], _ = a.Certificate(t.Context(), "team_a", "huggingface.co", teamHosts) })
	}
	wg.Wait()
	for _, c := range got {
		if c == nil || c != got[0] {
			t.Fatal("several leaves were minted for one host")
		}
	}
	if other, err := a.Certificate(t.Context(), "team_b", "huggingface.co", teamHosts); err != nil || bytes.Equal(other.Certificate[1], got[0].Certificate[1]) {
		t.Fatalf("two teams share an intermediate (%v)", err)
	}
}

func TestRenewal(t *testing.T) {
	a, clk := testAuthority(t, Options{})
	start := clk.t
	first := mint(t, a, "huggingface.co", teamHosts)

	clk.t = start.Add(17 * time.Hour)
	if mint(t, a, "huggingface.co", teamHosts) != first {
		t.Error("the leaf was renewed too early")
	}
	// Over the life of a root every leaf verifies, with six hours to spare,
	// and intermediates change in time.
	inters := map[string]bool{}
	for clk.t = start; clk.t.Before(start.Add(60 * 24 * time.Hour)); clk.t = clk.t.Add(5 * time.Hour) {
		c := mint(t, a, "huggingface.co", teamHosts)
		inters[string(c.Certificate[1])] = true
		for _, at := range []time.Time{clk.t, clk.t.Add(6 * time.Hour)} {
			if err := verify(c.Certificate, "huggingface.co", at, a.Roots()...); err != nil {
				t.Fatalf("after %s, at %s: %v", clk.t.Sub(start), at.Sub(clk.t), err)
			}
		}
	}
	if n := len(inters); n < 60/7 || n > 20 {
		t.Errorf("%d intermediates in 60 days", n)
	}
	// A clock that was set back gets leaves that are valid then.
	clk.t = start.Add(24 * time.Hour)
	c := mint(t, a, "huggingface.co", teamHosts)
	if err := verify(c.Certificate, "huggingface.co", clk.t, a.Roots()...); err != nil {
		t.Errorf("after the clock was set back: %v", err)
	}
	// Beyond the root's life there is an error, and no leaf.
	for _, at := range []time.Time{start.AddDate(11, 0, 0), start.AddDate(-1, 0, 0)} {
		clk.t = at
		_, err := a.Certificate(t.Context(), "team_a", "huggingface.co", teamHosts)
		wantCode(t, err, auth.CodeInternal)
	}
}

func TestOtherHostsMeanAnotherIntermediate(t *testing.T) {
	a, _ := testAuthority(t, Options{})
	before := mint(t, a, "huggingface.co", []string{"huggingface.co"})
	after := mint(t, a, "huggingface.co", []string{"civitai.com", "huggingface.co"})
	if bytes.Equal(before.Certificate[1], after.Certificate[1]) {
		t.Fatal("the intermediate was not re-issued")
	}
	inter, err := x509.ParseCertificate(after.Certificate[1])
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(inter.PermittedDNSDomains); got != "[civitai.com huggingface.co]" {
		t.Errorf("constraints %s", got)
	}
	if mint(t, a, "huggingface.co", []string{"huggingface.co"}) != before {
		t.Error("the earlier state of the hosts was forgotten at once")
	}
}

func TestRolloverBreaksNobody(t *testing.T) {
	a, clk := testAuthority(t, Options{})
	oldRoots := a.Roots()
	clk.t = clk.t.Add(time.Hour)
	rotated, err := Rotate(oldRoots, clk.t, "weighbridge test root")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.SetRoots(rotated); err != nil {
		t.Fatal(err)
	}
	if n := len(a.Roots()); n != 2 || a.Roots()[0].Fingerprint() != rotated[0].Fingerprint() {
		t.Fatalf("%d roots are published, the newest not first", n)
	}
	if n := bytes.Count(a.RootsPEM(), []byte("BEGIN CERTIFICATE")); n != 2 {
		t.Errorf("%d certificates are published", n)
	}
	cert := mint(t, a, "huggingface.co", teamHosts)
	inter, err := x509.ParseCertificate(cert.Certificate[1])
	if err != nil {
		t.Fatal(err)
	}
	if inter.CheckSignatureFrom(rotated[0].Certificate()) != nil {
		t.Error("the newest root does not sign")
	}
	for name, roots := range map[string][]Root{"old": oldRoots, "new": rotated[:1], "both": rotated} {
		if err := verify(cert.Certificate, "huggingface.co", clk.t, roots...); err != nil {
			t.Errorf("a worker with the %s bundle: %v", name, err)
		}
	}
	if verify(cert.Certificate, "huggingface.co", clk.t, testRoot(t, clk.t)) == nil {
		t.Error("verified under a stranger's root")
	}
}

// Rotating twice in a row breaks nobody: a bundle from before goes on working
// with clients that try one chain only, as OpenSSL does, so that no two of the
// certificates sent may claim the same subject.
func TestRotatingAgainBreaksNoBundle(t *testing.T) {
	clk := &clock{time.Now()}
	roots := []Root{testRoot(t, clk.t)}
	a, _ := testAuthority(t, Options{Roots: roots, Now: clk.now})
	for range maxRoots - 1 {
		next, err := Rotate(roots, clk.t, "weighbridge test root")
		if err != nil {
			t.Fatal(err)
		}
		if err := a.SetRoots(next); err != nil {
			t.Fatal(err)
		}
		roots = next
		clk.t = clk.t.Add(time.Hour)
	}
	cert, err := a.Certificate(t.Context(), "team_1", "hub.example", []string{"hub.example"})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range roots {
		if err := verify(cert.Certificate, "hub.example", clk.t, r); err != nil {
			t.Errorf("the bundle of %d rotations ago: %v", i, err)
		}
	}
	subjects := map[string]int{}
	for i, der := range cert.Certificate[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if at, twice := subjects[string(c.RawSubject)]; twice {
			t.Errorf("certificates %d and %d are both of %s", at, i, c.Subject)
		}
		subjects[string(c.RawSubject)] = i
	}
}

func TestRotateKeepsOldRootsForAMonth(t *testing.T) {
	now := time.Now()
	roots := []Root{testRoot(t, now)}
	rotate := func(after time.Duration) {
		t.Helper()
		now = now.Add(after)
		var err error
		if roots, err = Rotate(roots, now, "r"); err != nil {
			t.Fatal(err)
		}
	}
	rotate(24 * time.Hour)
	first := roots[1].Fingerprint()
	rotate(29 * 24 * time.Hour)
	if len(roots) != 3 || roots[2].Fingerprint() != first {
		t.Fatalf("%d roots after 29 days", len(roots))
	}
	rotate(2 * 24 * time.Hour)
	if len(roots) != 3 {
		t.Fatalf("%d roots when the first was replaced 31 days ago", len(roots))
	}
	for _, r := range roots {
		if r.Fingerprint() == first {
			t.Error("the first is still published")
		}
	}
	for range 6 {
		rotate(time.Hour)
	}
	if len(roots) != maxRoots {
		t.Errorf("%d roots after rotating again and again", len(roots))
	}
	rotate(11 * 365 * 24 * time.Hour)
	if len(roots) != 1 {
		t.Errorf("%d roots after all have expired", len(roots))
	}
}

func TestNewRefuses(t *testing.T) {
	now := time.Now()
	for name, o := range map[string]Options{
		"no root":         {},
		"an empty root":   {Roots: []Root{{}}},
		"an expired root": {Roots: []Root{testRoot(t, now.AddDate(-11, 0, 0))}},
		"a future root":   {Roots: []Root{testRoot(t, now.AddDate(1, 0, 0))}},
		"short life":      {Roots: []Root{testRoot(t, now)}, LeafLife: time.Hour, IntermediateLife: time.Hour},
		"no cache":        {Roots: []Root{testRoot(t, now)}, CacheSize: -1},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	a, _ := testAuthority(t, Options{})
	before := a.Roots()[0].Fingerprint()
	if a.SetRoots(nil) == nil || a.Roots()[0].Fingerprint() != before {
		t.Error("a failed SetRoots changed something")
	}
}

func BenchmarkMint(b *testing.B) {
	a, _ := testAuthority(b, Options{})
	for i := 0; b.Loop(); i++ {
		mint(b, a, fmt.Sprintf("h%d.example.com", i), []string{".example.com"})
	}
}

func BenchmarkCached(b *testing.B) {
	a, _ := testAuthority(b, Options{})
	for b.Loop() {
		mint(b, a, "huggingface.co", teamHosts)
	}
}
