package cases

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house"
)

// iamPolicy is a policy of IAM, as far as it is read here.
type iamPolicy struct {
	Statement []struct {
		Effect    string
		Action    []string
		Resource  any
		Condition map[string]map[string]string
	}
}

// allows judges as IAM does: nothing is allowed that no statement allows, and a
// condition about what the request does not say is not met (IAM User Guide,
// "Policy evaluation logic", "Condition operators").
func (p *iamPolicy) allows(need iamNeed) bool {
	for _, s := range p.Statement {
		resources, many := s.Resource.([]any)
		if !many {
			resources = []any{s.Resource}
		}
		met := s.Effect == "Allow" && slices.Contains(s.Action, need.action) &&
			slices.ContainsFunc(resources, func(r any) bool { return iamLike(fmt.Sprint(r), need.on) })
		for operator, keys := range s.Condition {
			for key, want := range keys {
				got, said := need.context[key]
				met = met && operator == "StringLike" && said && iamLike(want, got)
			}
		}
		if met {
			return true
		}
	}
	return false
}

func iamLike(pattern, s string) bool {
	text := regexp.QuoteMeta(pattern)
	text = strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(text)
	return regexp.MustCompile("^" + text + "$").MatchString(s)
}

// iamNeed is a permission that a request takes.
type iamNeed struct {
	action, on string
	context    map[string]string
}

// s3Needs are those of a request to S3, where every object is encrypted by a
// key of KMS ("Required permissions for Amazon S3 API operations" and "Multipart
// upload API and permissions", Amazon S3 User Guide).
func s3Needs(r *http.Request, name string, body []byte) (needs []iamNeed) {
	bucket, key, _ := strings.Cut(name, "/")
	q := r.URL.Query()
	of := func(action, name string) { needs = append(needs, iamNeed{action: action, on: "arn:aws:s3:::" + name}) }
	kms := func(action string) {
		needs = append(needs, iamNeed{action, "arn:aws:kms:us-east-1:1:key/k", map[string]string{"kms:ViaService": "s3.us-east-1.amazonaws.com"}})
	}
	versioned := func(action string) string {
		if q.Has("versionId") {
			action += "Version"
		}
		return action
	}
	switch {
	case key == "" && q.Has("delete"):
		var batch struct {
			Object []struct{ Key string }
		}
		if xml.Unmarshal(body, &batch) != nil || len(batch.Object) == 0 {
			of("no batch", bucket)
		}
		for _, o := range batch.Object {
			of("s3:DeleteObject", bucket+"/"+o.Key)
		}
	case key == "" && q.Has("uploads"):
		of("s3:ListBucketMultipartUploads", bucket)
	case key == "" && q.Has("location"):
		of("s3:GetBucketLocation", bucket)
	case key == "":
		of("s3:ListBucket", bucket)
		if q.Has("prefix") {
			needs[0].context = map[string]string{"s3:prefix": q.Get("prefix")}
		}
	case r.Method == http.MethodGet && q.Has("uploadId"):
		of("s3:ListMultipartUploadParts", name)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		of(versioned("s3:GetObject"), name)
		kms("kms:Decrypt")
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		of("s3:AbortMultipartUpload", name)
	case r.Method == http.MethodDelete:
		of(versioned("s3:DeleteObject"), name)
	default:
		of("s3:PutObject", name)
		kms("kms:GenerateDataKey")
		kms("kms:Decrypt")
		if source := r.Header.Get("X-Amz-Copy-Source"); source != "" {
			of("s3:GetObject", strings.TrimPrefix(source, "/"))
		}
	}
	return needs
}

// sts gives out sessions, and is asked what they may do.
type sts struct {
	secret string

	mu       sync.Mutex
	policies map[string]string
}

