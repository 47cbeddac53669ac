package house

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// canaryBody is as long as the body of a real Hub token, which is shorter than
// that of an API key of ours, and long enough that its middle alone (what a
// preview never shows) cannot occur by chance.
const canaryBody = 37

// Canary is a secret made for a test. It is found again in whatever form it
// leaks: as it is, in base64 at any alignment, in percent encoding, in
// hexadecimal, and also where its head and tail were cut off.
type Canary struct {
	value string
	forms []Form
}

// Form is one spelling of a canary.
type Form struct {
	// Name says which: "raw", "base64+1", "percent", "hex" …
	Name string
	Text string
}

// Hit is a place where a canary was found.
type Hit struct {
	// Where names what was searched.
	Where, Form string
	Offset      int64
}

// String says where, never what.
func (h Hit) String() string {
	return fmt.Sprintf("%s holds the secret (%s) at byte %d", h.Where, h.Form, h.Offset)
}

// NewCanary makes a canary that begins with prefix, such as "hf_".
func NewCanary(prefix string) *Canary {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	body := make([]byte, canaryBody)
	_, _ = rand.Read(body) // crypto/rand.Read never fails since Go 1.24
	for i, b := range body {
		body[i] = alphabet[int(b)%len(alphabet)]
	}
	return CanaryOf(prefix + string(body))
}

// CanaryOf looks for value, of at least 24 bytes: shorter ones turn up by
// themselves.
func CanaryOf(value string) *Canary {
	if len(value) < 24 {
		panic("house: a canary of fewer than 24 bytes proves nothing")
	}
	return &Canary{value: value, forms: forms(value)}
}

// Value is the secret itself.
func (c *Canary) Value() string { return c.value }

// Forms are the spellings that are looked for.
func (c *Canary) Forms() []Form { return append([]Form(nil), c.forms...) }

// forms spells the middle of value: a preview may show the first eight and the
// last four characters, and a leak that lost its ends is one all the same.
func forms(value string) []Form {
	core := value[8 : len(value)-4]
	out := []Form{
		{"raw", core},
		{"hex", hex.EncodeToString([]byte(core))},
		{"HEX", strings.ToUpper(hex.EncodeToString([]byte(core)))},
		{"percent", percent(core, "%02X")},
		{"percent, lower case", percent(core, "%02x")},
		{"JSON escapes", jsonEscapes(core)},
		{"reversed", backwards(core)},
	}
	for shift := range 3 {
		// What precedes the value shifts it against the groups of three bytes
		// that base64 encodes (RFC 4648, section 4). Only the groups that lie
		// wholly inside the core are the same whatever stands around it.
		inside := core[(3-shift)%3:]
		inside = inside[:len(inside)/3*3]
		std := base64.StdEncoding.EncodeToString([]byte(inside))
		out = append(out, Form{fmt.Sprintf("base64+%d", shift), std})
		if safe := base64.URLEncoding.EncodeToString([]byte(inside)); safe != std {
			out = append(out, Form{fmt.Sprintf("base64url+%d", shift), safe})
		}
	}
	return out
}

func percent(s, verb string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%"+verb, s[i])
	}
	return b.String()
}

func jsonEscapes(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, `\u%04x`, s[i])
	}
	return b.String()
}

func backwards(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// Search returns every form's first place in data; where names data.
func (c *Canary) Search(where string, data []byte) []Hit {
	var hits []Hit
	for _, f := range c.forms {
		if at := bytes.Index(data, []byte(f.Text)); at >= 0 {
			hits = append(hits, Hit{where, f.Name, int64(at)})
		}
	}
	return hits
}

// longest is the length of the longest form.
func (c *Canary) longest() int {
	n := 0
	for _, f := range c.forms {
		n = max(n, len(f.Text))
	}
	return n
}
