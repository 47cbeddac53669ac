package s3err

import (
	"bytes"
	"encoding/xml"
	"strings"
)

// ContentType is the media type of AppendXML's document.
const ContentType = "application/xml"

// The header fields in which S3 repeats RequestID and HostID; clients print
// them from there where an answer has no body, as to HEAD.
const (
	HeaderRequestID = "x-amz-request-id"
	HeaderHostID    = "x-amz-id-2"
)

// Where says which request an error answers.
type Where struct {
	// Resource is the path that was asked for; of a longer text everything
	// from the first "?" on is left out, since queries carry signatures.
	Resource string
	// RequestID finds the request in weighbridge's log.
	RequestID string
	// HostID names the weighbridge that answered.
	HostID string
}

// AppendXML appends the document that answers e's request to dst. An answer
// to HEAD has no body: send the status and the two header fields alone.
func AppendXML(dst []byte, e *Error, w Where) []byte {
	b := bytes.NewBuffer(dst)
	b.WriteString(xml.Header + "<Error>")
	element(b, "Code", string(e.Code))
	message := e.Message
	if e.Next != "" {
		message += " " + e.Next
	}
	element(b, "Message", message)
	if e.Region != "" {
		element(b, "Region", e.Region)
	}
	resource, _, _ := strings.Cut(w.Resource, "?")
	element(b, "Resource", resource)
	element(b, "RequestId", w.RequestID)
	element(b, "HostId", w.HostID)
	b.WriteString("</Error>")
	return b.Bytes()
}

// element writes text escaped; what XML cannot hold becomes U+FFFD.
func element(b *bytes.Buffer, name, text string) {
	b.WriteString("<" + name + ">")
	_ = xml.EscapeText(b, []byte(text)) // a Buffer does not fail
	b.WriteString("</" + name + ">")
}
