package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

func TestRootHasWhatStrictClientsAskFor(t *testing.T) {
	now := time.Now()
	c := testRoot(t, now).Certificate()
	if !c.IsCA || !basicConstraintsCritical(c) || c.MaxPathLen != -1 {
		t.Errorf("basicConstraints: CA %v, critical %v, pathlen %d", c.IsCA, basicConstraintsCritical(c), c.MaxPathLen)
	}
	if c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Errorf("key usage %v", c.KeyUsage)
	}
	if len(c.SubjectKeyId) != 20 || !bytes.Equal(c.SubjectKeyId, c.AuthorityKeyId) {
		t.Errorf("key identifiers %x and %x", c.SubjectKeyId, c.AuthorityKeyId)
	}
	if got := now.Sub(c.NotBefore).Truncate(time.Second); got != 5*time.Minute { // certificates have whole seconds
		t.Errorf("backdated by %s", got)
	}
	if c.NotAfter.Year() != now.UTC().Year()+10 {
		t.Errorf("ends %s", c.NotAfter)
	}
	if other := testRoot(t, now).Certificate(); other.Subject.String() == c.Subject.String() {
		t.Errorf("two roots are both called %s", c.Subject)
	}
}

func TestRootNameIsBounded(t *testing.T) {
	if _, err := NewRoot(time.Now(), strings.Repeat("x", 60)); err == nil || !strings.Contains(err.Error(), "longer than 64") {
		t.Fatalf("error %v", err)
	}
}

// T47: the key comes out by no verb and no encoder.
func TestT47_RootKeyIsNeverPrinted(t *testing.T) {
	r := testRoot(t, time.Now())
	d := r.p.key.(*ecdsa.PrivateKey)
	raw, err := d.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	type holder struct{ root, Exported Root }
	j, err := json.Marshal(holder{r, r})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := testAuthority(t, Options{Roots: []Root{r}})
	for _, out := range []string{
		fmt.Sprintf("%v %+v %#v %s %d %x", r, r, r, r, r, r),
		fmt.Sprintf("%v %+v %#v", holder{r, r}, holder{r, r}, holder{r, r}),
		fmt.Sprint(r.KeyPEM()), string(j), string(a.RootsPEM()), string(a.Bundle(nil)), string(r.CertPEM()),
	} {
		for _, form := range []string{string(raw), fmt.Sprintf("%x", raw), fmt.Sprintf("%X", raw), new(big.Int).SetBytes(raw).String(), "PRIVATE"} {
			if strings.Contains(out, form) {
				t.Errorf("the key is in %q", out)
			}
		}
	}
}

func TestEncodedRootsDecodeToTheSame(t *testing.T) {
	now := time.Now()
	own := []Root{testRoot(t, now), givenRoot(t, now), testRoot(t, now)}
	enc := EncodeRoots(own)
	back, err := DecodeRoots(enc)
	if err != nil {
		t.Fatal(err)
	}
	if len(back) != len(own) || !bytes.Equal(EncodeRoots(back), enc) {
		t.Fatal("what was decoded encodes to something else")
	}
	for i := range own {
		if own[i].Fingerprint() != back[i].Fingerprint() || !own[i].KeyPEM().Equal(back[i].KeyPEM()) {
			t.Errorf("root %d changed", i)
		}
	}
	for _, bad := range [][]byte{nil, []byte("x"), own[0].CertPEM(), []byte(own[0].KeyPEM().Reveal()), enc[:len(enc)/2]} {
		if _, err := DecodeRoots(bad); err == nil {
			t.Errorf("%d bytes of nonsense decoded", len(bad))
		}
	}
}

