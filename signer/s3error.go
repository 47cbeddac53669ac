package signer

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// Prepare implements auth.Rewriter.
func (s3) Prepare(auth.Asked, auth.Header) auth.Wants { return auth.WantsNothing }

// Rewrite takes out of an error what speaks of the request as we signed it:
// the access key id, the string to sign, the canonical request. What it says
// about the worker's own request stays.
func (s3) Rewrite(a *auth.Answer) (auth.BodyRewrite, error) {
	if !a.Request.Injected || a.Status < 300 || !s3Document(a.Header) {
		return nil, nil
	}
	return scrubS3Error, nil
}

// s3Document reports whether the body of an answer may be an error of S3.
func s3Document(h auth.Header) bool {
	t := strings.ToLower(h.Get("Content-Type"))
	return t == "" || strings.Contains(t, "xml")
}

// scrubS3Error is an auth.BodyRewrite. What is not a document of S3 that is
// understood becomes one that says no more than that.
func scrubS3Error(dst io.Writer, src io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(src, maxS3Error+1))
	if err != nil {
		return err
	}
	if len(text) > maxS3Error {
		if _, err := io.Copy(io.Discard, src); err != nil {
			return err
		}
	}
	e := readS3Error(text)
	if len(text) == 0 {
		return nil
	}
	if e.Code == "" {
		e.kept = []s3Element{{"Code", "UpstreamError"}, {"Message", "The storage refused the request, and its answer cannot be shown."}}
	}
	var b bytes.Buffer
	b.WriteString(xml.Header + "<Error>")
	for _, k := range e.kept {
		b.WriteString("<" + k.name + ">")
		if err := xml.EscapeText(&b, []byte(k.text)); err != nil {
			return err
		}
		b.WriteString("</" + k.name + ">")
	}
	b.WriteString("</Error>")
	_, err = dst.Write(b.Bytes())
	return err
}
