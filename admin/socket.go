package admin

import (
	"fmt"
	"os"
	"path/filepath"
)

// SocketName is the file of the local API in the data directory.
const SocketName = "admin.sock"

// localAddress is the source address of whoever comes over the socket.
const localAddress = "local"

// maxSocketPath is what sun_path holds beside its final zero byte (unix(7)).
const maxSocketPath = 107

// SocketPath is the path by which admin.sock in dataDir is opened: the path
// itself, or, where that is too long for a socket's address, the one from the
// working directory. The error says that both are.
func SocketPath(dataDir string) (string, error) {
	path := filepath.Join(dataDir, SocketName)
	if len(path) <= maxSocketPath {
		return path, nil
	}
	if abs, err := filepath.Abs(path); err == nil {
		if wd, err := os.Getwd(); err == nil {
			if rel, err := filepath.Rel(wd, abs); err == nil && len(rel) <= maxSocketPath {
				return rel, nil
			}
		}
	}
	return "", fmt.Errorf("%s: the path of a unix socket has at most %d bytes, and this one has %d; choose a data directory with a shorter path (--data-dir)", path, maxSocketPath, len(path))
}
