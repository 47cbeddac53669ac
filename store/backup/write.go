package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Writer writes a backup. What it has written is none before Close has
// returned nil.
type Writer struct {
	tar   *tar.Writer
	at    time.Time
	files []File
}

// NewWriter begins a backup with its header.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	h.Format = Format
	b := &Writer{tar: tar.NewWriter(w), at: h.MadeAt.UTC().Truncate(time.Second)}
	return b, b.addJSON(HeaderName, h)
}

// Add writes a member of exactly size bytes. It is an error where r has fewer;
// what it has beyond them is left there.
func (b *Writer) Add(name string, size int64, r io.Reader) error {
	if !known(name) {
		return fmt.Errorf("a backup has no member %q", name)
	}
	return b.add(name, size, r)
}

func (b *Writer) add(name string, size int64, r io.Reader) error {
	err := b.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: b.at})
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(b.tar, sum), r, size); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	b.files = append(b.files, File{name, size, hex.EncodeToString(sum.Sum(nil))})
	return nil
}

func (b *Writer) addJSON(name string, v any) error {
	text, err := jsonText(v)
	if err != nil {
		return err
	}
	return b.add(name, int64(len(text)), bytes.NewReader(text))
}

// jsonText is the one way in which the header and the manifest are written.
func jsonText(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return append(text, '\n'), err
}

// Files are the members so far.
func (b *Writer) Files() []File { return b.files }

// Close ends the backup with its manifest. It does not close what lies below.
func (b *Writer) Close() error {
	if err := b.addJSON(ManifestName, manifest{b.files}); err != nil {
		return err
	}
	return b.tar.Close()
}
