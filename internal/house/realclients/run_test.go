//go:build realclients

package realclients

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/house/ready"
)

// patience bounds one client. It is far beyond what any needs: it only keeps a
// client that hangs from taking the whole suite along.
const patience = 3 * time.Minute

// clientDir is where setup.sh put the clients, scriptDir has the scripts.
var clientDir, scriptDir string

func TestMain(m *testing.M) {
	clientDir, scriptDir = ready.Must("clients")
	os.Exit(m.Run())
}

// python is the interpreter of an environment of setup.sh.
func python(environment string) string {
	return filepath.Join(clientDir, environment, "bin", "python")
}

// run starts command in dir with nothing of our own environment but PATH: no
// proxy, no CA variable and no token that is not in env. It returns all output.
func run(t *testing.T, dir string, env, command []string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	home := t.TempDir()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "LANG=C.UTF-8",
		"NODE_PATH=" + filepath.Join(clientDir, "node_modules"),
		// What a client would send on its own account, and no progress bars.
		"HF_HOME=" + filepath.Join(home, "hf"), "HF_HUB_DISABLE_TELEMETRY=1", "DO_NOT_TRACK=1", "HF_HUB_DISABLE_PROGRESS_BARS=1",
		// git must neither ask nor take the machine's configuration.
		"GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + gitConfig(t),
	}, env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// gitConfig is what `git lfs install` writes.
func gitConfig(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gitconfig")
	text := "[filter \"lfs\"]\n\tclean = git-lfs clean -- %f\n\tsmudge = git-lfs smudge -- %f\n" +
		"\tprocess = git-lfs filter-process\n\trequired = true\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// compareTree compares every file under dir by SHA-256 with the one of the
// same path in files, and returns how many there were. A file that is not in
// files is an error.
func compareTree(t *testing.T, dir string, files []hub.File) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if d.IsDir() && (name == ".git" || name == ".cache") {
			return fs.SkipDir
		}
		if d.IsDir() || name == ".gitattributes" {
			return nil
		}
		at := slices.IndexFunc(files, func(f hub.File) bool { return f.Path == filepath.ToSlash(name) })
		if at < 0 {
			t.Errorf("there is a file %q that was not to come", name)
			return nil
		}
		got, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if origin.SHA256(origin.Bytes(got)) != origin.SHA256(files[at].Content) {
			t.Errorf("%s has %d other bytes than the upstream's %d", name, len(got), files[at].Content.Size())
		}
		n++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// sampleFiles are hub.SampleFiles, which do not fail.
func sampleFiles(t *testing.T, seed uint64) []hub.File {
	t.Helper()
	files, err := hub.SampleFiles(seed)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// says looks for a sentence; names of header fields come in any case.
func says(out, sentence string) bool {
	return strings.Contains(strings.ToLower(out), strings.ToLower(sentence))
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
