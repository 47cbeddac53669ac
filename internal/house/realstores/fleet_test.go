//go:build realclients

package realstores

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
	"github.com/weighbridge/weighbridge/store"
)

// fleet is several weighbridges that share a store, each before a Hub of its
// own, of which all take the first one's token.
type fleet struct {
	t      testing.TB
	dir    string
	dsn    auth.Secret
	set    func(*config.Config)
	token  *house.Canary
	houses []*house.House
	files  []hub.File
}

// newFleet starts n on the database of dsn. set may change what is configured.
func newFleet(t testing.TB, dsn auth.Secret, n int, set func(*config.Config)) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir(), dsn: dsn, set: set}
	_, err := store.CreateFileKEK(filepath.Join(f.dir, "kek"))
	check(t, err)
	check(t, os.WriteFile(filepath.Join(f.dir, "dsn"), []byte(dsn.Reveal()), 0o600))
	f.files = sample(t)
	for range n {
		f.join(house.Options{})
	}
	return f
}

// sample is what every Hub has.
func sample(t testing.TB) []hub.File {
	t.Helper()
	files, err := hub.SampleFiles(1)
	check(t, err)
	return files
}

func hubToken(c *house.Canary) hub.Token { return hub.SampleToken(c.Value()) }

// join starts another one.
func (f *fleet) join(o house.Options) *house.House {
	f.t.Helper()
	o.Configure = func(c *config.Config) {
		c.KEK = "file:" + filepath.Join(f.dir, "kek")
		c.Store.Driver, c.Store.DSN = "postgres", config.Source{File: filepath.Join(f.dir, "dsn")}
		if f.set != nil {
			f.set(c)
		}
	}
	h := house.New(f.t, o)
	if f.token == nil {
		f.token = h.Token
	}
	h.Hub.AddToken(hubToken(f.token))
	h.Watch.Add(f.token)
	h.Watch.Add(house.CanaryOf(dsnPassword(f.dsn)))
	f.houses = append(f.houses, h)
	return h
}

// worker makes a key that is linked to the Hub's credential, on the house at i.
func (f *fleet) worker(i int, name string) admin.Key {
	f.t.Helper()
	h := f.houses[i]
	h.AddCredential(admin.NewCredential{Name: name, Provider: "huggingface", Fields: map[string]string{"token": f.token.Value()}})
	return h.AddKey(admin.NewKey{Name: name, Credentials: []string{name}})
}

// download fetches a gated file through the house at i, and returns the status;
// 200 only with every byte right.
func (f *fleet) download(i int, key string) (status int, code string) {
	f.t.Helper()
	return f.fetch(f.houses[i].HTTPClient(workerenv.Reverse, key), f.files[0])
}

func (f *fleet) fetch(client *http.Client, file hub.File) (status int, code string) {
	f.t.Helper()
	answer, err := f.get(client, file)
	if err != nil {
		f.t.Logf("a download failed: %v", err)
		return 0, ""
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		f.t.Logf("a download broke off: %v", err)
		return 0, ""
	}
	if answer.StatusCode == http.StatusOK && !same(body, file.Content) {
		f.t.Logf("a download has %d bytes that are not those of the file", len(body))
		return 0, ""
	}
	return answer.StatusCode, answer.Header.Get("X-Weighbridge-Error")
}

// get asks for a file and follows where it leads to, each hop by itself, as the
// client follows none.
func (f *fleet) get(client *http.Client, file hub.File) (*http.Response, error) {
	next := "https://" + hub.Host + "/" + hub.SampleGated + "/resolve/main/" + file.Path
	for range 5 {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, next, nil)
		if err != nil {
			return nil, err
		}
		answer, err := client.Do(req)
		if err != nil || answer.StatusCode/100 != 3 {
			return answer, err
		}
		_ = answer.Body.Close()
		to, err := answer.Request.URL.Parse(answer.Header.Get("Location"))
		if err != nil {
			return nil, err
		}
		next = to.String()
	}
	return nil, errors.New("too many redirects")
}

// open is get that must succeed.
func (f *fleet) open(client *http.Client, file hub.File) io.ReadCloser {
	f.t.Helper()
	answer, err := f.get(client, file)
	check(f.t, err)
	equal(f.t, "status", answer.StatusCode, http.StatusOK)
	return answer.Body
}

// largest is the largest of the files.
func (f *fleet) largest() hub.File {
	return slices.MaxFunc(f.files, func(a, b hub.File) int { return cmp.Compare(a.Content.Size(), b.Content.Size()) })
}

func same(got []byte, want origin.Content) bool {
	b := make([]byte, want.Size())
	_, err := want.ReadAt(b, 0)
	return (err == nil || errors.Is(err, io.EOF)) && bytes.Equal(got, b)
}

// pem is the roots that the house at i has written for workers.
func (f *fleet) pem(i int) []byte {
	f.t.Helper()
	b, err := os.ReadFile(filepath.Join(f.houses[i].DataDir, "ca.pem"))
	check(f.t, err)
	return b
}

// verified checks the chains of the acts, and of the use at the house at i.
func (f *fleet) verified(i int) {
	f.t.Helper()
	var out struct {
		OK    bool
		Break any
	}
	f.houses[i].Call(http.MethodGet, "/api/v1/audit/verify", nil, &out)
	if !out.OK {
		f.t.Fatalf("the record does not verify at house %d: %+v", i, out)
	}
}
