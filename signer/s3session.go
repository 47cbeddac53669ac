package signer

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3host"
)

// s3Use is what the session of a role is for.
type s3Use int

const (
	s3Reading s3Use = iota
	s3Writing
	// s3Locating is for requests about a bucket itself, which tell that it is
	// there and where.
	s3Locating
)

// use is what a request needs a session for. What does not only read, a batch
// of deletions and the list of unfinished uploads included, needs one that may
// write: whether it may be made was decided.
func (p *s3Plan) use() s3Use {
	switch {
	case p.request.class != auth.ClassRead:
		return s3Writing
	case p.request.locates(p.method):
		return s3Locating
	}
	return s3Reading
}

// The actions of each use, by what they are on ("Required permissions for
// Amazon S3 API operations", Amazon S3 User Guide).
var (
	s3ReadActions  = []string{"s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"}
	s3WriteActions = slices.Concat(s3ReadActions, []string{
		"s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
	})
	s3ListActions   = []string{"s3:ListBucket", "s3:ListBucketVersions"}
	s3LocateActions = []string{"s3:ListBucket", "s3:GetBucketLocation"} // of HeadBucket the first
)

// maxSessionPolicy is how long a session policy may be (AWS STS API Reference,
// AssumeRole, Policy: "can't exceed 2,048 characters").
const maxSessionPolicy = 2048

// s3Policies keep the policies of sessions, which are the same for all requests
// that one rule decides. The zero value is ready.
type s3Policies struct {
	mu   sync.RWMutex
	made map[s3PolicyKey]string
}

type s3PolicyKey struct {
	rule, partition string
	use             s3Use
}

// of is the session policy for a request. A request that names further things
// has one of its own, which is not kept.
func (l *s3Policies) of(d *auth.Decision, p *s3Plan) (string, error) {
	key := s3PolicyKey{d.Rule, p.request.host.Partition, p.use()}
	if len(d.Also) == 0 {
		l.mu.RLock()
		policy, ok := l.made[key]
		l.mu.RUnlock()
		if ok {
			return policy, nil
		}
	}
	policy, err := s3SessionPolicy(d, key)
	if err == nil && len(d.Also) == 0 {
		l.mu.Lock()
		defer l.mu.Unlock()
		remember(&l.made, key, policy)
	}
	return policy, err
}

// s3SessionPolicy allows what the rules name that decided, and of that the kind
// of request that is made: a role's keys that read cannot write (IAM User Guide,
// "Session policies").
func s3SessionPolicy(d *auth.Decision, of s3PolicyKey) (string, error) {
	in, err := s3NamedBy(of.rule, of.partition)
	if err != nil {
		return "", err
	}
	var statements []s3Statement
	if of.use == s3Locating && !in.whole() {
		// Neither says a prefix by which it could be held to a part of the bucket.
		statements = []s3Statement{{Effect: "Allow", Action: s3LocateActions, Resource: in.bucket}}
	} else if statements, err = s3ObjectStatements(d, of, in); err != nil {
		return "", err
	}
	text, err := json.Marshal(s3PolicyOf(statements...))
	if err == nil && len(text) > maxSessionPolicy {
		err = errors.New("what the request names is more than the session of a role can be narrowed to; ask for less in one request")
	}
	return string(text), err
}

// s3ObjectStatements allow a use of what the rules name, and to list what the
// first of them names.
func s3ObjectStatements(d *auth.Decision, of s3PolicyKey, in s3Named) ([]s3Statement, error) {
	var read, written []string
	add := func(n s3Named, write bool) {
		list := &read
		if write {
			list = &written
		}
		if !contains(written, n.objects()) && !contains(*list, n.objects()) {
			*list = append(*list, n.objects())
		}
	}
	write := of.use == s3Writing
	add(in, write)
	for _, r := range d.Also {
		also, err := s3NamedBy(r.Rule, of.partition)
		if err != nil {
			return nil, err
		}
		add(also, r.Method != "GET" && r.Method != "HEAD")
	}
	var out []s3Statement
	if len(written) > 0 {
		out = append(out, s3Statement{Effect: "Allow", Action: s3WriteActions, Resource: oneOrAll(written)})
	}
	if len(read) > 0 {
		out = append(out, s3Statement{Effect: "Allow", Action: s3ReadActions, Resource: oneOrAll(read)})
	}
	list := s3Statement{Effect: "Allow", Action: s3ListActions, Resource: in.bucket}
	if in.whole() {
		list.Action = slices.Concat(s3ListActions, s3LocateActions[1:])
	} else {
		list.Condition = map[string]map[string]string{"StringLike": {"s3:prefix": in.key}}
	}
	out = append(out, list)
	// Objects that are encrypted by a key of KMS (SSE-KMS) are so by S3 in the
	// name of who asks: of keys nothing is allowed but what S3 does with them
	// ("Condition keys for AWS KMS", kms:ViaService). Which of them, the role
	// says.
	keys := s3Statement{
		Effect: "Allow", Action: []string{"kms:Decrypt"}, Resource: "*",
		Condition: map[string]map[string]string{"StringLike": {"kms:ViaService": "s3.*." + s3host.Suffix(of.partition)}},
	}
	if write {
		keys.Action = []string{"kms:Decrypt", "kms:GenerateDataKey"}
		// For this action S3 knows no prefix ("Actions, resources, and condition
		// keys for Amazon S3"): the request's own was decided.
		out = append(out, s3Statement{Effect: "Allow", Action: []string{"s3:ListBucketMultipartUploads"}, Resource: in.bucket})
	}
	return append(out, keys), nil
}

func oneOrAll(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

// s3Named is what a rule names, in the words of IAM: a bucket's ARN, and what
// the keys in it are like.
type s3Named struct{ bucket, key string }

func s3NamedBy(rule, partition string) (s3Named, error) {
	pattern, err := auth.ParsePattern(rule)
	if err != nil {
		return s3Named{}, err
	}
	bucket, key, _ := strings.Cut(pattern.Path()[1:], "/")
	if strings.Contains(bucket, "*") {
		bucket, key = "*", "*" // what a star of ours matches is no ARN's
	}
	return s3Named{"arn:" + partition + ":s3:::" + bucket, s3ResourceKey(key)}, nil
}

func (n *s3Named) objects() string { return n.bucket + "/" + n.key }

// whole reports whether it is about the bucket as a whole.
func (n *s3Named) whole() bool { return n.key == "*" || n.key == "" }
