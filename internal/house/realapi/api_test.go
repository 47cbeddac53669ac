//go:build realclients

package realapi

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/ready"
)

// patience bounds the whole run; it only keeps one that hangs from staying.
const patience = time.Hour

// dir is where setup.sh put schemathesis.
var dir string

func TestMain(m *testing.M) {
	dir, _ = ready.Must("api")
	os.Exit(m.Run())
}

// nowhere knows no name: what the API is asked to validate asks nobody.
type nowhere struct{}

func (nowhere) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// Every operation of the document is called with what the document allows and
// with what it does not: no answer of 500 and above, no status, content type or
// body that the document does not name, nothing served without a caller.
func TestEveryOperationFromTheDocument(t *testing.T) {
	h := house.New(t, house.Options{Empty: true, Resolver: nowhere{}})
	secret := h.AddAccessToken(auth.RoleOwner)
	// In a run what the document says of each operation, in the long form also
	// what operations make of what others left.
	examples, phases := "4", "examples,coverage,fuzzing"
	if house.Soaks() > 0 {
		examples, phases = "40", "examples,coverage,fuzzing,stateful"
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "python", "bin", "schemathesis"), "run", h.Bridge.AdminURL()+"/openapi.json",
		"--header", "Authorization: Bearer "+secret.Value(), "--max-examples", examples, "--phases", phases, "--seed", "1", "--workers", "2", "--no-color",
		"--suppress-health-check", "all", "--request-timeout", "120", // argon2id on a machine that is busy
		"--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,ignored_auth,unsupported_method,use_after_free",
		// Streams without an end, and what changes the house itself.
		"--exclude-operation-id", "follow-events", "--exclude-operation-id", "follow-transfers", "--exclude-operation-id", "rotate-root",
	)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1"}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	text := strings.ReplaceAll(out.String(), secret.Value(), "[the token]")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	t.Log(text[max(0, len(text)-1500):])
}
