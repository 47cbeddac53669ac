//go:build realclients

package s3servers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/internal/house/ready"
)

// clientDir is where testdata/s3clients/setup.sh put the clients.
var clientDir = sync.OnceValues(func() (string, error) {
	dir, _, err := ready.Suite("s3clients")
	return dir, err
})

// frontYard is a house before versitygw, with a key that may read and one that
// may write, both for what is below sd/.
type frontYard struct {
	*yard
	dir          string
	read, write  admin.S3Key
	big, content []byte
}

func newFrontYard(t *testing.T) *frontYard {
	t.Helper()
	dir, err := clientDir()
	if err != nil {
		t.Fatal(err)
	}
	s := VersityWhole(t, "us-east-1")
	y := &frontYard{yard: newYard(t, s, map[string]string{"region": "us-east-1"}, "s3://models/*"), dir: dir}
	y.content = []byte("weights of a b+c")
	y.big = bytes.Repeat([]byte("0123456789abcdef"), 11<<20/16)
	s.Put(t, "models", "sd/a b+c.txt", y.content)
	s.Put(t, "models", "sd/deep/er/k.txt", []byte("k"))
	s.Put(t, "models", "sd/big.bin", y.big)
	s.Put(t, "models", "other/secret", []byte("secret"))
	in := admin.NewS3Key{Name: "reader", Buckets: []string{"models"}, Prefixes: []string{"sd/"}, Aliases: map[string]string{"sdx": "models/sd/"}, Credentials: []string{"store"}}
	y.read = y.AddS3Key(in)
	in.Name, in.Permission = "writer", "read-write"
	y.write = y.AddS3Key(in)
	return y
}

// run runs a client with nothing of our own environment but PATH.
func (y *frontYard) run(t *testing.T, key admin.S3Key, command ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	home := t.TempDir()
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Dir = home
	c.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "LANG=C.UTF-8", "NODE_PATH=" + filepath.Join(y.dir, "node_modules"),
		"AWS_ACCESS_KEY_ID=" + key.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + key.SecretAccessKey, "AWS_DEFAULT_REGION=us-east-1",
		"AWS_ENDPOINT_URL=" + y.Bridge.ProxyURL(), "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1",
	}
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	y.Watch.See("worker: "+command[0], append(out.Bytes(), errs.Bytes()...))
	if err != nil {
		t.Errorf("%v: %v\n%s%s", command[:1], err, out.String(), errs.String())
	}
	return out.String()
}

func (y *frontYard) python() string { return filepath.Join(y.dir, "python", "bin", "python") }

func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs("../../../testdata/s3clients/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBoto3(t *testing.T) {
	y := newFrontYard(t)
	list := `["sd/a b+c.txt", "sd/big.bin", "sd/deep/er/k.txt"]`
	for _, c := range []struct {
		key         admin.S3Key
		mode, extra string
		end         string
	}{
		{key: y.read, mode: "read"},
		{key: y.write, mode: "write"},
	} {
		big := filepath.Join(t.TempDir(), "big")
		out := y.run(t, c.key, y.python(), script(t, "boto.py"), y.Bridge.ProxyURL(), c.key.AccessKeyID, c.key.SecretAccessKey, big, c.mode)
		want := []string{
			`"get": "weights of a b+c"`, `"range": "igh"`, `"head": 16`, `"v2": ` + list, `"v1": ` + list, `"pages": ` + list,
			`"alias": ["a b+c.txt", "big.bin", "deep/er/k.txt"]`, `"buckets": ["models", "sdx"]`, `"denied": "AccessDenied True"`,
			`"presigned": "weights of a b+c"`, `"sigv2": true`, fmt.Sprintf(`"big": %d`, len(y.big)),
		}
		if c.mode == "write" {
			want = append(want, `"copied": "content"`, `"up": true`, `"parts": 1`, `"deleted": ["copy", "new"]`, `"write_denied": "AccessDenied"`)
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: no %s in %s", c.mode, w, out)
			}
		}
		if got, err := os.ReadFile(big); err != nil || !bytes.Equal(got, y.big) {
			t.Errorf("%s: the large file is another one (%v)", c.mode, err)
		}
	}
}

