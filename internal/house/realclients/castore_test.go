//go:build realclients

package realclients

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/house/walk"
)

// The system's own program takes our root in and out. The store's places are
// covered by empty ones, in a mount namespace of the test's own: the machine's
// store stays as it is.
const inANamespace = `set -eu
mkdir certs local hooks
mount --bind certs /etc/ssl/certs
mount --bind local /usr/local/share/ca-certificates
"$WB" ca install --from root.pem --yes
"$WB" ca install --from root.pem --yes | grep 'in place already'
grep -c BEGIN /etc/ssl/certs/ca-certificates.crt >installed
cp /etc/ssl/certs/ca-certificates.crt with.pem
"$WB" ca uninstall | grep 'trusted no more'
"$WB" ca uninstall | grep 'There is no root'
ls local >left
cp /etc/ssl/certs/ca-certificates.crt without.pem
`

func TestInstalledIntoTheSystemsStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	walk.Build(t, dir)
	root, err := origin.NewAuthority(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "root.pem"), root.RootPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	command := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		command = append(command, "--map-root-user")
	}
	out, err := run(t, dir, []string{"WB=" + filepath.Join(dir, "bin", "weighbridge")}, append(command, "sh", "-c", inANamespace))
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	ours := strings.TrimSpace(string(root.RootPEM()))
	if !strings.Contains(read("with.pem"), ours) || strings.Contains(read("without.pem"), ours) || read("left") != "" {
		t.Errorf("installed: %v, still there: %v, left: %q", strings.Contains(read("with.pem"), ours), strings.Contains(read("without.pem"), ours), read("left"))
	}
}
