package signer

import (
	"errors"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3host"
)

// s3 is Amazon S3 and whatever speaks its protocol. Its other files:
// s3dialect.go (which hosts a credential knows, what a pattern means),
// s3request.go (what a request names and does), s3engine.go (where it goes and
// how it is signed), s3learn.go (what is learned of an answer), s3error.go
// (errors as a worker sees them).
type s3 struct{}

var (
	_ provider           = s3{}
	_ stateful           = s3{}
	_ auth.Canonicalizer = s3{}
	_ auth.Mender        = s3{}
	_ auth.Rewriter      = s3{}
)

func init() { register(s3{}) }

// The fields of s3, as its documents name them.
const (
	s3AccessKeyID     = "accessKeyId"
	s3SecretAccessKey = "secretAccessKey"
	s3SessionToken    = "sessionToken"
	s3Region          = "region"
	s3Endpoint        = "endpoint"
	s3AddressingStyle = "addressingStyle"
	s3RequestPayer    = "requestPayer"
	s3SampleObject    = "sampleObject"
	s3RoleARN         = "roleArn"
	s3ExternalID      = "externalId"
	s3Source          = "source"
)

func (s3) Schema() auth.Schema {
	return auth.Schema{
		Name:  "s3",
		Title: "Amazon S3",
		Help: "Private buckets of Amazon S3 and of storage that speaks its protocol (R2, Backblaze, Wasabi, Spaces, Cloud Storage, MinIO, …). " +
			"Make a user of its own with s3:GetObject on the buckets and nothing else. A pattern names a bucket, as s3://BUCKET/PREFIX/* or as its URL in any style.",
		Links: []auth.HelpLink{
			{Title: "Make access keys", URL: "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html"},
			{Title: "The least policy for reading a bucket", URL: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-policies-s3.html"},
		},
		Fields: []auth.Field{
			{Name: s3AccessKeyID, Title: "Access key ID", Help: "Such as AKIA….", Secret: true, Preview: true, Example: "AKIAIOSFODNN7EXAMPLE"},
			{Name: s3SecretAccessKey, Title: "Secret access key", Secret: true},
			{Name: s3SessionToken, Title: "Session token", Help: "For temporary keys only.", Secret: true},
			{Name: s3Region, Title: "Region", Help: "Where the buckets are, such as eu-central-1. It is learned from S3 where it is not given.", Example: "us-east-1"},
			{Name: s3Endpoint, Title: "Endpoint", Help: "The base URL of storage that is not Amazon's, such as https://minio.example.com:9000.", Example: "https://minio.example.com:9000"},
			{Name: s3RoleARN, Title: "Role", Help: "The ARN of a role to assume with the keys. Each session is narrowed to what the pattern names.", Example: "arn:aws:iam::123456789012:role/models"},
			{Name: s3ExternalID, Title: "External ID", Help: "What the role's owner asks for when it is assumed.", Example: "acme-weighbridge"},
			{Name: s3Source, Title: "Source of the keys", Help: "static takes the fields. environment takes what weighbridge's own machine or container has, web_identity the role of its pod.", Options: []string{s3Static, s3Environment, s3WebIdentity}},
			{Name: s3AddressingStyle, Title: "Addressing style", Help: "auto keeps the style of each request. path names the bucket in the path, virtual in the host; a bucket with dots in its name always goes in the path.", Options: []string{"auto", string(s3host.Path), string(s3host.Virtual)}},
			{Name: s3RequestPayer, Title: "Requester pays", Help: "allow lets workers ask for objects at your cost (x-amz-request-payer).", Options: []string{"refuse", "allow"}, Policy: true},
			{Name: s3SampleObject, Title: "Sample object", Help: "An object that the credential can read, as s3://BUCKET/KEY, to check it by.", Example: "s3://acme-models/weights.safetensors"},
		},
		Example: "s3://acme-models/*",
	}
}

// Mend implements auth.Mender: keys are pasted with white space around them.
func (s3) Mend(f auth.Fields) auth.Fields {
	out := make(auth.Fields, len(f))
	for name, v := range f {
		if trimmed := strings.TrimSpace(v.Reveal()); trimmed != v.Reveal() {
			v = auth.NewSecret(trimmed)
		}
		out[name] = v
	}
	return out
}

// Check implements auth.Provider.
func (p s3) Check(f auth.Fields) error {
	schema := p.Schema()
	if source := f[s3Source].Reveal(); source == "" || source == s3Static {
		schema.Fields[0].Required, schema.Fields[1].Required = true, true
	}
	return checkFields(schema, f, map[string]fieldRule{
		s3RoleARN: func(v string) string {
			if parts := strings.SplitN(v, ":", 6); len(parts) != 6 || parts[0] != "arn" || parts[2] != "iam" || !strings.HasPrefix(parts[5], "role/") || !visible(v) {
				return "is not the ARN of a role, such as arn:aws:iam::123456789012:role/models"
			}
			return ""
		},
		s3ExternalID: visibleProblem,
		s3AccessKeyID: func(v string) string {
			switch {
			case strings.HasPrefix(v, "WBAK"):
				return "is a key of weighbridge; give one of the storage"
			case !visible(v) || strings.ContainsAny(v, ",/") || len(v) > 256:
				// It stands in the scope, before slashes and a comma.
				return "may have visible ASCII characters only, and neither commas nor slashes"
			}
			return ""
		},
		s3SecretAccessKey: visibleProblem,
		s3SessionToken:    visibleProblem,
		s3Region: func(v string) string {
			if !s3host.ValidRegion(v) {
				return "is not a region, such as eu-central-1"
			}
			return ""
		},
		s3Endpoint: func(v string) string {
			if _, err := s3EndpointOf(v, ""); err != nil {
				return err.Error()
			}
			return ""
		},
		s3SampleObject: func(v string) string {
			if _, _, ok := s3Object(v); !ok {
				return "is not of the form s3://BUCKET/KEY"
			}
			return ""
		},
	})
}

func visibleProblem(v string) string {
	if !visible(v) {
		return "may have visible ASCII characters only, and no spaces or line ends"
	}
	return ""
}

// s3Object reads s3://BUCKET/KEY, where KEY is as it stands in the bucket.
func s3Object(text string) (bucket, key string, ok bool) {
	rest, ok := strings.CutPrefix(text, "s3://")
	if !ok {
		return "", "", false
	}
	bucket, key, _ = strings.Cut(rest, "/")
	if !s3host.ValidBucket(bucket) || key == "" || len(key) > 1024 || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", "", false
	}
	return bucket, key, true
}

// Companions is empty: S3 sends objects itself.
func (s3) Companions() []auth.Companion { return nil }

// needs is empty: what is needed depends on the credential, and its engine
// asks for that.
func (s3) needs() []string { return nil }

var errEngine = errors.New("the credential is signed for by an engine")

func (s3) sign(auth.Fields, *auth.Outgoing, time.Time) (auth.Applied, error) {
	return auth.Applied{}, errEngine
}
