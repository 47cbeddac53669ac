package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestFileKEKIsMadeOnceAndOpensAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	made, err := CreateFileKEK(path)
	check(t, err)
	info, err := os.Stat(path)
	check(t, err)
	if runtime.GOOS != "windows" {
		equal(t, "mode", info.Mode(), fs.FileMode(0o600))
	}
	text, err := os.ReadFile(path)
	check(t, err)
	if !strings.HasPrefix(string(text), "# weighbridge key encryption key") || !strings.Contains(string(text), "\n"+kekPrefix+".") {
		t.Fatal("nobody will know what this file is")
	}
	if !strings.HasPrefix(made.ID(), "kek_") || len(made.ID()) != len("kek_")+16 {
		t.Fatalf("id is %q", made.ID())
	}
	opened, err := OpenFileKEK(path)
	check(t, err)
	equal(t, "id", opened.ID(), made.ID())
	wrapped, err := made.Wrap(t.Context(), []byte("dek"), []byte("aad"))
	check(t, err)
	dek, err := opened.Unwrap(t.Context(), wrapped, []byte("aad"))
	check(t, err)
	equal(t, "DEK", string(dek), "dek")
	if _, err := opened.Unwrap(t.Context(), wrapped, []byte("other")); err == nil {
		t.Fatal("a DEK was unwrapped for another owner")
	}

	_, err = CreateFileKEK(path)
	if !errors.Is(err, ErrExists) || !errors.Is(err, fs.ErrExist) {
		t.Fatalf("error is %v, want ErrExists", err)
	}
	oneLine(t, err)
	after, err := os.ReadFile(path)
	check(t, err)
	equal(t, "the file is untouched", bytes.Equal(after, text), true)
	names, err := os.ReadDir(filepath.Dir(path))
	check(t, err)
	equal(t, "number of files", len(names), 1)
}

func TestFileKEKIsMadeByOneOfMany(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	var group sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		group.Go(func() {
			k, err := CreateFileKEK(path)
			if errors.Is(err, fs.ErrExist) {
				k, err = OpenFileKEK(path)
			}
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = k.ID()
		})
	}
	group.Wait()
	for _, id := range ids {
		equal(t, "id", id, ids[0])
	}
}

func TestKEKTextOpensByItsVariable(t *testing.T) {
	text, id, err := NewKEKText()
	check(t, err)
	equal(t, "number of lines", strings.Count(text.Reveal(), "\n"), 0)
	t.Setenv("WB_TEST_KEK", text.Reveal())
	k, err := OpenKEK("env:WB_TEST_KEK", t.TempDir())
	check(t, err)
	equal(t, "id", k.ID(), id)
	if strings.Contains(fmt.Sprintf("%v %+v", text, text), kekPrefix) {
		t.Error("it prints")
	}
	another, _, err := NewKEKText()
	check(t, err)
	equal(t, "made twice", another.Equal(text), false)
}

func TestFileKEKRefusals(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	_, err := CreateFileKEK(good)
	check(t, err)
	b, err := os.ReadFile(good)
	check(t, err)
	text := string(b)
	line := strings.TrimSpace(text[strings.Index(text, kekPrefix):])
	body := strings.Split(line, ".")[1]
	write := func(name, content string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		check(t, os.WriteFile(path, []byte(content), 0o600))
		check(t, os.Chmod(path, mode))
		return path
	}
	for name, test := range map[string]struct{ path, says string }{
		"missing":      {filepath.Join(dir, "none"), "there is no such file"},
		"directory":    {dir, "not a regular file"},
		"empty":        {write("empty", "", 0o600), "does not hold a weighbridge KEK"},
		"other":        {write("other", "hello", 0o600), "does not hold a weighbridge KEK"},
		"cut":          {write("cut", text[:len(text)-20], 0o600), "damaged"},
		"cut more":     {write("cut more", text[:len(text)-40], 0o600), "does not hold"},
		"one changed":  {write("changed", strings.Replace(text, body[:4], flip(body[:4]), 1), 0o600), "damaged"},
		"twice":        {write("twice", text+text, 0o600), "more than one key line"},
		"long":         {write("long", text+strings.Repeat("#\n", 3000), 0o600), "too long"},
		"group reads":  {write("g", text, 0o640), "mode 0640 lets others"},
		"world reads":  {write("w", text, 0o604), "mode 0604 lets others"},
		"world writes": {write("ww", text, 0o602), "mode 0602 lets others"},
	} {
		if runtime.GOOS == "windows" && strings.Contains(test.says, "lets others") {
			continue // no such modes
		}
		_, err := OpenFileKEK(test.path)
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: error is %v, want %q", name, err, test.says)
			continue
		}
		if errors.Is(err, fs.ErrNotExist) != (name == "missing") {
			t.Errorf("%s: error is fs.ErrNotExist, or is not: %v", name, err)
		}
		if strings.Contains(fmt.Sprintf("%+v", err), body[4:20]) {
			t.Errorf("%s: the error quotes the key: %v", name, err)
		}
	}
}

func flip(s string) string { return strings.Map(func(r rune) rune { return r ^ 1 }, s) }

func TestOpenKEKByURI(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "kek")
	made, err := CreateFileKEK(path)
	check(t, err)
	text, err := os.ReadFile(path)
	check(t, err)
	t.Setenv("WB_TEST_KEK", string(text))
	t.Setenv("WB_TEST_KEK_LINE", strings.TrimSpace(string(text[bytes.Index(text, []byte(kekPrefix)):])))
	t.Setenv("WB_TEST_KEK_BAD", "sesame-open")
	for _, uri := range []string{"file:kek", "file:./kek", "file:" + path, "file://" + path, "file://localhost" + path, "env:WB_TEST_KEK", "env:WB_TEST_KEK_LINE"} {
		k, err := OpenKEK(uri, dir)
		if err != nil {
			t.Errorf("%s: %v", uri, err)
			continue
		}
		equal(t, "id by "+uri, k.ID(), made.ID())
	}
	for uri, says := range map[string]string{
		"":                            "no scheme",
		"kek":                         "no scheme",
		"/etc/kek":                    "no scheme",
		"s3cr3t word:x":               "no scheme",
		"file:":                       "names no file on this machine",
		"file://elsewhere/kek":        "names no file on this machine",
		"env:":                        "names no variable",
		"env:WB_TEST_KEK_NONE":        "is not set",
		"env:WB_TEST_KEK_BAD":         "does not hold a weighbridge KEK",
		"awskms://alias/s3cr3t?x=y":   "the scheme awskms: is not known",
		"vault-transit://s3cr3t@host": "the scheme vault-transit: is not known",
	} {
		_, err := OpenKEK(uri, dir)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error is %v, want %q", uri, err, says)
			continue
		}
		if text := fmt.Sprintf("%+v", err); strings.Contains(text, "s3cr3t") || strings.Contains(text, "sesame") {
			t.Errorf("%s: the error tells more than the scheme: %s", uri, text)
		}
	}
	_, err = OpenKEK("file:none", dir)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("error is %v, want fs.ErrNotExist", err)
	}
}

func FuzzParseKEK(f *testing.F) {
	f.Add(kekHeader + kekPrefix + ".AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.kek_0011223344556677\n")
	f.Add(kekPrefix + "..")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := parseKEK(text)
		if err == nil && !strings.Contains(text, k.ID()) {
			t.Fatal("a KEK was made of a text that does not name it")
		}
	})
}