func TestAWSCommandLine(t *testing.T) {
	y := newFrontYard(t)
	aws := []string{y.python(), "-m", "awscli"}
	dir := t.TempDir()
	y.run(t, y.read, append(aws, "s3", "cp", "--recursive", "--no-progress", "s3://models/sd/", dir)...)
	for name, want := range map[string][]byte{"a b+c.txt": y.content, "big.bin": y.big, "deep/er/k.txt": []byte("k")} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is another file (%v)", name, err)
		}
	}
	if out := y.run(t, y.read, append(aws, "s3", "ls", "s3://models/sd/")...); !strings.Contains(out, "big.bin") || !strings.Contains(out, "PRE deep/") {
		t.Errorf("ls: %s", out)
	}
	if out := y.run(t, y.read, append(aws, "s3", "ls")...); !strings.Contains(out, "models") {
		t.Errorf("ls: %s", out)
	}
	y.run(t, y.write, append(aws, "s3", "cp", "--no-progress", filepath.Join(dir, "big.bin"), "s3://models/sd/from-cli.bin")...)
	y.run(t, y.write, append(aws, "s3", "sync", "--no-progress", dir, "s3://sdx/synced/")...)
	if _, b := y.server.Do(t, "GET", "models", "sd/synced/deep/er/k.txt", nil); string(b) != "k" {
		t.Errorf("sync stored %q", b)
	}
	if _, b := y.server.Do(t, "GET", "models", "sd/from-cli.bin", nil); !bytes.Equal(b, y.big) {
		t.Errorf("cp stored %d bytes", len(b))
	}
	y.run(t, y.write, append(aws, "s3", "rm", "--recursive", "s3://models/sd/synced/")...)
}

func TestNodeSDK(t *testing.T) {
	y := newFrontYard(t)
	out := y.run(t, y.write, "node", script(t, "node.cjs"), y.Bridge.ProxyURL(), y.write.AccessKeyID, y.write.SecretAccessKey)
	list := `["sd/a b+c.txt","sd/big.bin","sd/deep/er/k.txt"]`
	for _, w := range []string{`"get":"weights of a b+c"`, `"range":"igh"`, `"head":16`, `"v2":` + list, `"pages":` + list, `"put":"from node"`, `"denied":"AccessDenied"`} {
		if !strings.Contains(out, w) {
			t.Errorf("no %s in %s", w, out)
		}
	}
}

func TestGoSDK(t *testing.T) {
	y := newFrontYard(t)
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	out := y.run(t, y.write, filepath.Join(dir, "gosdk"), y.Bridge.ProxyURL(), y.write.AccessKeyID, y.write.SecretAccessKey)
	for _, w := range []string{
		`"get":"weights of a b+c"`, `"range":"igh"`, `"head":16`, `"unchanged":"NotModified"`, `"missing":"NoSuchKey"`, `"denied":"AccessDenied"`,
		`"buckets":["models","sdx"]`, `"pages":["sd/a b+c.txt","sd/big.bin","sd/deep/er/k.txt"]`, fmt.Sprintf(`"big":"%x"`, sha256.Sum256(y.big)),
		`"presigned":"weights of a b+c"`, `"tampered":403`, `"put":"from go"`, `"write denied":"AccessDenied"`, `"copy denied":"AccessDenied"`,
		`"up":true`, `"deleted":3`, `"bucket denied":"AccessDenied"`,
	} {
		if !strings.Contains(out, w) {
			t.Errorf("no %s in %s", w, out)
		}
	}
}

func TestCurl(t *testing.T) {
	y := newFrontYard(t)
	base := []string{"curl", "-sS", "--path-as-is", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", y.read.AccessKeyID + ":" + y.read.SecretAccessKey, "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"}
	if out := y.run(t, y.read, append(base, y.Bridge.ProxyURL()+"/models/sd/deep/er/k.txt")...); out != "k" {
		t.Errorf("curl: %s", out)
	}
}
