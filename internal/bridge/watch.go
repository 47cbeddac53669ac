package bridge

import (
	"context"
	"crypto/sha256"
	"os"
	"time"
)

// watchInterval is how soon a changed file is noticed. Polling the content
// also sees the symlink swaps by which a kubelet replaces Secrets.
const watchInterval = 2 * time.Second

// watch is a group of files that are taken again where one of them changes.
type watch struct {
	// what the files are, in the words of the log.
	what string
	// paths lists them by the configuration that stands.
	paths func() []string
	// take reads them. Where it fails what was taken last stands. b.reload is
	// held.
	take func(context.Context) error

	seen, said map[string][sha256.Size]byte
}

// beginWatch notes what the watched files hold. It comes before they are read
// for the first time, so that a change is noticed however soon it comes.
func (b *Bridge) beginWatch() {
	b.watched = b.watches()
	for i := range b.watched {
		b.watched[i].seen = fingerprints(b.watched[i].paths())
	}
}

// watchFiles takes the files that the configuration names when their content
// changes, until ctx ends.
func (b *Bridge) watchFiles(ctx context.Context) {
	Every(ctx, b.watchEvery, func() {
		for i := range b.watched {
			b.look(ctx, &b.watched[i])
		}
	})
}

// watches are the groups of files. A declared secret, the extra roots, the
// metrics token and the listener's certificate fail apart from one another.
func (b *Bridge) watches() []watch {
	return []watch{
		{
			what:  "secrets",
			paths: func() []string { return b.loaded.Load().Watched() },
			take:  b.redeclare,
		},
		{
			what:  "upstream.ca_file",
			paths: func() []string { return given(b.loaded.Load().Config.Upstream.CAFile) },
			take:  func(context.Context) error { return taken(b.renewedRoots(&b.loaded.Load().Config)) },
		},
		{
			what:  "metrics_token",
			paths: func() []string { return given(b.loaded.Load().Config.MetricsToken.File) },
			take:  func(context.Context) error { return taken(b.metricsToken.renewed(b.loaded.Load())) },
		},
		b.certificate(&b.tls),
		b.certificate(&b.adminTLS),
	}
}

// certificate watches the certificate of a listener.
func (b *Bridge) certificate(l *listenerTLS) watch {
	return watch{
		what: l.section + ".cert_file and " + l.section + ".key_file",
		paths: func() []string {
			t, _, _ := l.of(&b.loaded.Load().Config)
			return given(t.CertFile, t.KeyFile)
		},
		take: func(context.Context) error { return taken(l.renewed(&b.loaded.Load().Config)) },
	}
}

// taken takes over what was read without an error.
func taken(takeOver func(), err error) error {
	if err == nil {
		takeOver()
	}
	return err
}

// look takes w's files where they changed. What cannot be read or is refused
// leaves the last good one in place and is said once; it is tried again until
// it is taken, because what hindered it may be elsewhere, such as a full disk,
// or the other file of a pair that is still to come.
func (b *Bridge) look(ctx context.Context, w *watch) {
	now := fingerprints(w.paths())
	if equal(w.seen, now) {
		return
	}
	b.reload.Lock()
	err := w.take(ctx)
	b.reload.Unlock()
	if err != nil {
		if !equal(w.said, now) {
			b.log.Error().Err(err).Msg("watched " + w.what + " changed and cannot be taken yet: the last good one stays in use")
		}
		w.said = now
		return
	}
	w.seen, w.said = now, nil
	b.log.Info().Msg("watched " + w.what + " changed: what is new is in use")
}

func given(paths ...string) []string {
	var out []string
	for _, p := range paths {
		if p != "" {
			out = append(out, p)
		}
	}
	return out
}

func fingerprints(paths []string) map[string][sha256.Size]byte {
	out := map[string][sha256.Size]byte{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			out[path] = [sha256.Size]byte{}
			continue
		}
		out[path] = sha256.Sum256(content)
	}
	return out
}

func equal(a, b map[string][sha256.Size]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}
