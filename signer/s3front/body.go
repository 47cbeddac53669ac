package s3front

import (
	"io"
	"strconv"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3err"
	"github.com/weighbridge/weighbridge/signer/sigv4"
)

const headerCopySource = "X-Amz-Copy-Source"

// body decides what becomes of the request's body, and looks at the header of
// what is stored.
func (r *request) body() error {
	if r.op.writes {
		if err := r.checkStored(); err != nil {
			return err
		}
	}
	source, copies := r.field(headerCopySource)
	switch {
	case copies && (r.op.kind != upload || r.said.key == ""):
		return deny(auth.CodeBadRequest, s3err.InvalidArgument, r.op.name+" copies nothing, and has a copy source", "Leave x-amz-copy-source out.")
	case copies:
		if err := r.copySource(source); err != nil {
			return err
		}
		return r.noBody()
	case r.op.kind == batchDelete:
		return r.batch()
	case r.op.kind == upload || r.op.kind == document:
		return r.stream()
	case r.op.writes:
		return r.noBody()
	}
	return nil
}

// field is the only value of a header field; of several the last, which is
// refused below.
func (r *request) field(name string) (value string, ok bool) {
	for _, f := range r.a.Fields {
		if strings.EqualFold(f.Name, name) {
			value, ok = f.Value, true
		}
	}
	return value, ok
}

// checkStored refuses fields by which a write would set more than an object's
// content and how it is kept: who may read it, how long it must stay.
func (r *request) checkStored() error {
	seen := map[string]bool{}
	for _, f := range r.a.Fields {
		lower := strings.ToLower(f.Name)
		if !strings.HasPrefix(lower, "x-amz-") {
			continue
		}
		if seen[lower] && lower == "x-amz-copy-source" {
			return deny(auth.CodeBadRequest, s3err.InvalidArgument, "the request has more than one copy source", "Copy one object at a time.")
		}
		seen[lower] = true
		switch {
		case lower == "x-amz-acl" && (f.Value == "private" || f.Value == "bucket-owner-full-control"):
		case lower == "x-amz-acl", strings.HasPrefix(lower, "x-amz-grant-"), strings.HasPrefix(lower, "x-amz-object-lock-"),
			lower == "x-amz-tagging", lower == "x-amz-bypass-governance-retention", lower == "x-amz-mfa",
			lower == "x-amz-website-redirect-location", lower == "x-amz-object-ownership", strings.HasPrefix(lower, "x-amz-bucket-"):
			return errSetting(lower)
		}
	}
	return nil
}

// noBody demands that there is none.
func (r *request) noBody() error {
	if r.a.Body == nil {
		return nil
	}
	body, err := r.Body(r.a.Body)
	if err != nil {
		return house(err)
	}
	var one [1]byte
	if n, err := io.ReadFull(body, one[:]); n > 0 || err != io.EOF {
		return deny(auth.CodeBadRequest, s3err.InvalidRequest, r.op.name+" has no body", "Send none.")
	}
	return nil
}

// stream lets the body through, verified while it passes. What the upstream
// gets is the payload by itself, or, where a checksum comes behind it, the
// payload in unsigned chunks with that checksum, which the upstream verifies
// as well.
func (r *request) stream() error {
	p := &r.Payload
	switch {
	case p.Length < 0 && r.a.Body != nil:
		return deny(auth.CodeBadRequest, s3err.MissingContentLength, "the body has no length", "Send Content-Length, or x-amz-decoded-content-length where the body is sent in chunks.")
	case p.Length < 0:
		p.Length = 0
	}
	body, err := r.Body(r.a.Body)
	if err != nil {
		return house(err)
	}
	if p.Mode.Chunked() {
		r.dropCoding()
	}
	if len(p.Trailers) > 0 && p.Length > 0 {
		t, err := newTrailing(body, p.Length, p.Trailers)
		if err != nil {
			return house(err)
		}
		r.entry.Body, r.entry.Length = t, t.length()
		r.replace(sigv4.HeaderContentSHA256, unsignedTrailer)
		r.replace("X-Amz-Decoded-Content-Length", strconv.FormatInt(p.Length, 10))
		r.replace("X-Amz-Trailer", strings.Join(p.Trailers, ","))
		return nil
	}
	hash := sigv4.UnsignedPayload
	if p.Mode == sigv4.PayloadHashed {
		hash = p.SHA256
	}
	r.replace(sigv4.HeaderContentSHA256, hash)
	if len(p.Trailers) > 0 {
		r.dropped = append(r.dropped, "x-amz-sdk-checksum-algorithm") // there is none to send
	}
	if p.Length > 0 {
		r.entry.Body, r.entry.Length = body, p.Length
	}
	return nil
}

// dropCoding takes aws-chunked, which is between the client and us, off the
// content codings of the object.
func (r *request) dropCoding() {
	var left []string
	for _, f := range r.a.Fields {
		if !strings.EqualFold(f.Name, "Content-Encoding") {
			continue
		}
		for c := range strings.SplitSeq(f.Value, ",") {
			if c = strings.Trim(c, " \t"); c != "" && !strings.EqualFold(c, "aws-chunked") {
				left = append(left, c)
			}
		}
	}
	if len(r.entryTrailers()) > 0 {
		left = append(left, "aws-chunked")
	}
	if len(left) > 0 {
		r.replace("Content-Encoding", strings.Join(left, ", "))
	}
}

// entryTrailers are the checksums that travel on behind the body.
func (r *request) entryTrailers() []string {
	if r.Payload.Length > 0 {
		return r.Payload.Trailers
	}
	return nil
}

// replace puts a field in the place of the worker's.
func (r *request) replace(name, value string) {
	r.replaced = append(r.replaced, auth.HeaderField{Name: name, Value: value})
}
