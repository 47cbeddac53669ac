package s3front

import (
	"bytes"
	"crypto/md5" //nolint:gosec // DeleteObjects demands it
	"crypto/subtle"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

const (
	// maxBatch is how many keys a DeleteObjects may name (Amazon S3 API
	// Reference, DeleteObjects).
	maxBatch = 1000
	// maxBatchBody bounds its document in bytes: as many keys of 1,024 bytes,
	// some of them escaped.
	maxBatchBody = 2 << 20
)

// deletion is the document of DeleteObjects. It is read into what is known and
// written anew from that: no server sees a part of it that was not decided.
type deletion struct {
	XMLName xml.Name         `xml:"Delete"`
	Space   string           `xml:"xmlns,attr,omitempty"`
	Quiet   bool             `xml:"Quiet,omitempty"`
	Objects []deletionObject `xml:"Object"`
}

type deletionObject struct {
	Key       string `xml:"Key"`
	VersionID string `xml:"VersionId,omitempty"`
	ETag      string `xml:"ETag,omitempty"`
}

// batch reads the keys of a DeleteObjects and holds each to the key.
func (r *request) batch() error {
	text, err := r.document()
	if err != nil {
		return err
	}
	malformed := func(why string, cause error) error {
		e := deny(auth.CodeBadRequest, s3err.MalformedXML, "the list of what is to be deleted "+why, "")
		e.Cause = errors.Join(e.Cause, cause)
		return e
	}
	var d deletion
	dec := xml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&d); err != nil {
		return malformed("is no such document", err)
	}
	if len(bytes.TrimSpace(text[dec.InputOffset():])) > 0 {
		return malformed("goes on behind its end", nil)
	}
	if len(d.Objects) == 0 || len(d.Objects) > maxBatch {
		return malformed("does not name 1 to 1000 objects", nil)
	}
	partial := len(r.access.Prefixes) > 0 || r.hidden() != ""
	for i := range d.Objects {
		o := &d.Objects[i]
		if o.Key == "" {
			return malformed("names an object without a key", nil)
		}
		if !sigv4.SafeOpaque(o.VersionID) {
			return malformed("names a version by what no storage makes", nil)
		}
		if err := checkKey(o.Key, partial); err != nil {
			return err
		}
		n := name{}
		n.bucket, n.key = r.access.Resolve(r.said.bucket, o.Key)
		o.Key = n.key
		r.objects = append(r.objects, n)
		r.others = append(r.others, used{name: n, method: "DELETE"})
		if err := allowed(r.access, n); err != nil {
			return err
		}
	}
	d.XMLName, d.Space = xml.Name{Local: "Delete"}, "http://s3.amazonaws.com/doc/2006-03-01/"
	out, err := xml.Marshal(&d)
	if err != nil {
		return malformed("cannot be written", err)
	}
	r.entry.Bytes = append([]byte(xml.Header), out...)
	sum := md5.Sum(r.entry.Bytes) //nolint:gosec // as above
	r.replace("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	r.replace("Content-Type", "application/xml")
	for _, f := range r.a.Fields { // of the worker's own document
		if lower := strings.ToLower(f.Name); strings.HasPrefix(lower, "x-amz-checksum-") || lower == "x-amz-sdk-checksum-algorithm" {
			r.dropped = append(r.dropped, lower)
		}
	}
	return nil
}

// document reads a body that is looked into, verified.
func (r *request) document() ([]byte, error) {
	body, err := r.Body(r.a.Body)
	if err != nil {
		return nil, house(err)
	}
	text, err := io.ReadAll(io.LimitReader(body, maxBatchBody+1))
	var known *s3err.Error
	switch {
	case errors.As(err, &known):
		return nil, house(err)
	case err != nil:
		return nil, deny(auth.CodeBadRequest, s3err.IncompleteBody, "the body broke off", "")
	case len(text) > maxBatchBody:
		return nil, deny(auth.CodeBadRequest, s3err.EntityTooLarge, "the list of what is to be deleted is longer than 2 MiB", "Delete fewer objects at a time.")
	}
	if given, ok := r.field("Content-MD5"); ok {
		sum := md5.Sum(text) //nolint:gosec // as above
		want, err := base64.StdEncoding.DecodeString(given)
		if err != nil || subtle.ConstantTimeCompare(sum[:], want) != 1 {
			return nil, deny(auth.CodeBadRequest, s3err.BadDigest, "the body is not the one that Content-MD5 speaks of", "")
		}
	}
	return text, nil
}
