package hub

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// Access says who may have a repository.
type Access int

// The accesses. The zero value is the strictest that still exists.
const (
	// Private repositories exist only for tokens that were granted them.
	Private Access = iota
	// Gated repositories are listed for everybody; their files are for tokens
	// that were granted them.
	Gated
	// Public repositories are for everybody.
	Public
	// Disabled repositories are for nobody.
	Disabled
)

// Storage is where a repository's large files are served from.
type Storage int

// The storages.
const (
	// CloudFront is the whole-file bridge with CloudFront-signed URLs.
	CloudFront Storage = iota
	// Bridge is the whole-file bridge with S3-presigned URLs.
	Bridge
	// OldLFS is the CDN of before xet: such files have no xet hash.
	OldLFS
)

// Repo describes a repository for AddRepo.
type Repo struct {
	Kind Kind
	// ID is "owner/name", or a single name as legacy models have.
	ID      string
	Access  Access
	Storage Storage
	// Revisions by name: "main", a tag, or a full ref such as "refs/pr/1".
	Revisions map[string][]File
}

// File is a file of a revision.
type File struct {
	Path    string
	Content origin.Content
	// Large files are kept in LFS and xet, others in git.
	Large bool
	// Chunked makes a GET of a small file come without Content-Length.
	Chunked bool

	// sha256 saves digesting the same sample for every repository.
	sha256 string
}

type repo struct {
	Repo
	hexID     string // 24 hexadecimal digits
	revisions map[string]*snapshot
}

// snapshot is a commit: its files by path.
type snapshot struct {
	name    string
	commit  string
	entries map[string]*entry
	paths   []string // sorted
}

type entry struct {
	path    string
	chunked bool
	*object
}

// object is the content of a file. A large one is shared by all files that
// hold it.
type object struct {
	content origin.Content
	large   bool
	size    int64
	sha256  string
	gitOID  string // of the blob, or of the pointer where large
	xetHash string // of a large one
	xorbs   []*xorb
	repos   map[string]bool // keys of the repositories that hold it
}

// xetHash is a file's place in xet, or "" where it is not there.
func (r *repo) xetHash(e *entry) string {
	if r.Storage == OldLFS {
		return ""
	}
	return e.object.xetHash
}

func repoKey(kind Kind, id string) string { return string(kind) + "/" + id }

// key names the repository in the Hub's maps.
func (r *repo) key() string { return repoKey(r.Kind, r.ID) }

// AddRepo puts a repository on the Hub, in place of one of the same name.
func (h *Hub) AddRepo(r Repo) error {
	out := &repo{Repo: r, revisions: map[string]*snapshot{}}
	sum := sha256.Sum256([]byte(out.key()))
	out.hexID = hex.EncodeToString(sum[:12])
	for _, name := range slices.Sorted(maps.Keys(r.Revisions)) {
		s := &snapshot{name: name, entries: map[string]*entry{}}
		digest := sha1.New()
		fmt.Fprintln(digest, name)
		for _, f := range withAttributes(r.Revisions[name]) {
			o := h.keep(f)
			s.entries[f.Path] = &entry{path: f.Path, chunked: f.Chunked, object: o}
			fmt.Fprintf(digest, "%s %s %s\n", o.gitOID, o.sha256, f.Path)
		}
		s.paths = slices.Sorted(maps.Keys(s.entries))
		s.commit = hex.EncodeToString(digest.Sum(nil))
		out.revisions[name] = s
	}
	if h.git != nil {
		if err := h.git.build(out); err != nil {
			return fmt.Errorf("building the git repository of %s: %w", r.ID, err)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range out.revisions {
		for _, e := range s.entries {
			e.repos[out.key()] = true
		}
	}
	h.repos[out.key()] = out
	h.aliases[strings.ToLower(out.key())] = out.key()
	return nil
}

// Rename makes a former id redirect to the one that is on the Hub.
func (h *Hub) Rename(kind Kind, former, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.aliases[strings.ToLower(repoKey(kind, former))] = repoKey(kind, id)
}

// Commit is the commit of a revision, or "" where there is none.
func (h *Hub) Commit(kind Kind, id, revision string) string {
	r, _ := h.find(kind, id)
	if s := r.at(revision); s != nil {
		return s.commit
	}
	return ""
}

// find returns the repository, or the present id of one that was renamed.
func (h *Hub) find(kind Kind, id string) (r *repo, renamed string) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	key := repoKey(kind, id)
	if r := h.repos[key]; r != nil {
		return r, ""
	}
	if to, ok := h.aliases[strings.ToLower(key)]; ok {
		return nil, strings.TrimPrefix(to, string(kind)+"/")
	}
	return nil, ""
}

// at finds a snapshot by branch, tag, ref or commit. A nil r has none.
func (r *repo) at(revision string) *snapshot {
	if r == nil {
		return nil
	}
	if s := r.revisions[revision]; s != nil {
		return s
	}
	for _, s := range r.revisions {
		if s.commit == revision || "refs/heads/"+s.name == revision || "refs/tags/"+s.name == revision {
			return s
		}
	}
	return nil
}

// withAttributes adds the .gitattributes by which git-lfs knows its files.
func withAttributes(files []File) []File {
	var lines []string
	for _, f := range files {
		line := "*" + path.Ext(f.Path) + " filter=lfs diff=lfs merge=lfs -text\n"
		if f.Large && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return files
	}
	return append(slices.Clone(files), File{Path: ".gitattributes", Content: origin.Text(strings.Join(lines, ""))})
}

// pointer is what git holds of a large file (git-lfs specification, "The
// pointer").
func pointer(sha256 string, size int64) string {
	return fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", sha256, size)
}

// keep makes the object of a file; a large one that is known is shared.
func (h *Hub) keep(f File) *object {
	o := &object{content: f.Content, large: f.Large, size: f.Content.Size(), sha256: f.sha256, repos: map[string]bool{}}
	if o.sha256 == "" {
		o.sha256 = origin.SHA256(f.Content)
	}
	if !o.large {
		o.gitOID = blobOID(f.Content)
		return o
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if known := h.objects[o.sha256]; known != nil {
		return known
	}
	o.gitOID = blobOID(origin.Text(pointer(o.sha256, o.size)))
	sum := sha256.Sum256([]byte("xet file " + o.sha256))
	o.xetHash = hex.EncodeToString(sum[:])
	o.xorbs = h.cut(o)
	h.files[o.xetHash] = o
	h.objects[o.sha256] = o
	return o
}

// blobOID is the name that git gives a blob.
func blobOID(c origin.Content) string {
	digest := sha1.New()
	fmt.Fprintf(digest, "blob %d\x00", c.Size())
	_, _ = io.Copy(digest, io.NewSectionReader(c, 0, c.Size())) // a Hash never fails
	return hex.EncodeToString(digest.Sum(nil))
}
