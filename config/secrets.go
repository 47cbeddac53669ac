package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// maxSecret bounds a secret's file. Service-account keys are the largest
// secrets in use, at a few KiB.
const maxSecret = 64 << 10

// Value reads what a source names, now: a file may have changed since Load.
// The error names the variable or the file, and quotes nothing of the value.
func (l *Loaded) Value(s Source) (auth.Secret, error) { return value(s, l.env) }

// Fields reads all fields of a credential.
func (l *Loaded) Fields(c *Credential) (auth.Fields, error) {
	out := auth.Fields{}
	var errs []error
	for name, s := range c.Fields {
		v, err := l.Value(s)
		if err != nil {
			errs = append(errs, fmt.Errorf("credential %q: field %s: %w", c.Name, name, err))
			continue
		}
		out[name] = v
	}
	if len(errs) > 0 {
		slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return nil, errors.Join(errs...)
	}
	return out, nil
}

// Watched lists the files that secrets come from, sorted: when one changes,
// the declared credentials and keys are to be read again.
func (l *Loaded) Watched() []string {
	var out []string
	add := func(s Source) {
		if s.File != "" {
			out = append(out, s.File)
		}
	}
	for i := range l.Config.Credentials {
		for _, s := range l.Config.Credentials[i].Fields {
			add(s)
		}
	}
	for i := range l.Config.Keys {
		add(l.Config.Keys[i].Value)
		add(l.Config.Keys[i].URLKey)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func value(s Source, env func(string) string) (auth.Secret, error) {
	switch {
	case s.Env != "":
		v := trimNewline(env(s.Env))
		if v == "" {
			return auth.Secret{}, fmt.Errorf("the variable %s is not set, or empty", show(s.Env))
		}
		return auth.NewSecret(v), nil
	case s.File != "":
		b, err := readFile(s.File, maxSecret)
		if err != nil {
			return auth.Secret{}, fmt.Errorf("the file %s cannot be read: %s", show(s.File), cause(err))
		}
		v := trimNewline(string(b))
		if v == "" {
			return auth.Secret{}, fmt.Errorf("the file %s is empty", show(s.File))
		}
		return auth.NewSecret(v), nil
	case s.Value != "":
		return auth.NewSecret(s.Value), nil
	default:
		return auth.Secret{}, errors.New("nothing says where the value comes from")
	}
}

// trimNewline takes off the one newline that editors and echo add.
func trimNewline(s string) string {
	return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
}

// exposed says who beside its owner can read or change the file of a secret,
// or "". A group may read the key of a certificate, as Debian's ssl-cert does,
// but no other secret. Files that an orchestrator mounts are its business: their modes are
// the mount's (0644 by default in Kubernetes, 0444 in Docker Swarm), and only
// the container sees them.
func exposed(path string, groupMayRead bool) string {
	st, err := os.Stat(path)
	if err != nil || mounted(path) {
		return ""
	}
	switch perm := st.Mode().Perm(); {
	case perm&0o002 != 0:
		return "everybody can change"
	case perm&0o004 != 0:
		return "everybody can read"
	case perm&0o020 != 0:
		return "its group can change"
	case perm&0o040 != 0 && !groupMayRead:
		return "its group can read"
	}
	return ""
}

// mounted reports whether an orchestrator put the file there: below
// /run/secrets, where Docker and Podman mount secrets, or beside the "..data"
// link by which a kubelet swaps the versions of a volume.
func mounted(path string) bool {
	abs, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	if strings.HasPrefix(abs, "/run/secrets/") || strings.HasPrefix(abs, "/var/run/secrets/") {
		return true
	}
	st, err := os.Lstat(filepath.Join(filepath.Dir(abs), "..data"))
	return err == nil && st.Mode()&fs.ModeSymlink != 0
}
