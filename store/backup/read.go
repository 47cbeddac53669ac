package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
)

// tarBlock is the unit of a tar file; two empty ones end it (POSIX.1-2017,
// pax, "ustar Interchange Format").
const tarBlock = 512

// Reader reads a backup and checks it as it goes. What was read is good once
// Next has returned io.EOF, and not before.
type Reader struct {
	Header Header

	raw   *counter
	tar   *tar.Reader
	files []File
	open  *File
	sum   hash.Hash
	err   error
}

// counter counts what is read of a file.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// NewReader reads the header. ErrNotBackup where r is something else.
func NewReader(r io.Reader) (*Reader, error) {
	b := &Reader{raw: &counter{r: r}, sum: sha256.New()}
	b.tar = tar.NewReader(b.raw)
	h, err := b.tar.Next()
	if err != nil || h.Name != HeaderName {
		return nil, ErrNotBackup
	}
	b.begin(h)
	if err := b.readJSON(&b.Header); err != nil {
		return nil, err
	}
	if b.Header.Format != Format {
		return nil, ErrNotBackup
	}
	return b, b.end()
}

// Next goes on to the next member, which Read then reads. It returns io.EOF
// once the manifest was read and agrees with all that came before.
func (b *Reader) Next() (File, error) {
	f, err := b.next()
	if err != nil {
		b.err = err
		return File{}, err
	}
	return f, nil
}

func (b *Reader) next() (File, error) {
	if b.err != nil {
		return File{}, b.err
	}
	if err := b.end(); err != nil {
		return File{}, err
	}
	h, err := b.tar.Next()
	switch {
	case err != nil:
		return File{}, damaged("it ends too early")
	case h.Name == ManifestName:
		b.begin(h)
		return File{}, b.finish()
	case h.Typeflag != tar.TypeReg || !known(h.Name):
		return File{}, damaged(fmt.Sprintf("it has a member %q", h.Name))
	case slices.ContainsFunc(b.files, func(f File) bool { return f.Name == h.Name }):
		return File{}, damaged(fmt.Sprintf("it has two members %q", h.Name))
	}
	b.begin(h)
	return *b.open, nil
}

// Read reads of the member that Next went on to.
func (b *Reader) Read(p []byte) (int, error) {
	n, err := b.tar.Read(p)
	b.sum.Write(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		err = damaged("it ends in the midst of " + b.open.Name)
	}
	return n, err
}

func (b *Reader) begin(h *tar.Header) {
	b.open = &File{Name: h.Name, Size: h.Size}
	b.sum.Reset()
}

// end reads what is left of a member and keeps its sum.
func (b *Reader) end() error {
	if b.open == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, b); err != nil {
		return err
	}
	b.open.SHA256 = hex.EncodeToString(b.sum.Sum(nil))
	b.files = append(b.files, *b.open)
	b.open = nil
	return nil
}

// unlike says which member is not as the manifest says.
func (b *Reader) unlike(text []byte) string {
	var m manifest
	if json.Unmarshal(text, &m) == nil {
		for i, f := range b.files {
			if i >= len(m.Files) || m.Files[i] != f {
				return f.Name + " is not as the manifest says"
			}
		}
	}
	return "its manifest is not that of its members"
}

// readSmall reads the whole of a member that we have written ourselves.
func (b *Reader) readSmall() ([]byte, error) {
	if b.open.Size > maxJSON {
		return nil, damaged(b.open.Name + " is too long")
	}
	return io.ReadAll(b)
}

func (b *Reader) readJSON(v any) error {
	text, err := b.readSmall()
	if err != nil {
		return err
	}
	if json.Unmarshal(text, v) != nil {
		return damaged(b.open.Name + " cannot be read")
	}
	return nil
}

// finish compares the manifest with what came before, and reads to the end.
func (b *Reader) finish() error {
	want, err := jsonText(manifest{b.files})
	if err != nil {
		return err
	}
	got, err := b.readSmall()
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return damaged(b.unlike(got))
	}
	if !slices.ContainsFunc(b.files, func(f File) bool { return f.Name == StoreName }) {
		return damaged("it holds no store")
	}
	whole := (b.raw.n+tarBlock-1)/tarBlock*tarBlock + 2*tarBlock
	if _, err := b.tar.Next(); !errors.Is(err, io.EOF) {
		return damaged("there is something behind the manifest")
	}
	if _, err := io.Copy(io.Discard, b.raw); err != nil {
		return err
	}
	if b.raw.n != whole {
		return damaged("its end is missing, or there is something behind it")
	}
	return io.EOF
}

// Files are the members that were read, the header first.
func (b *Reader) Files() []File { return b.files }

func damaged(detail string) error { return fmt.Errorf("%w: %s", ErrDamaged, detail) }

// Verify reads a whole backup and says what is in it.
func Verify(r io.Reader) (Header, []File, error) {
	b, err := NewReader(r)
	for err == nil {
		_, err = b.Next()
	}
	if !errors.Is(err, io.EOF) {
		return Header{}, nil, err
	}
	return b.Header, b.Files(), nil
}