func (s *sts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("Action") != "AssumeRole" || !strings.Contains(r.Header.Get("Authorization"), s3AccessKey) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := fmt.Sprintf("ASIASESSION%d", len(s.policies))
	s.policies[id] = form.Get("Policy")
	w.Header().Set("Content-Type", "text/xml")
	_, _ = fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken></SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
		id, s.secret, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

func (s *sts) permits(id string, r *http.Request, name string, body []byte) bool {
	p := s.policy(id)
	return !slices.ContainsFunc(s3Needs(r, name, body), func(n iamNeed) bool { return !p.allows(n) })
}

func (s *sts) policy(id string) (p iamPolicy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if json.Unmarshal([]byte(s.policies[id]), &p) != nil {
		return iamPolicy{}
	}
	return p
}

// TestS3RoleSessionsAreEnough: everything that the front lets through is within
// the session of the role that signs for it, also what names things of several
// patterns and what is encrypted by a key of KMS; and a session is good for no
// more than the patterns and the kind of the request.
func TestS3RoleSessionsAreEnough(t *testing.T) {
	t.Parallel()
	secret := house.NewCanary("s3_")
	storage := newBucketS3(secret.Value())
	sessions := &sts{secret: secret.Value(), policies: map[string]string{}}
	storage.permits = sessions.permits
	h := house.New(t, house.Options{Empty: true, Mount: mount(t, map[string]http.Handler{
		"s3.us-east-1.amazonaws.com": storage, "sts.us-east-1.amazonaws.com": sessions,
	})})
	h.Watch.Add(secret)
	h.AddCredential(admin.NewCredential{NoValidate: true,
		Name: "role", Provider: "s3", Patterns: []string{"s3://source/sd/*", "s3://target/sd/*", "s3://target/xl/*"},
		Fields: map[string]string{"accessKeyId": s3AccessKey, "secretAccessKey": secret.Value(), "region": "us-east-1", "roleArn": "arn:aws:iam::123456789012:role/models"},
	})
	storage.put("source/sd/a", []byte("weights"))
	w := s3Worker{t: t, h: h, key: h.AddS3Key(admin.NewS3Key{Name: "w", Permission: "read-write", Prefixes: []string{"sd/", "xl/"}, Credentials: []string{"role"}})}
	batch := `<Delete><Object><Key>sd/a</Key></Object><Object><Key>xl/b</Key></Object></Delete>`
	for _, c := range []struct {
		method, uri, body string
		extra             []string
	}{
		{"GET", "/source/sd/a", "", nil}, {"HEAD", "/source/sd/a", "", nil}, {"GET", "/source/sd/a?versionId=1", "", nil},
		{"GET", "/source?list-type=2&prefix=sd/", "", nil}, {"GET", "/source?prefix=sd/a", "", nil}, {"GET", "/source?location", "", nil}, {"HEAD", "/source", "", nil},
		{"PUT", "/target/sd/a", "weights", nil}, {"POST", "/target/sd/a?uploads", "", nil}, {"PUT", "/target/sd/a?partNumber=1&uploadId=u", "weights", nil},
		{"GET", "/target/sd/a?uploadId=u", "", nil}, {"GET", "/target?uploads&prefix=sd/", "", nil},
		{"POST", "/target/sd/a?uploadId=u", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>", nil},
		{"DELETE", "/target/sd/a?uploadId=u", "", nil}, {"DELETE", "/target/sd/a", "", nil}, {"DELETE", "/target/sd/a?versionId=1", "", nil},
		{"PUT", "/target/sd/a", "", []string{"x-amz-copy-source", "/source/sd/a"}}, {"PUT", "/target/sd/a", "", []string{"x-amz-copy-source", "/target/sd/b"}},
		{"PUT", "/target/sd/a?partNumber=1&uploadId=u", "", []string{"x-amz-copy-source", "source/sd/a"}},
		{"POST", "/target?delete", batch, nil},
	} {
		before := len(storage.requests())
		r := w.ask(c.method, c.uri, c.body, c.extra...)
		if r.err != nil || r.code() != "" || r.status == 403 || len(storage.requests()) != before+1 {
			t.Errorf("%s %s %v: %s", c.method, c.uri, c.extra, r)
		}
	}
	for id, text := range sessions.policies {
		p := sessions.policy(id)
		writes := strings.Contains(text, "s3:PutObject")
		for _, wide := range []iamNeed{
			{action: "s3:GetObject", on: "arn:aws:s3:::source/other"}, {action: "s3:GetObject", on: "arn:aws:s3:::other/sd/a"},
			{action: "s3:PutObject", on: "arn:aws:s3:::source/sd/a"}, {action: "s3:DeleteObject", on: "arn:aws:s3:::source/sd/a"},
			{action: "s3:PutBucketPolicy", on: "arn:aws:s3:::source"}, {action: "s3:PutObjectAcl", on: "arn:aws:s3:::target/sd/a"},
			{action: "s3:ListBucketVersions", on: "arn:aws:s3:::source"},
			{action: "kms:Decrypt", on: "arn:aws:kms:us-east-1:1:key/k"},
			{"kms:Decrypt", "arn:aws:kms:us-east-1:1:key/k", map[string]string{"kms:ViaService": "ec2.us-east-1.amazonaws.com"}},
			{"kms:CreateGrant", "arn:aws:kms:us-east-1:1:key/k", map[string]string{"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
		} {
			if p.allows(wide) {
				t.Errorf("%+v is allowed by %s", wide, text)
			}
		}
		if encrypts := (iamNeed{"kms:GenerateDataKey", "arn:aws:kms:us-east-1:1:key/k", map[string]string{"kms:ViaService": "s3.us-east-1.amazonaws.com"}}); p.allows(encrypts) != writes {
			t.Errorf("who may encrypt: %s", text)
		}
	}
	if n := len(sessions.policies); n > 10 {
		t.Errorf("%d sessions for %d requests", n, len(storage.requests()))
	}
}
