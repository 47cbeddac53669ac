package s3front

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
)

// renaming puts the worker's own names into a document of S3, while it passes:
// what an alias added to keys is taken off, and the bucket is called as the
// worker calls it. Everything else stays byte for byte.
type renaming struct {
	bucket, alias, hidden string
	// encoded says that keys are percent-encoded (encoding-type=url).
	encoded bool
	// resource is the path that the worker asked for; failed says that the
	// document is an error.
	resource string
	failed   bool
}

// The elements that hold a key, or the beginning of one, and those that hold
// the bucket's name (Amazon S3 API Reference, the response syntax of
// ListObjects, ListObjectsV2, ListMultipartUploads, ListParts, DeleteObjects,
// CreateMultipartUpload and CompleteMultipartUpload, and "Error responses").
var (
	keyElements    = words("Key Prefix Marker NextMarker StartAfter KeyMarker NextKeyMarker")
	bucketElements = words("Name Bucket BucketName")
)

const (
	// maxTag bounds a tag, in bytes; those of S3 have no more than a name space.
	maxTag = 4 << 10
	// maxText bounds the text of an element that is looked into: a key of 1,024
	// bytes, each as an entity.
	maxText = 16 << 10
)

var (
	errDocument = errors.New("s3front: the document is not one that can be renamed")
	errOutside  = errors.New("s3front: the document names a key outside of what was asked for")
)

// copy is an auth.BodyRewrite.
func (n *renaming) copy(dst io.Writer, src io.Reader) error {
	in, out := bufio.NewReaderSize(src, 32<<10), bufio.NewWriterSize(dst, 32<<10)
	for {
		text, err := in.ReadSlice('<')
		if _, e := out.Write(text); e != nil {
			return e
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return out.Flush()
		case err != nil:
			return err
		}
		tag, err := readUntil(in, '>', maxTag)
		if err != nil {
			return err
		}
		if _, err := out.Write(tag); err != nil {
			return err
		}
		if tag[0] == '!' || bytes.IndexByte(tag, '<') >= 0 { // a comment or CDATA could hold what is no tag
			return errDocument
		}
		element := elementOf(tag)
		if element == "" || !n.about(element) {
			continue
		}
		value, err := readUntil(in, '<', maxText)
		if err != nil {
			return err
		}
		renamed, err := n.rename(element, value[:len(value)-1])
		if err != nil {
			return err
		}
		if _, err := out.WriteString(renamed); err != nil {
			return err
		}
		if err := in.UnreadByte(); err != nil {
			return err
		}
	}
}

// readUntil returns what comes next, through the byte end.
func readUntil(in *bufio.Reader, end byte, limit int) ([]byte, error) {
	b, err := in.ReadSlice(end)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, bufio.ErrBufferFull):
		return nil, errDocument
	case err != nil:
		return nil, err
	case len(b) > limit:
		return nil, errDocument
	}
	return b, nil
}

// elementOf is the local name of a start tag, and empty for every other.
func elementOf(tag []byte) string {
	if tag[0] == '/' || tag[0] == '?' || len(tag) > 1 && tag[len(tag)-2] == '/' {
		return ""
	}
	name := tag[:len(tag)-1]
	if i := bytes.IndexAny(name, " \t\r\n"); i >= 0 {
		name = name[:i]
	}
	if i := bytes.IndexByte(name, ':'); i >= 0 {
		name = name[i+1:]
	}
	return string(name)
}

func (n *renaming) about(element string) bool {
	return keyElements[element] || bucketElements[element] || element == "Location" || element == "Resource"
}

// rename is the text of an element as the worker knows it.
func (n *renaming) rename(element string, text []byte) (string, error) {
	switch {
	case element == "Location", element == "Resource":
		return escape(n.resource), nil
	case bucketElements[element]:
		if string(text) == n.bucket {
			return escape(n.alias), nil
		}
		return string(text), nil
	}
	rest, ok := n.strip(string(text))
	switch {
	case ok:
		return rest, nil
	case n.failed:
		return "", nil
	}
	return "", errOutside
}

// strip takes the hidden prefix off a text in whatever way its characters are
// written: as they are, as entities, percent-encoded. What is empty stays.
func (n *renaming) strip(text string) (rest string, ok bool) {
	if text == "" {
		return "", true
	}
	want := n.hidden
	for want != "" {
		c, size := n.next(text)
		if c == "" || !strings.HasPrefix(want, c) {
			return "", false
		}
		want, text = want[len(c):], text[size:]
	}
	return text, true
}

// next is what the text begins with: one character or byte, and the length of
// how it is written.
func (n *renaming) next(text string) (c string, size int) {
	switch {
	case text == "":
		return "", 0
	case text[0] == '&':
		end := strings.IndexByte(text, ';')
		if end < 0 || end > 10 {
			return "", 0
		}
		return entity(text[1:end]), end + 1
	case n.encoded && text[0] == '+':
		return " ", 1
	case n.encoded && text[0] == '%' && len(text) > 2:
		b, err := strconv.ParseUint(text[1:3], 16, 8)
		if err != nil {
			return "", 0
		}
		return string([]byte{byte(b)}), 3
	}
	return text[:1], 1
}

// entity is the character that an entity of XML stands for.
func entity(name string) string {
	switch name {
	case "amp":
		return "&"
	case "lt":
		return "<"
	case "gt":
		return ">"
	case "quot":
		return `"`
	case "apos":
		return "'"
	}
	digits, base := strings.TrimPrefix(name, "#"), 10
	if digits == name {
		return ""
	}
	if hex := strings.TrimLeft(digits, "xX"); hex != digits {
		digits, base = hex, 16
	}
	r, err := strconv.ParseUint(digits, base, 21)
	if err != nil {
		return ""
	}
	return string(rune(r))
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}