// givenRoot is an issuing CA as an operator might have: RSA, below a root that
// is kept elsewhere.
func givenRoot(t testing.TB, now time.Time) Root {
	t.Helper()
	top := testRoot(t, now)
	cert, key := givenCA(t, now, operatorsKey(), top, nil)
	r, err := ParseRoot(append(cert, top.CertPEM()...), key, now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// operatorsKey is one RSA key for all tests that do not care which: making one
// takes long.
var operatorsKey = sync.OnceValue(func() crypto.Signer {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func rsaKey(t testing.TB, bits int) crypto.Signer {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// givenCA makes a CA certificate as an operator's tools would, below parent or
// self-signed, after change.
func givenCA(t testing.TB, now time.Time, key crypto.Signer, parent Root, change func(*x509.Certificate)) (certPEM []byte, keyPEM auth.Secret) {
	t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "Corporate CA"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: -1,
		KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: []byte{1, 2, 3, 4},
	}
	if change != nil {
		change(tmpl)
	}
	issuer, issuerKey := tmpl, key
	if parent.p != nil {
		issuer, issuerKey = parent.p.cert, parent.p.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, issuer, key.Public(), issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return encodeCert(der), auth.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
}

func TestParseRootTakesWhatOperatorsHave(t *testing.T) {
	now := time.Now()
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	ecCert, _ := givenCA(t, now, ec, Root{}, nil)
	rsa2048 := operatorsKey().(*rsa.PrivateKey)
	rsaCert, rsaPKCS8 := givenCA(t, now, rsa2048, Root{}, nil)
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsa2048)})
	sec1PEM := append([]byte("-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})...)

	for name, in := range map[string]struct {
		cert []byte
		key  auth.Secret
	}{
		"EC, SEC 1":   {ecCert, auth.NewSecret(string(sec1PEM))},
		"RSA, PKCS 1": {rsaCert, auth.NewSecret(string(pkcs1))},
		"RSA, PKCS 8": {rsaCert, rsaPKCS8},
	} {
		r, err := ParseRoot(in.cert, in.key, now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		a, _ := testAuthority(t, Options{Roots: []Root{r}})
		cert, err := a.Certificate(t.Context(), "team_a", "huggingface.co", []string{"huggingface.co"})
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(cert.Certificate, "huggingface.co", now, r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseRootOfAnIssuingCA(t *testing.T) {
	now := time.Now()
	r := givenRoot(t, now)
	a, _ := testAuthority(t, Options{Roots: []Root{r}})
	cert, err := a.Certificate(t.Context(), "team_a", "huggingface.co", []string{"huggingface.co"})
	if err != nil {
		t.Fatal(err)
	}
	if len(cert.Certificate) != 3 {
		t.Errorf("%d certificates are sent; want leaf, intermediate, issuing CA", len(cert.Certificate))
	}
	if err := verify(cert.Certificate, "huggingface.co", now, r); err != nil {
		t.Error(err)
	}
	if c, err := parseCerts(a.RootsPEM()); err != nil || !selfSigned(c[0]) {
		t.Errorf("what is published is not self-signed: %v", err)
	}
}

func TestParseRootNamesEveryFault(t *testing.T) {
	now := time.Now()
	key := operatorsKey()
	good, goodKey := givenCA(t, now, key, Root{}, nil)
	top := testRoot(t, now)
	belowTop, belowKey := givenCA(t, now, key, top, nil)
	changed := func(change func(*x509.Certificate)) []byte {
		c, _ := givenCA(t, now, key, Root{}, change)
		return c
	}
	_, edPriv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edDER, err := x509.MarshalPKCS8PrivateKey(edPriv)
	if err != nil {
		t.Fatal(err)
	}
	small := rsaKey(t, 1024)
	smallCert, smallKey := givenCA(t, now, small, Root{}, nil)
	block := func(kind string, der []byte) auth.Secret {
		return auth.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
	}

	for name, c := range map[string]struct {
		cert []byte
		key  auth.Secret
		want []string
	}{
		"no certificate":  {[]byte("hello"), goodKey, []string{"no PEM block CERTIFICATE"}},
		"broken":          {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), goodKey, []string{"certificate 1"}},
		"no key":          {good, auth.Secret{}, []string{"no PEM block PRIVATE KEY"}},
		"broken key":      {good, block("PRIVATE KEY", []byte("canary-canary")), []string{"PRIVATE KEY cannot be read"}},
		"encrypted":       {good, block("ENCRYPTED PRIVATE KEY", []byte("x")), []string{"encrypted"}},
		"encrypted, old":  {good, auth.NewSecret("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"), []string{"encrypted"}},
		"Ed25519":         {good, block("PRIVATE KEY", edDER), []string{"RSA or ECDSA"}},
		"another key":     {good, smallKey, []string{"key does not belong to it", "1024 bits"}},
		"small RSA":       {smallCert, smallKey, []string{"1024 bits"}},
		"no CA":           {changed(func(c *x509.Certificate) { c.IsCA = false }), goodKey, []string{"not a CA"}},
		"pathlen 0":       {changed(func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true }), goodKey, []string{"pathlen is 0"}},
		"no keyCertSign":  {changed(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }), goodKey, []string{"keyCertSign"}},
		"expired":         {changed(func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) }), goodKey, []string{"expired at"}},
		"not yet":         {changed(func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) }), goodKey, []string{"not valid before"}},
		"two at once":     {changed(func(c *x509.Certificate) { c.IsCA = false; c.KeyUsage = 0 }), goodKey, []string{"not a CA", "keyCertSign"}},
		"no chain":        {belowTop, belowKey, []string{"is not self-signed", "comes next"}},
		"wrong chain":     {append(bytes.Clone(belowTop), good...), belowKey, []string{"not followed by its issuer"}},
		"server auth not": {changed(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), goodKey, []string{"does not verify"}},
		"bc not critical": {changed(func(c *x509.Certificate) {
			c.IsCA, c.BasicConstraintsValid, c.MaxPathLen = false, false, 0
			c.ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 19}, Value: []byte{0x30, 3, 1, 1, 0xff}}}
		}), goodKey, []string{"not critical"}},
		"no key identifier": {changed(func(c *x509.Certificate) {
			c.IsCA, c.BasicConstraintsValid, c.MaxPathLen, c.SubjectKeyId = false, false, 0, nil
			c.ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}}}
		}), goodKey, []string{"subjectKeyIdentifier"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseRoot(c.cert, c.key, now)
			if err == nil {
				t.Fatal("taken")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "BEGIN") {
				t.Errorf("the error quotes the key: %v", err)
			}
		})
	}
}
