package soak

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/origin"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// inMemory is up to what length an answer is read whole before any of it goes
// to the worker: it is then asked for again without any validator.
const inMemory = 64 << 10

// download is one file that is fetched by one worker, and what goes wrong.
type download struct {
	mode workerenv.Mode
	// host is SecureHost, PlainHost or hub.Host; kind as in Files, and "strong"
	// at the Hub.
	host, kind string
	// path is its own, so that its faults are met by no other.
	path    string
	content origin.Content
	// first and end delimit what is asked for; ranged says that it is by Range.
	first, end int64
	ranged     bool
	faults     []origin.FaultKind
	at         []int64
	// leaves says that the worker goes away in the middle, slow that it reads
	// little at a time.
	leaves, slow bool
}

// answers503 and answers403 are told apart by their number in faults.
const (
	answer503 = origin.FaultKind(100 + iota)
	answer403
)

// Sizes of files: around the limits by which bytes take different ways.
var sizes = [...]int64{0, 1, 1000, inMemory, inMemory + 1, 300_000, 1_000_000, 2_500_000}

// plan draws a download; id is unique.
func plan(chance *rand.Rand, mode workerenv.Mode, id string, stalls bool) *download {
	d := &download{mode: mode, host: []string{SecureHost, PlainHost, hub.Host}[chance.IntN(3)], kind: "strong"}
	size := sizes[chance.IntN(len(sizes))]
	if d.host != hub.Host {
		d.kind = []string{"strong", "strong", "strong", "dated", "weak", "none", "chunked"}[chance.IntN(7)]
		d.path = fmt.Sprintf("/%s/%s/%d", id, d.kind, size)
		d.content = origin.Random(seed, size)
	} else {
		size = max(size, 1)
		// The CDN names files by their digest, so each needs bytes of its own.
		d.path, d.content = id, origin.Random(chance.Uint64(), size)
	}
	d.end = size
	if d.ranged = size > 0 && chance.IntN(2) == 0; d.ranged {
		d.first = chance.Int64N(size)
		d.end = d.first + 1 + chance.Int64N(size-d.first)
	}
	for i := range chance.IntN(4) {
		kinds := []origin.FaultKind{origin.Slow, origin.Reset, origin.Reset, origin.Short, origin.Short, origin.IgnoreRange}
		if i > 0 {
			kinds = []origin.FaultKind{origin.Slow, origin.Reset, origin.Short, origin.Short, answer503, answer403, origin.IgnoreRange}
		}
		// Within the answer, not behind it: an upstream that stalls after a whole
		// one holds up whoever comes next on its connection.
		length := d.end - d.first
		if stalls && length > 1 && chance.IntN(12) == 0 {
			kinds = []origin.FaultKind{origin.Stall}
		}
		d.faults = append(d.faults, kinds[chance.IntN(len(kinds))])
		d.at = append(d.at, 1+chance.Int64N(max(length-1, 1)))
	}
	d.leaves, d.slow = chance.IntN(8) == 0, chance.IntN(4) == 0
	return d
}

// mustSucceed reports whether nothing of what goes wrong is reason enough for
// the worker to notice.
func (d *download) mustSucceed() bool {
	whole := d.end-d.first <= inMemory && d.kind != "chunked"
	if d.leaves || !whole && d.kind != "strong" && d.kind != "dated" {
		return len(d.faults) == 0
	}
	for i, f := range d.faults {
		switch f {
		case origin.Slow, origin.Reset, origin.Short, origin.Stall:
		case answer503:
			if whole {
				return false // an answer like any other: nothing had begun
			}
		case answer403:
			// Only a sealed URL can be renewed, once for each time that it breaks.
			if whole || d.host != hub.Host || d.mode != workerenv.Reverse || i > 0 && d.faults[i-1] == answer403 {
				return false
			}
		case origin.IgnoreRange:
			if i > 0 || d.ranged {
				return false
			}
		}
	}
	return true
}

// String says what it is.
func (d *download) String() string {
	return fmt.Sprintf("%s %s%s of %d bytes (%s), %d-%d, ranged %v, faults %v at %v", d.mode, d.host, d.path, d.content.Size(), d.kind, d.first, d.end, d.ranged, d.faults, d.at)
}

