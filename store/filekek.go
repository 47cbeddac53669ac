package store

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// The text of a KEK: comment lines, then one line of three parts. The prefix
// lets people and secret scanners recognise it; the id at the end tells a
// damaged key from a wrong one.
const (
	kekHeader = "# weighbridge key encryption key, version 1.\n" +
		"# Whoever reads this file can open every sealed credential; without it nobody can.\n" +
		"# Keep a copy in a safe place apart from the store, and never change it by hand.\n"
	kekPrefix = "wbkek1"

	maxKEKFile = 4 << 10
)

// CreateFileKEK makes a KEK from crypto/rand in a new file at path, readable
// by its owner only. Whatever happens, path then either does not exist or is
// whole; an existing file is never touched (fs.ErrExist).
func CreateFileKEK(path string) (KEK, error) { return createFileKEK(path, nil) }

func createFileKEK(path string, at checkpoint) (KEK, error) {
	line, k, err := newKEKLine()
	if err != nil {
		return nil, err
	}
	text := append([]byte(kekHeader), line...)
	defer clear(text)
	defer clear(line)
	if err := writeNew(path, text, at); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, &Error{Kind: KindExists, What: "KEK file", Ref: path, Detail: "it exists already and is not replaced", Cause: err}
		}
		return nil, &Error{Kind: KindUnavailable, What: "KEK file", Ref: path, Detail: "it cannot be made: " + ioReason(err), Cause: err}
	}
	removeLeftovers(path)
	return k, nil
}

// NewKEKText makes a KEK from crypto/rand and returns its text, one line that
// OpenKEK takes from an environment variable, and its id, which is no secret.
func NewKEKText() (text auth.Secret, id string, err error) {
	line, k, err := newKEKLine()
	if err != nil {
		return auth.Secret{}, "", err
	}
	defer clear(line)
	return auth.NewSecret(strings.TrimSpace(string(line))), k.ID(), nil
}

// newKEKLine makes a key and its line.
func newKEKLine() (line []byte, k *localKEK, err error) {
	key := make([]byte, kekSize)
	_, _ = rand.Read(key) // never fails since Go 1.24
	line = []byte(kekPrefix + "." + base64.RawURLEncoding.EncodeToString(key) + "." + fingerprint(key) + "\n")
	k, err = newLocalKEK(key)
	return line, k, err
}

// OpenFileKEK reads the KEK in the file at path. It refuses a file that
// anybody but its owner may read or write. Where there is none the error is
// fs.ErrNotExist.
func OpenFileKEK(path string) (KEK, error) {
	fail := func(detail string, cause error) (KEK, error) {
		return nil, &Error{Kind: KindUnavailable, What: "KEK file", Ref: path, Detail: detail, Cause: cause}
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fail("there is no such file", err)
	}
	if err != nil {
		return fail("it cannot be read: "+ioReason(err), err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fail("it cannot be read: "+ioReason(err), err)
	}
	if !info.Mode().IsRegular() {
		return fail("it is not a regular file", nil)
	}
	// Windows has no such permissions and reports 0666 for every file.
	if perm := info.Mode().Perm(); perm&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, &Error{Kind: KindUnavailable, What: "KEK file", Ref: path,
			Detail: fmt.Sprintf("its mode %04o lets others than its owner at it", perm),
			Next:   "chmod 600 it, and replace the KEK if somebody else may have read it"}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKEKFile+1))
	defer clear(text)
	if err != nil {
		return fail("it cannot be read: "+ioReason(err), err)
	}
	if len(text) > maxKEKFile {
		return fail("it is too long to be a KEK", nil)
	}
	k, err := parseKEK(string(text))
	if err != nil {
		return fail(err.Error(), nil)
	}
	return k, nil
}

// parseKEK reads the text form. Its errors quote nothing of the text.
func parseKEK(text string) (*localKEK, error) {
	var line string
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		if line != "" {
			return nil, errors.New("it holds more than one key line")
		}
		line = l
	}
	prefix, rest, _ := strings.Cut(line, ".")
	body, id, ok := strings.Cut(rest, ".")
	if prefix != kekPrefix || !ok {
		return nil, errors.New("it does not hold a weighbridge KEK (a line " + kekPrefix + ".…)")
	}
	key, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil {
		return nil, errors.New("its KEK is damaged: not base64url") // the cause would quote the key
	}
	if len(key) != kekSize || fingerprint(key) != id {
		clear(key)
		return nil, errors.New("its KEK is damaged: key and id do not fit together")
	}
	return newLocalKEK(key)
}

// ioReason is the part of a file error that does not repeat the path.
func ioReason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}
