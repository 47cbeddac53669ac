package trial

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Listener is what the proxy says of itself to whoever asks, without a key.
type Listener struct {
	// Ready says that it serves; Reason why not.
	Ready  bool
	Reason string
	// Date is its clock at Asked, ours; zero where it does not tell.
	Date, Asked time.Time
	// Roots are those that sign its certificates; none where it intercepts
	// nothing.
	Roots []*x509.Certificate
	// Chain is the certificates that it showed for itself; none without TLS.
	Chain []*x509.Certificate
}

// ErrNotWeighbridge says that something else answers.
var ErrNotWeighbridge = errors.New("what answers there is not weighbridge")

// ErrSpeaksTLS says that the listener was asked without TLS, and wants it.
var ErrSpeaksTLS = errors.New("what answers there speaks TLS")

// wantsTLS reports whether an answer says so in the words of weighbridge, of
// net/http or of nginx.
func wantsTLS(status int, body []byte) bool {
	for _, words := range [...]string{"listener of weighbridge speaks TLS", "HTTP request to an HTTPS server", "HTTP request was sent to HTTPS port"} {
		if status == http.StatusBadRequest && bytes.Contains(body, []byte(words)) {
			return true
		}
	}
	return false
}

// maxOwnAnswer bounds what is read of our own endpoints: a few roots.
const maxOwnAnswer = 1 << 20

// Look asks the listener for its state and its roots.
func (c *Caller) Look(ctx context.Context) (l Listener, err error) {
	status, body, err := c.own(ctx, "readyz", &l)
	if err != nil {
		return l, err
	}
	if wantsTLS(status, body) {
		return l, ErrSpeaksTLS
	}
	var said struct {
		Status, Reason string
		Time           time.Time
	}
	if json.Unmarshal(body, &said) != nil || said.Status != "ready" && said.Status != "not ready" {
		return l, ErrNotWeighbridge
	}
	l.Ready, l.Reason = status == http.StatusOK, printable(said.Reason)
	l.Date, l.Asked = said.Time, c.o.Now()
	status, body, err = c.own(ctx, "ca.pem", &l)
	if err != nil {
		return l, err
	}
	if status == http.StatusOK {
		l.Roots = Certificates(body)
	}
	return l, nil
}

func (c *Caller) own(ctx context.Context, name string, l *Listener) (status int, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.at+"/.weighbridge/"+name, nil)
	if err != nil {
		return 0, nil, errBadURL
	}
	resp, err := c.direct.Do(r)
	if err != nil {
		return 0, nil, unwrapURL(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.TLS != nil {
		l.Chain = resp.TLS.PeerCertificates
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxOwnAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return resp.StatusCode, body, nil
}

// Certificates are those of a PEM text that can be read.
func Certificates(text []byte) (out []*x509.Certificate) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			out = append(out, cert)
		}
	}
	return out
}
