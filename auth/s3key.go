package auth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
)

// S3 access keys are API keys of the S3 protocol: the same record, links,
// scope, expiry and revocation, and another way of showing who one is. An API
// key is sent, so its hash is enough to know it by; an S3 secret signs and is
// never sent, so it has to be kept, sealed.
const (
	// S3KeyPrefix starts an S3 access key id.
	S3KeyPrefix = "WBAK"

	// s3KeyIDLen is that of an AWS access key id ("AKIA" and 16 more), which
	// some clients check the form of.
	s3KeyIDLen = 20
	// s3Alphabet is the one of RFC 4648, section 6, as AWS uses it.
	s3Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	// s3SecretLen is that of an AWS secret access key; 40 characters of 62
	// hold 238 bits.
	s3SecretLen = 40
)

// S3Access makes a Key an S3 access key.
type S3Access struct {
	// AccessKeyID is public: it is in every request. It stays the same when
	// the secret is made anew.
	AccessKeyID string `json:"access_key_id"`
	// Version counts the secrets; the sealed one is bound to it.
	Version uint64 `json:"version"`
	// Buckets are the names of those that the key may touch, as they are
	// called upstream; none means every bucket that a linked credential has a
	// pattern for.
	Buckets []string `json:"buckets,omitempty"`
	// Prefixes are those of which an object's key must begin with one; none
	// means every object.
	Prefixes []string `json:"prefixes,omitempty"`
	// Aliases are names by which workers call a bucket, or a part of one
	// ("bucket/prefix/"). An alias hides a bucket of the same name.
	Aliases map[string]string `json:"aliases,omitempty"`
}

// NewS3AccessKeyID makes an access key id from crypto/rand.
func NewS3AccessKeyID() string {
	var b [s3KeyIDLen - len(S3KeyPrefix)]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	for i := range b {
		b[i] = s3Alphabet[b[i]%32]
	}
	return S3KeyPrefix + string(b[:])
}

// IsS3AccessKeyID reports whether s has the form of an access key id of ours.
func IsS3AccessKeyID(s string) bool {
	if len(s) != s3KeyIDLen || !strings.HasPrefix(s, S3KeyPrefix) {
		return false
	}
	return strings.Trim(s[len(S3KeyPrefix):], s3Alphabet) == ""
}

// NewS3Secret makes a secret access key from crypto/rand.
func NewS3Secret() Secret { return NewSecret(randomBody()[:s3SecretLen]) }

// Allows reports whether an S3 access key may touch the object called key in
// bucket, as both are called upstream. An empty key is the bucket itself, of
// which only listings below an allowed prefix may be asked for.
func (a *S3Access) Allows(bucket, key string) bool {
	return a.AllowsBucket(bucket) && a.allowsKey(key)
}

// AllowsBucket reports whether anything in bucket may be touched.
func (a *S3Access) AllowsBucket(bucket string) bool {
	if len(a.Buckets) == 0 {
		return bucket != ""
	}
	for _, b := range a.Buckets {
		if b == bucket {
			return true
		}
	}
	return false
}

func (a *S3Access) allowsKey(key string) bool {
	if len(a.Prefixes) == 0 {
		return true
	}
	for _, p := range a.Prefixes {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

// Resolve gives the bucket and key, as they are called upstream, of what a
// worker calls bucket and key.
func (a *S3Access) Resolve(bucket, key string) (string, string) {
	to, ok := a.Aliases[bucket]
	if !ok {
		return bucket, key
	}
	bucket, prefix, _ := strings.Cut(to, "/")
	return bucket, prefix + key
}

// Check says what is wrong with a: names that no S3 service has
// (docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, with
// the capitals and underscores of its older rules), prefixes that could mean
// another place than they say.
func (a *S3Access) Check() error {
	if !IsS3AccessKeyID(a.AccessKeyID) {
		return errors.New("its access key id is not one of ours")
	}
	for _, b := range a.Buckets {
		if !isBucketName(b) {
			return fmt.Errorf("%q is not the name of a bucket: 3 to 255 letters, digits, dots, hyphens and underscores", b)
		}
	}
	for _, p := range a.Prefixes {
		if err := checkS3Prefix(p); err != nil {
			return err
		}
	}
	for name, to := range a.Aliases {
		bucket, prefix, _ := strings.Cut(to, "/")
		switch {
		case !isBucketName(name):
			return fmt.Errorf("%q cannot be the alias of a bucket: 3 to 255 letters, digits, dots, hyphens and underscores", name)
		case !isBucketName(bucket):
			return fmt.Errorf("the alias %q does not lead to a bucket, or to BUCKET/PREFIX/", name)
		case prefix != "":
			if !strings.HasSuffix(prefix, "/") {
				return fmt.Errorf("the prefix that the alias %q leads to does not end with a slash", name)
			}
			if err := checkS3Prefix(prefix); err != nil {
				return fmt.Errorf("alias %q: %w", name, err)
			}
		}
	}
	return nil
}

// checkS3Prefix refuses segments that a server backed by files would resolve.
func checkS3Prefix(p string) error {
	if p == "" || len(p) > 1024 {
		return errors.New("a prefix has 1 to 1024 bytes")
	}
	segments := strings.Split(p, "/")
	for i, s := range segments {
		last := i == len(segments)-1
		if s == "." || s == ".." || s == "" && !last || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("the prefix %q has an empty segment, a dot segment or a control character", p)
		}
	}
	return nil
}

func isBucketName(s string) bool {
	if len(s) < 3 || len(s) > 255 || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return !strings.Contains(s, "..")
}

// IdentifyS3 finds an S3 access key by its id, with what it may touch (not to
// be changed). That the caller holds the secret is for the caller of IdentifyS3
// to verify; nothing of what it returns may be told before. The errors are as
// those of Identify.
func (s *Snapshot) IdentifyS3(accessKeyID string, now time.Time) (Identity, *S3Access, error) {
	k := s.byS3ID[accessKeyID]
	id, err := identify(k, "S3 access key", now)
	if k == nil {
		return id, nil, err
	}
	return id, k.record.S3, err
}
