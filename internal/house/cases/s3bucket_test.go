package cases

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // what DeleteObjects demands
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

// bucketS3 is a storage that speaks as much of S3 as the front's tests need,
// and verifies every request and its body with the house's own verifier, whose
// vectors are AWS's.
type bucketS3 struct {
	secret auth.Secret
	// permits, where it is set, says what the keys of an id may do, whatever the
	// id.
	permits func(id string, r *http.Request, name string, body []byte) bool

	mu      sync.Mutex
	objects map[string][]byte // "bucket/key"
	headers map[string]http.Header
	asked   []string
	// broken are uploads that did not arrive whole.
	broken []string
}

func newBucketS3(secret string) *bucketS3 {
	return &bucketS3{secret: auth.NewSecret(secret), objects: map[string][]byte{}, headers: map[string]http.Header{}}
}

func (b *bucketS3) put(name string, content []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.objects[name] = content
}

func (b *bucketS3) get(name string) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.objects[name]
}

// requests are those so far, "METHOD path?query".
func (b *bucketS3) requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.asked...)
}

func (b *bucketS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in := sigv4.Incoming{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Host: r.Host, EmptySegments: true}
	for name, values := range r.Header {
		for _, v := range values {
			in.Fields = append(in.Fields, sigv4.Field{Name: name, Value: v})
		}
	}
	if r.ContentLength >= 0 && r.Header.Get("Content-Length") == "" {
		in.Fields = append(in.Fields, sigv4.Field{Name: "Content-Length", Value: fmt.Sprint(r.ContentLength)})
	}
	v := sigv4.Verifier{Now: time.Now, Lookup: func(_ context.Context, id string) (auth.Secret, error) {
		if id != s3AccessKey && b.permits == nil {
			return auth.Secret{}, sigv4.ErrUnknownKey
		}
		return b.secret, nil
	}}
	verified, err := v.Verify(r.Context(), &in)
	if err != nil {
		b.refuse(w, s3err.As(err))
		return
	}
	body, err := verified.Body(r.Body)
	var content []byte
	if err == nil {
		content, err = io.ReadAll(body)
	}
	name := strings.TrimPrefix(verified.Path.Decoded(), "/")
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.broken = append(b.broken, name)
		b.refuse(w, s3err.As(err))
		return
	}
	b.asked = append(b.asked, r.Method+" "+r.RequestURI)
	b.headers[name] = r.Header
	if b.permits != nil && !b.permits(verified.AccessKeyID, r, name, content) {
		b.refuse(w, &s3err.Error{Code: s3err.AccessDenied, Message: "Access Denied"})
		return
	}
	b.answer(w, r, verified, name, content)
}

func (b *bucketS3) refuse(w http.ResponseWriter, e *s3err.Error) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(e.HTTPStatus())
	_, _ = w.Write(s3err.AppendXML(nil, e, s3err.Where{Resource: "/upstream", RequestID: "up"}))
}

// answer is called with b.mu held.
func (b *bucketS3) answer(w http.ResponseWriter, r *http.Request, v *sigv4.Verified, name string, content []byte) {
	bucket, key, _ := strings.Cut(name, "/")
	query := r.URL.Query()
	switch {
	case key == "" && r.Method == http.MethodGet && query.Has("location"):
		w.Header().Set("Content-Type", "application/xml")
		_, _ = io.WriteString(w, "<LocationConstraint>eu-west-1</LocationConstraint>")
	case key == "" && r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "application/xml")
		_, _ = w.Write(b.list(bucket, query.Get("prefix")))
	case key == "" && r.Method == http.MethodHead:
	case key == "" && r.Method == http.MethodPost && query.Has("delete"):
		b.batch(w, r, bucket, content)
	case r.Method == http.MethodPut:
		if source := r.Header.Get("X-Amz-Copy-Source"); source != "" {
			path, err := sigv4.ParsePath("/"+source, sigv4.PathRule{})
			if err != nil {
				panic(err)
			}
			content = b.objects[path.Decoded()[1:]]
			w.Header().Set("Content-Type", "application/xml")
			defer func() { _, _ = io.WriteString(w, "<CopyObjectResult><ETag>x</ETag></CopyObjectResult>") }()
		}
		b.objects[name] = content
	case r.Method == http.MethodDelete:
		delete(b.objects, name)
		w.WriteHeader(http.StatusNoContent)
	default:
		content, ok := b.objects[name]
		if !ok {
			b.refuse(w, &s3err.Error{Code: s3err.NoSuchKey, Message: "The specified key does not exist."})
			return
		}
		w.Header().Set("ETag", `"`+base64.RawStdEncoding.EncodeToString([]byte(name))+`"`)
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
}

func (b *bucketS3) list(bucket, prefix string) []byte {
	type object struct {
		Key  string
		Size int
	}
	doc := struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Name     string
		Prefix   string
		Contents []object
	}{Name: bucket, Prefix: prefix}
	for name, content := range b.objects {
		if key, ok := strings.CutPrefix(name, bucket+"/"); ok && strings.HasPrefix(key, prefix) {
			doc.Contents = append(doc.Contents, object{key, len(content)})
		}
	}
	sort.Slice(doc.Contents, func(i, j int) bool { return doc.Contents[i].Key < doc.Contents[j].Key })
	out, err := xml.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return out
}

func (b *bucketS3) batch(w http.ResponseWriter, r *http.Request, bucket string, content []byte) {
	sum := md5.Sum(content) //nolint:gosec // as above
	if r.Header.Get("Content-Md5") != base64.StdEncoding.EncodeToString(sum[:]) {
		b.refuse(w, &s3err.Error{Code: s3err.BadDigest, Message: "md5"})
		return
	}
	var doc struct {
		Object []struct{ Key string }
	}
	if err := xml.Unmarshal(content, &doc); err != nil {
		b.refuse(w, &s3err.Error{Code: s3err.MalformedXML, Message: "xml"})
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	_, _ = io.WriteString(w, "<DeleteResult>")
	for _, o := range doc.Object {
		delete(b.objects, bucket+"/"+o.Key)
		_, _ = io.WriteString(w, "<Deleted><Key>")
		_ = xml.EscapeText(w, []byte(o.Key))
		_, _ = io.WriteString(w, "</Key></Deleted>")
	}
	_, _ = io.WriteString(w, "</DeleteResult>")
}
