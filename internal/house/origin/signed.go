package origin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The reasons for which a signed URL is refused.
var (
	ErrUnsigned  = errors.New("the URL carries no signature")
	ErrSignature = errors.New("the URL is not byte for byte the one that was issued")
	ErrExpired   = errors.New("the URL has expired")
)

// Signer issues signed URLs in the forms of the great object stores and
// verifies them. It is stricter than they are: the host, the path and every
// byte of the query must come back in the form and order in which they were
// issued.
type Signer struct {
	key [32]byte
	now func() time.Time

	mu     sync.Mutex
	issued map[string]string // what a query says to how it was spelled; nil unless TakeRespelled says so
}

// NewSigner makes a Signer with a key of its own. A nil now means time.Now.
func NewSigner(now func() time.Time) *Signer {
	if now == nil {
		now = time.Now
	}
	s := &Signer{now: now}
	_, _ = rand.Read(s.key[:]) // crypto/rand.Read never fails since Go 1.24
	return s
}

// TakeRespelled says whether URLs issued from here on may come back with their
// query in another spelling that says the same, which the real stores do not
// mind either. It is for clients that spell the query of a redirect anew.
func (s *Signer) TakeRespelled(take bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issued = nil
	if take {
		s.issued = map[string]string{}
	}
}

// remember keeps how a query was spelled; respell gives that for one that says
// the same.
func (s *Signer) remember(query string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.issued != nil {
		s.issued[said(query)] = query
	}
}

func (s *Signer) respell(query string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if spelled, ok := s.issued[said(query)]; ok {
		return spelled
	}
	return query
}

// said is what a query says, whatever its spelling. One that cannot be read
// says itself.
func said(query string) string {
	values, err := url.ParseQuery(query)
	if err != nil {
		return query
	}
	return values.Encode()
}

// cloudFrontAlphabet is base64 with the three characters replaced that a URL
// cannot carry (CloudFront developer guide, "Create a URL signature").
var cloudFrontAlphabet = strings.NewReplacer("+", "-", "=", "_", "/", "~")

// CloudFront issues a URL signed as CloudFront does with a custom policy.
// path is escaped, and so is query, which comes first and is kept as it is.
func (s *Signer) CloudFront(host, path, query string, life time.Duration) string {
	expires := s.now().Add(life).Unix()
	policy := fmt.Sprintf(`{"Statement":[{"Resource":"https://%s%s?%s*","Condition":{"DateLessThan":{"AWS:EpochTime":%d}}}]}`,
		host, path, query, expires)
	unsigned := join(query, fmt.Sprintf("Expires=%d&Policy=%s&Signature=&Key-Pair-Id=KFAKEPAIR0001", expires,
		cloudFrontAlphabet.Replace(base64.StdEncoding.EncodeToString([]byte(policy)))))
	mac := s.mac(host, path, unsigned)
	signature := cloudFrontAlphabet.Replace(base64.StdEncoding.EncodeToString(append(mac, mac...)))
	signed := strings.Replace(unsigned, "Signature=", "Signature="+signature, 1)
	s.remember(signed)
	return "https://" + host + path + "?" + signed
}

// Presigned issues a URL in the form of an S3 presigned one (SigV4 in the
// query). The parameters stand in the order of issue, which is not sorted.
func (s *Signer) Presigned(host, path, query string, life time.Duration) string {
	now := s.now().UTC()
	unsigned := join(fmt.Sprintf("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD"+
		"&X-Amz-Credential=cas%%2F%s%%2Fus-east-1%%2Fs3%%2Faws4_request&X-Amz-Date=%s&X-Amz-Expires=%d"+
		"&X-Amz-Signature=&X-Amz-SignedHeaders=host",
		now.Format("20060102"), now.Format("20060102T150405Z"), int(life.Seconds())), query)
	signature := hex.EncodeToString(s.mac(host, path, unsigned))
	signed := strings.Replace(unsigned, "X-Amz-Signature=", "X-Amz-Signature="+signature, 1)
	s.remember(signed)
	return "https://" + host + path + "?" + signed
}

// Check verifies a request for a URL that this Signer issued. The error is
// ErrUnsigned, ErrSignature or ErrExpired.
func (s *Signer) Check(host, path, query string) error {
	query = s.respell(query)
	name := "Signature="
	if strings.Contains(query, "X-Amz-Signature=") {
		name = "X-Amz-Signature="
	}
	before, rest, found := strings.Cut(query, name)
	if !found {
		return ErrUnsigned
	}
	given, after, more := strings.Cut(rest, "&")
	unsigned := before + name
	if more {
		unsigned += "&" + after
	}
	mac := s.mac(host, path, unsigned)
	want := hex.EncodeToString(mac)
	if name == "Signature=" {
		want = cloudFrontAlphabet.Replace(base64.StdEncoding.EncodeToString(append(mac, mac...)))
	}
	if !hmac.Equal([]byte(given), []byte(want)) {
		return ErrSignature
	}
	if !s.now().Before(expiry(query)) {
		return ErrExpired
	}
	return nil
}

// expiry reads when a URL ends that was issued here.
func expiry(query string) time.Time {
	q, err := url.ParseQuery(query)
	if err != nil {
		return time.Time{}
	}
	if at, err := strconv.ParseInt(q.Get("Expires"), 10, 64); err == nil {
		return time.Unix(at, 0)
	}
	at, err := time.Parse("20060102T150405Z", q.Get("X-Amz-Date"))
	if err != nil {
		return time.Time{}
	}
	life, err := strconv.Atoi(q.Get("X-Amz-Expires"))
	if err != nil {
		return time.Time{}
	}
	return at.Add(time.Duration(life) * time.Second)
}

func (s *Signer) mac(host, path, query string) []byte {
	h := hmac.New(sha256.New, s.key[:])
	_, _ = h.Write([]byte(host + "\n" + path + "\n" + query)) // a Hash never fails
	return h.Sum(nil)
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "&" + b
}

// Guard answers what an object store answers to a request that may not have
// its object, and reports whether it may: 400 to any Authorization beside the
// signature, whatever the URL, as at S3 and R2; 403 to a URL that is not the
// one issued.
func (s *Signer) Guard(w http.ResponseWriter, r *http.Request, host string) bool {
	if r.Header.Get("Authorization") != "" {
		xmlError(w, http.StatusBadRequest, "InvalidArgument", "Only one auth mechanism allowed; only the X-Amz-Algorithm "+
			"query parameter, Signature query string parameter or the Authorization header should be specified")
		return false
	}
	switch err := s.Check(host, r.URL.EscapedPath(), r.URL.RawQuery); {
	case errors.Is(err, ErrExpired):
		xmlError(w, http.StatusForbidden, "AccessDenied", "Request has expired")
	case errors.Is(err, ErrUnsigned):
		xmlError(w, http.StatusForbidden, "MissingKey", "Missing Key-Pair-Id query parameter or cookie value")
	case err != nil:
		xmlError(w, http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")
	default:
		return true
	}
	return false
}

func xmlError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
}
