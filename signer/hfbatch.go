package signer

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/weighbridge/weighbridge/auth"
)

// maxBatchDepth bounds nesting. The Git LFS batch request has four levels.
const maxBatchDepth = 32

// ClassifyBody tells an LFS batch that downloads from one that uploads (Git
// LFS, docs/api/batch.md). The body must be one that every JSON reader reads
// alike: one object and nothing behind it, UTF-8, not encoded, no member name
// twice at any level, not even in another case. Whatever else it is, is
// refused.
func (huggingFace) ClassifyBody(method string, t auth.Target, contentEncoding string, body []byte) auth.Class {
	if contentEncoding != "" || len(body) > auth.MaxClassifyBody || (huggingFace{}).Classify(method, t) != auth.ClassBody {
		return auth.ClassForbidden
	}
	operation, err := batchOperation(body)
	if err != nil {
		return auth.ClassForbidden
	}
	switch operation {
	case "download":
		return auth.ClassRead
	case "upload":
		return auth.ClassWrite
	default:
		return auth.ClassForbidden
	}
}

var (
	errNotOneObject = errors.New("not exactly one JSON object")
	errRepeated     = errors.New("a member name is repeated")
	errTooDeep      = errors.New("nested too deep")
)

// batchOperation returns the string member "operation" of the outermost
// object, "" where there is none.
func batchOperation(body []byte) (string, error) {
	if !utf8.Valid(body) || !json.Valid(body) {
		return "", errNotOneObject
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	first, err := d.Token()
	if err != nil {
		return "", err
	}
	if first != json.Delim('{') {
		return "", errNotOneObject
	}
	operation, err := walkObject(d, 1)
	if err != nil {
		return "", err
	}
	if _, err := d.Token(); err != io.EOF {
		return "", errNotOneObject
	}
	return operation, nil
}

// walkObject reads to the end of the object that has been opened.
func walkObject(d *json.Decoder, depth int) (operation string, err error) {
	if depth > maxBatchDepth {
		return "", errTooDeep
	}
	seen := make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return "", err
		}
		name, ok := token.(string)
		if !ok {
			return "", errNotOneObject
		}
		folded := foldName(name)
		if seen[folded] {
			return "", errRepeated
		}
		seen[folded] = true
		value, err := walkValue(d, depth)
		if err != nil {
			return "", err
		}
		if name == "operation" {
			operation, _ = value.(string)
		}
	}
	_, err = d.Token() // the closing brace
	return operation, err
}

// walkValue reads one value; it returns only scalars.
func walkValue(d *json.Decoder, depth int) (json.Token, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		_, err = walkObject(d, depth+1)
		return nil, err
	case json.Delim('['):
		if depth >= maxBatchDepth {
			return nil, errTooDeep
		}
		for d.More() {
			if _, err := walkValue(d, depth+1); err != nil {
				return nil, err
			}
		}
		_, err = d.Token() // the closing bracket
		return nil, err
	}
	return token, nil
}

// foldName maps names that differ in case only, by any letter of Unicode, to
// one (simple case folding, which encoding/json and others compare by).
func foldName(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, s)
}
