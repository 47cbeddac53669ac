package bridge

import (
	"context"
	"crypto/sha256"
	"os"
	"time"
)

// watchInterval is how soon a changed secret file is noticed. Polling the
// content also sees the symlink swaps by which a kubelet replaces Secrets.
const watchInterval = 2 * time.Second

// watchSecrets rotates declarative secrets when their files change. A file
// that cannot be read, or a value that is refused, leaves the last good one in
// place and is said once; it is tried again until it is taken, because what
// hindered it may be elsewhere, such as a full disk.
func (b *Bridge) watchSecrets(ctx context.Context) {
	tick := time.NewTicker(b.watchEvery)
	defer tick.Stop()
	seen := b.fingerprints()
	var said map[string][sha256.Size]byte
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := b.fingerprints()
		if equal(seen, now) {
			continue
		}
		b.reload.Lock()
		err := b.declare(ctx, b.loaded.Load())
		b.reload.Unlock()
		if err != nil {
			if !equal(said, now) {
				b.log.Error().Err(err).Msg("a watched secret changed and cannot be taken yet: the last good one stays in use")
			}
			said = now
			continue
		}
		seen, said = now, nil
		b.log.Info().Msg("watched secrets changed: declarative credentials and keys are up to date")
	}
}

func (b *Bridge) fingerprints() map[string][sha256.Size]byte {
	out := map[string][sha256.Size]byte{}
	for _, path := range b.loaded.Load().Watched() {
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