// Outcome is how a download ended.
type Outcome struct {
	// Whole says that every byte came and was right, Told that the worker saw
	// that it failed. Neither is for a worker that left.
	Whole, Told bool
	// Resumable says that it had to succeed, for all that went wrong.
	Resumable bool
	Bytes     int64
}

// run makes the download. Its error says what weighbridge did wrong.
func (d *download) run(ctx context.Context, y *Yard) (o Outcome, err error) {
	o.Resumable = d.mustSucceed() && len(d.faults) > 0
	rawURL, selects, err := d.place(y)
	if err != nil {
		return o, err
	}
	defer y.Server.Faults.Remove(selects)
	header := http.Header{}
	if d.ranged {
		header.Set("Range", fmt.Sprintf("bytes=%d-%d", d.first, d.end-1))
	}
	answer, err := y.ask(ctx, d.mode, rawURL, header)
	if err != nil {
		o.Told = true
		return o, d.judge(err)
	}
	defer func() { _ = answer.Body.Close() }()
	first, end := d.first, d.end
	switch answer.StatusCode {
	case 200:
		first, end = 0, d.content.Size()
	case 206:
		if want, got := fmt.Sprintf("bytes %d-%d/%d", first, end-1, d.content.Size()), answer.Header.Get("Content-Range"); got != want {
			return o, fmt.Errorf("Content-Range is %q, not %q", got, want)
		}
	default:
		o.Told = true
		return o, d.judge(errors.New(answer.Status + " " + answer.Header.Get("X-Weighbridge-Error")))
	}
	if l := answer.ContentLength; l >= 0 && l != end-first {
		return o, fmt.Errorf("Content-Length is %d, not %d", l, end-first)
	}
	c := &comparer{content: d.content, at: first}
	if d.leaves {
		_, err := io.CopyN(c, answer.Body, (end-first)/2)
		o.Bytes = c.at - first
		return o, errors.Join(c.wrong, ignore(err))
	}
	var from io.Reader = answer.Body
	if d.slow {
		from = &hesitant{Reader: from}
	}
	_, err = io.Copy(c, struct{ io.Reader }{from})
	o.Bytes = c.at - first
	switch {
	case c.wrong != nil:
		return o, c.wrong
	case c.at > end:
		return o, fmt.Errorf("%d bytes too many", c.at-end)
	case err != nil:
		o.Told = true
		return o, d.judge(err)
	case c.at != end:
		return o, fmt.Errorf("CUT SHORT IN SILENCE: %d of %d bytes", c.at-first, end-first)
	}
	o.Whole = true
	return o, nil
}

// judge says whether a failure that the worker was told of should not have
// come. A reset may overtake the head of the first answer: then nothing had
// begun.
func (d *download) judge(failure error) error {
	if !d.mustSucceed() || bytes.Contains([]byte(failure.Error()), []byte("502 ")) && slices.Contains(d.faults, origin.Reset) {
		return nil
	}
	return fmt.Errorf("it failed for the worker: %w", failure)
}

// ignore is for errors of a worker that leaves anyway.
func ignore(error) error { return nil }

// place puts the file and its faults where they are met. selects is the part
// of the path by which they are.
func (d *download) place(y *Yard) (rawURL, selects string, err error) {
	host, selects := d.host, d.path
	switch d.host {
	case hub.Host:
		repo := "acme/" + d.path
		err := y.Hub.AddRepo(hub.Repo{Kind: hub.Models, ID: repo, Access: hub.Gated, Storage: hub.Storage(d.content.Size() % 3),
			Revisions: map[string][]hub.File{"main": {{Path: "f.bin", Content: d.content, Large: true}}}})
		if err != nil {
			return "", "", err
		}
		host, selects = "", origin.SHA256(d.content)
		rawURL = "https://" + hub.Host + "/" + repo + "/resolve/main/f.bin"
	case PlainHost:
		rawURL = "http://" + PlainHost + d.path
	default:
		rawURL = "https://" + d.host + d.path
	}
	for i, f := range d.faults {
		fault := origin.Fault{Kind: f, Host: host, Path: selects, Times: 1, After: d.at[i], Delay: time.Millisecond}
		switch f {
		case answer503:
			fault.Kind, fault.Status = origin.Answer, http.StatusServiceUnavailable
		case answer403:
			fault.Kind, fault.Status = origin.Answer, http.StatusForbidden
		}
		y.Server.Faults.Add(fault)
	}
	return rawURL, selects, nil
}
