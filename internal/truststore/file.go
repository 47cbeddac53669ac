package truststore

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// The lines around what we add to somebody else's file. Everything that reads
// PEM passes over text outside of blocks (RFC 7468, section 2).
const (
	begin = "# weighbridge root, added by `weighbridge ca install`: "
	end   = "# weighbridge root, end\n"
)

// InstallFile makes the PEM file at path, which is somebody else's bundle such
// as certifi's, hold roots.
func InstallFile(path string, roots []*x509.Certificate) (Change, error) {
	out := Change{Store: "file", Path: path}
	path, text, err := readPEM(path)
	if err != nil {
		return out, err
	}
	for _, c := range roots {
		if has(text, c) {
			out.Unchanged = append(out.Unchanged, Fingerprint(c))
			continue
		}
		if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		text = append(text, begin+Fingerprint(c)+"\n"...)
		text = append(append(text, encode(c)...), end...)
		out.Changed = append(out.Changed, Fingerprint(c))
	}
	if len(out.Changed) == 0 {
		return out, nil
	}
	return out, writeFile(path, text)
}

// UninstallFile takes out what InstallFile added: the roots with the
// fingerprints of only, or all where only is nil.
func UninstallFile(path string, only []string) (Change, error) {
	out := Change{Store: "file", Path: path}
	path, text, err := readPEM(path)
	if err != nil {
		return out, err
	}
	var kept []byte
	for rest := text; ; {
		at := bytes.Index(rest, []byte(begin))
		if at < 0 {
			kept = append(kept, rest...)
			break
		}
		stop := bytes.Index(rest[at:], []byte(end))
		if stop < 0 {
			return out, fmt.Errorf("%s: the end of what was added is missing; nothing was changed", path)
		}
		stop += at + len(end)
		fingerprint, _, _ := bytes.Cut(rest[at+len(begin):stop], []byte("\n"))
		if only == nil || slices.Contains(only, string(fingerprint)) {
			out.Changed = append(out.Changed, string(fingerprint))
			kept = append(kept, rest[:at]...)
		} else {
			kept = append(kept, rest[:stop]...)
		}
		rest = rest[stop:]
	}
	if len(out.Changed) == 0 {
		return out, nil
	}
	return out, writeFile(path, kept)
}

// readPEM reads a bundle, and says where it really is: a link stays one.
func readPEM(path string) (real string, text []byte, err error) {
	if real, err = filepath.EvalSymlinks(path); err != nil {
		return path, nil, err
	}
	if text, err = os.ReadFile(real); err != nil {
		return real, nil, err
	}
	if block, _ := pem.Decode(text); block == nil || block.Type != "CERTIFICATE" {
		return real, nil, fmt.Errorf("%s holds no certificate: that is not a bundle", path)
	}
	return real, text, nil
}

func has(text []byte, c *x509.Certificate) bool {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if bytes.Equal(block.Bytes, c.Raw) {
			return true
		}
	}
	return false
}
