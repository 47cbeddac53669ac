package session

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// Only EdDSA under our own key is a JWT of ours, whatever its header says (RFC
// 8725, section 3.1).
func TestForgedJWTsOpenNothing(t *testing.T) {
	d := newDesk(t)
	d.user("ada@example.com")
	g := d.in("ada@example.com", from("192.0.2.1"))
	good := g.Access.Reveal()
	k, err := d.ring.get(t.Context())
	check(t, err)
	parts := strings.Split(good, ".")
	var claims map[string]any
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	check(t, err)
	check(t, json.Unmarshal(b, &claims))
	b64 := base64.RawURLEncoding.EncodeToString
	make := func(header string, change func(map[string]any), sign func(string) []byte) string {
		c := map[string]any{}
		for n, v := range claims {
			c[n] = v
		}
		if change != nil {
			change(c)
		}
		body, err := json.Marshal(c)
		check(t, err)
		text := b64([]byte(header)) + "." + b64(body)
		return text + "." + b64(sign(text))
	}
	const eddsa = `{"alg":"EdDSA","typ":"JWT"}`
	own := func(text string) []byte { return ed25519.Sign(k.sign, []byte(text)) }
	_, otherKey, err := ed25519.GenerateKey(nil)
	check(t, err)
	public := k.sign.Public().(ed25519.PublicKey)
	hs := func(text string) []byte { m := hmac.New(sha256.New, public); m.Write([]byte(text)); return m.Sum(nil) }
	set := func(name string, v any) func(map[string]any) { return func(c map[string]any) { c[name] = v } }
	drop := func(name string) func(map[string]any) { return func(c map[string]any) { delete(c, name) } }
	now := d.clock.Now().Unix()
	if _, _, err := d.Authenticate(t.Context(), make(eddsa, nil, own)); err != nil {
		t.Fatalf("the control: %v", err)
	}
	for what, text := range map[string]string{
		"empty":               "",
		"no JWT":              "wbt_x",
		"too long":            good + strings.Repeat("A", maxJWT),
		"another key":         make(eddsa, nil, func(s string) []byte { return ed25519.Sign(otherKey, []byte(s)) }),
		"none":                make(`{"alg":"none"}`, nil, func(string) []byte { return nil }),
		"None":                make(`{"alg":"None"}`, nil, own),
		"HS256 by public key": make(`{"alg":"HS256"}`, nil, hs),
		"its own key":         make(`{"alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"`+b64(otherKey.Public().(ed25519.PublicKey))+`"}}`, nil, func(s string) []byte { return ed25519.Sign(otherKey, []byte(s)) }),
		"critical":            make(`{"alg":"EdDSA","crit":["x"],"x":1}`, nil, own),
		"a changed claim":     parts[0] + "." + b64([]byte(`{"sub":"x"}`)) + "." + parts[2],
		"a device token":      g.Device.Reveal(),
		"another issuer":      make(eddsa, set("iss", "else"), own),
		"no issuer":           make(eddsa, drop("iss"), own),
		"another audience":    make(eddsa, set("aud", "else"), own),
		"no audience":         make(eddsa, drop("aud"), own),
		"no end":              make(eddsa, drop("exp"), own),
		"no beginning":        make(eddsa, drop("iat"), own),
		"of the future":       make(eddsa, set("iat", now+3600), own),
		"ended":               make(eddsa, set("exp", now), own),
		"no id":               make(eddsa, drop("jti"), own),
		"no session":          make(eddsa, drop("sid"), own),
		"another session":     make(eddsa, set("sid", auth.NewID(d.clock.Now())), own),
		"another user":        make(eddsa, set("sub", auth.NewID(d.clock.Now())), own),
	} {
		_, _, err := d.Authenticate(t.Context(), text)
		e := refused(t, err, CodeSessionEnded)
		if e.HTTPStatus() != 401 || text != "" && strings.Contains(e.Error(), text) {
			t.Errorf("%s: %v", what, e)
		}
	}
}

// A JWT has one spelling.
func TestAJWTIsTakenInItsOneForm(t *testing.T) {
	k, err := deriveKeys(make([]byte, seedSize))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	good, err := k.signed(audienceAPI, "u", "s", now, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	text := good.Reveal()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	taken := 0
	for _, c := range alphabet {
		if _, err := k.verified(text[:len(text)-1]+string(c), audienceAPI, now); err == nil {
			taken++
		}
	}
	if taken != 1 {
		t.Errorf("%d last characters are taken", taken)
	}
	for _, s := range []string{text + "\n", strings.Replace(text, ".", "\r.", 1), text + "="} {
		if _, err := k.verified(s, audienceAPI, now); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}

func FuzzVerify(f *testing.F) {
	k, err := deriveKeys(make([]byte, seedSize))
	if err != nil {
		f.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	good, err := k.signed(audienceAPI, "u", "s", now, time.Minute)
	if err != nil {
		f.Fatal(err)
	}
	header, _, _ := strings.Cut(good.Reveal(), ".")
	f.Add(good.Reveal())
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, s string) {
		// Seeds come from another process, whose JWT has another jti: what is
		// taken must be signed by the key, in the one form that it writes.
		if _, err := k.verified(s, audienceAPI, now); err == nil {
			parts := strings.Split(s, ".")
			sig, err := base64.RawURLEncoding.Strict().DecodeString(parts[len(parts)-1])
			if len(parts) != 3 || err != nil || parts[0] != header || !ed25519.Verify(k.sign.Public().(ed25519.PublicKey), []byte(parts[0]+"."+parts[1]), sig) {
				t.Errorf("%q is taken", s)
			}
		}
	})
}

// The keys are made once, sealed, and the same after a restart.
func TestTheKeysOutliveARestart(t *testing.T) {
	d := newDesk(t)
	d.user("ada@example.com")
	g := d.in("ada@example.com", from("192.0.2.1"))
	again := newService(Options{Store: d.store, Now: d.clock.Now}, cheap())
	_, _, err := again.Authenticate(t.Context(), g.Access.Reveal())
	check(t, err)
	check(t, d.store.PutSealed(t.Context(), seedName, []byte("too short")))
	third := newService(Options{Store: d.store, Now: d.clock.Now}, cheap())
	if _, _, err := third.Authenticate(t.Context(), g.Access.Reveal()); err == nil {
		t.Error("a damaged seed signs")
	}
}
