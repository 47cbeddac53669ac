// Package backup is the form of a backup: one tar file that holds the sealed
// store, the record of use and, where that was asked for, the key encryption
// key; in front a header that says what it is, at the end a manifest with the
// SHA-256 of everything before. Any tar program lists it.
//
// The sums tell a file that was cut, damaged or put together wrongly. Who can
// write can also reckon sums: that nobody changed what is stored is told by the
// store itself, whose rows are tagged under its key, when it is opened.
package backup

import (
	"errors"
	"path"
	"regexp"
	"strings"
	"time"
)

// The members of a backup, in their order: HeaderName, StoreName, the files
// of the record below RecordDir, key encryption keys below KEKDir,
// ManifestName.
const (
	HeaderName   = "weighbridge-backup.json"
	StoreName    = "weighbridge.db"
	RecordDir    = "audit"
	KEKDir       = "kek"
	ManifestName = "manifest.json"
)

// Format is what the header of this version says.
const Format = "weighbridge backup 1"

// maxJSON bounds the header and the manifest: 150 bytes for each file of the
// record, of which there is one a month.
const maxJSON = 1 << 20

// Header says what a backup is of.
type Header struct {
	Format string    `json:"format"`
	MadeAt time.Time `json:"made_at"`
	// Version is that of the program that made it.
	Version string `json:"version"`
	// KEKs are the keys that the store is sealed with: one, or both of a
	// rotation that was on its way. Restoring needs all of them.
	KEKs []KEK `json:"keks"`
}

// KEK names a key encryption key.
type KEK struct {
	ID  string `json:"id"`
	URI string `json:"uri,omitempty"`
}

// File is one member.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

type manifest struct {
	Files []File `json:"files"`
}

// ErrNotBackup is returned for a file that is something else, or of a later
// version.
var ErrNotBackup = errors.New("it is not a backup of weighbridge that this version can read")

// ErrDamaged is returned for a backup that is not as it was made.
var ErrDamaged = errors.New("the backup is damaged")

// baseName is what a file of the record or a key may be called.
var baseName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// known reports whether a backup may have a member of this name.
func known(name string) bool {
	if name == StoreName {
		return true
	}
	dir, base := path.Split(name)
	return (dir == RecordDir+"/" || dir == KEKDir+"/") && baseName.MatchString(base)
}

// RecordName is the member for a file of the record, and whether it may be one.
func RecordName(base string) (string, bool) {
	name := RecordDir + "/" + base
	return name, known(name)
}

// KEKName is the member for the key encryption key of this id.
func KEKName(id string) string { return KEKDir + "/" + id }

// KEKOf is the id of the key that the member name holds.
func KEKOf(name string) (id string, ok bool) { return strings.CutPrefix(name, KEKDir+"/") }
