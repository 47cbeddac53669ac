// Package ready has the scripts below testdata make ready what a suite of real
// clients or servers runs.
package ready

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Suite runs testdata/NAME/setup.sh, which installs what is missing, and says
// where everything is, and where the scripts beside it are. What the script says
// of its work goes to standard error.
func Suite(name string) (dir, scripts string, err error) {
	root, err := root()
	if err != nil {
		return "", "", err
	}
	scripts = filepath.Join(root, "testdata", name)
	setup := exec.Command("bash", filepath.Join(scripts, "setup.sh"))
	setup.Stderr = os.Stderr
	out, err := setup.Output()
	if err != nil {
		return "", "", fmt.Errorf("testdata/%s/setup.sh: %w", name, err)
	}
	if dir = strings.TrimSpace(string(out)); dir == "" {
		return "", "", fmt.Errorf("testdata/%s/setup.sh does not say where everything is", name)
	}
	return dir, scripts, nil
}

// Must is Suite for a TestMain: it ends the process where the suite cannot be
// made ready, because a test that is passed over says nothing.
func Must(name string) (dir, scripts string) {
	dir, scripts, err := Suite(name)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the suite cannot be made ready:", err)
		os.Exit(1)
	}
	return dir, scripts
}

// root is the checkout: the first directory upwards that holds go.mod.
func root() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
	}
	return "", err
}
