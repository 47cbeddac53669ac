//go:build realclients

package s3servers

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
)

var update = flag.Bool("update", false, "rewrite the list of versitygw's tests that pass")

// The files of what versitygw's own tests say of the front.
const (
	passingFile = "../../../testdata/s3/versitygw-passing.txt"
	missingPage = "../../../docs/s3-conformance.md"
)

// ofTheFront are the tests of versitygw that are about what the front does.
var ofTheFront = regexp.MustCompile(`^(Authentication|PresignedAuth|GetObject|HeadObject|ListObjectsV2|ListObjects|HeadBucket)_`)

// TestVersitysOwnTests runs versitygw's client tests against the front, with
// versitygw behind it: those in the list pass, and each of the others is in
// docs with the reason why it cannot.
func TestVersitysOwnTests(t *testing.T) {
	s := VersityWhole(t, "us-east-1")
	y := newYard(t, s, map[string]string{"region": "us-east-1"}, y0+"/*")
	key := y.AddS3Key(admin.NewS3Key{Name: "versity", Permission: "read-write", Credentials: []string{"store"}})
	endpoint := splitter(t, y.Bridge.ProxyURL(), s)
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	gateway := filepath.Join(dir, "versitygw")
	var names []string
	help, _ := exec.Command(gateway, "test", "--help").CombinedOutput()
	for _, line := range strings.Split(string(help), "\n") {
		if f := strings.Fields(line); len(f) > 0 && ofTheFront.MatchString(f[0]) {
			names = append(names, strings.TrimSuffix(f[0], ","))
		}
	}
	if len(names) < 100 {
		t.Fatalf("versitygw has %d tests of the front", len(names))
	}
	var passed []string
	for _, name := range names { // one after the other: each makes buckets of the same names
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		c := exec.CommandContext(ctx, gateway, "test", "-a", key.AccessKeyID, "-s", key.SecretAccessKey, "-e", endpoint, name)
		c.Dir = dir // one of them starts another by its name
		c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
		out, err := c.CombinedOutput()
		cancel()
		s.Wipe(t)
		switch failed := bytes.Contains(out, []byte("FAIL")); {
		case err == nil && bytes.Contains(out, []byte("PASS")) && !failed:
			passed = append(passed, name)
		case failed && bytes.Contains(out, []byte("expected error message to be")):
			// It compares status and code before.
			passed = append(passed, name+" (text)")
		default:
			t.Logf("%s: %v\n%s", name, err, bytes.ReplaceAll(out, []byte(key.SecretAccessKey), []byte("…")))
		}
	}
	slices.Sort(passed)
	if *update {
		text := "# versitygw's own client tests that pass through the S3 front; those that do\n# not are in docs/s3-conformance.md. Of those marked (text) status and code are\n# what the test wants, and the sentence is ours. Made by: go test -tags realclients\n# ./internal/house/s3servers -run Versity -update\n" + strings.Join(passed, "\n") + "\n"
		if err := os.WriteFile(passingFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	listed, err := os.ReadFile(passingFile)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(missingPage)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(listed), "\n")
	for _, name := range names {
		inList := slices.ContainsFunc(lines, func(l string) bool { return l == name || l == name+" (text)" })
		in := func(list []string) bool { return slices.Contains(list, name) || slices.Contains(list, name+" (text)") }
		switch {
		case inList && (!in(passed) || slices.Contains(lines, name) && !slices.Contains(passed, name)):
			t.Errorf("%s does not pass any more", name)
		case !inList && in(passed):
			t.Errorf("%s passes and is not listed: run with -update", name)
		case !inList && !bytes.Contains(page, []byte("`"+name+"`")):
			t.Errorf("%s does not pass, and docs/s3-conformance.md does not say why", name)
		}
	}
}

// y0 is the store of newYard in a pattern.
const y0 = "http://" + storeHost + ":9000"
