package signer

import (
	"encoding/json"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3host"
)

// s3Policy is a policy of IAM (IAM User Guide, "Grammar of the IAM JSON policy
// language").
type s3Policy struct {
	Version   string
	Statement []s3Statement
}

// s3Statement is one of its statements. Resource is an ARN, or several.
type s3Statement struct {
	Effect    string
	Action    []string
	Resource  any
	Condition map[string]map[string]string `json:",omitempty"`
}

func s3PolicyOf(statements ...s3Statement) s3Policy {
	return s3Policy{Version: "2012-10-17", Statement: statements} // the version of the language
}

// s3ResourceKey is the part of an ARN that names the keys which the path of a
// pattern matches: what follows a star of ours is no ARN's, so that it ends at
// the first.
func s3ResourceKey(key string) string {
	if i := strings.IndexByte(key, '*'); i >= 0 {
		key = key[:i] + "*"
	}
	key, wild := strings.CutSuffix(key, "*")
	key, _ = unescapeOnce(key)
	if key = arnText.Replace(key); wild {
		key += "*"
	}
	return key
}

// arnText escapes what IAM reads as a wildcard or variable ("IAM policy
// elements: Variables and tags").
var arnText = strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}")

var _ auth.Granter = s3{}

// s3Placeholder stands where no pattern names a bucket yet. No bucket is called
// so: their names have no capitals.
const s3Placeholder = "BUCKET"

// Grant implements auth.Granter: the policy for a user who reads the objects
// that the patterns name, and does nothing else.
func (p s3) Grant(params map[string]string, patterns []string) string {
	partition := s3host.PartitionOf(params[s3Region])
	if partition == "" {
		partition = "aws" // also what storage beside Amazon's calls itself
	}
	var resources []string
	if d, err := parseS3Dialect(p.Dialect(params)); err == nil {
		for _, spot := range p.spots(&auth.Credential{Patterns: patterns, Params: params}, &d) {
			if h, ok := s3host.Parse(spot.authority); ok && h.Partition != "" {
				partition = h.Partition
			}
			if arn := "arn:" + partition + ":s3:::" + spot.of + "/" + s3ResourceKey(spot.rest); s3host.ValidBucket(spot.of) && !contains(resources, arn) {
				resources = append(resources, arn)
			}
		}
	}
	s := s3Statement{Effect: "Allow", Action: []string{"s3:GetObject"}, Resource: resources}
	switch len(resources) {
	case 0:
		s.Resource = "arn:" + partition + ":s3:::" + s3Placeholder + "/*"
	case 1:
		s.Resource = resources[0]
	}
	text, _ := json.MarshalIndent(s3PolicyOf(s), "", "  ") // it is texts alone
	return string(text)
}
