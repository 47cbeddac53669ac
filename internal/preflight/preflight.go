// Package preflight says for each file that a job is going to download whether
// it would come now, before a GPU is paid for: with which credential, whether
// the terms of a gated repository are accepted, and how long it is. It asks for
// one byte of each by the way that the job itself takes.
package preflight

import (
	"context"
	"strings"
	"sync"

	"github.com/weighbridge/weighbridge/internal/trial"
)

// File is what came of one file.
type File struct {
	URL string `json:"url"`
	// Ready says that it would download now.
	Ready bool `json:"ready"`
	// Later says that it cannot be told now, and asking again may help.
	Later bool `json:"later,omitempty"`
	trial.Result
	// Licence is accepted, not_accepted, not_needed, or empty where the
	// upstream does not tell.
	Licence string `json:"licence,omitempty"`
	// RetrySeconds is how long to wait before asking again.
	RetrySeconds int `json:"retry_after_seconds,omitempty"`
}

// Report is what came of all.
type Report struct {
	// Ready says that every file would download now.
	Ready bool   `json:"ready"`
	Files []File `json:"files"`
	// Bytes are those of the files whose length is known, Unknown how many
	// others there are.
	Bytes   int64 `json:"bytes"`
	Unknown int   `json:"unknown_sizes"`
}

// Run looks at sources, at most parallel at a time: URLs, and hf:// references,
// which stand for all files of a repository, or for one.
func Run(ctx context.Context, c *trial.Caller, sources []string, parallel int) (Report, error) {
	h := &hub{c: c, known: map[ref]*asked{}}
	var urls []string
	out := Report{Ready: true, Files: []File{}}
	for _, s := range sources {
		if !strings.HasPrefix(s, hubScheme) {
			urls = append(urls, s)
			continue
		}
		r, err := parseRef(s)
		if err != nil {
			return out, err
		}
		if r.file != "" {
			urls = append(urls, r.fileURL(r.file))
			continue
		}
		a, result := h.info(ctx, r)
		if a == nil {
			if result.OK() {
				result.Code, result.Detail, result.Next = trial.UpstreamFailed, "what the Hub says of the repository cannot be read", "Try again later."
			}
			out.add(File{URL: s, Later: result.Later(), Result: result})
			continue
		}
		for _, one := range a.Siblings {
			urls = append(urls, r.fileURL(one.Path))
		}
	}
	if len(urls) > 0 {
		var err error
		if urls, err = some(urls, nil); err != nil {
			return out, err
		}
	}
	files := make([]File, len(urls))
	var wg sync.WaitGroup
	turn := make(chan struct{}, max(1, parallel))
	for i, u := range urls {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			files[i] = h.look(ctx, u)
		})
	}
	wg.Wait()
	for _, f := range files {
		out.add(f)
	}
	return out, nil
}

func (r *Report) add(f File) {
	r.Ready = r.Ready && f.Ready
	if f.Size >= 0 {
		r.Bytes += f.Size
	} else {
		r.Unknown++
	}
	r.Files = append(r.Files, f)
}

// look asks for one file.
func (h *hub) look(ctx context.Context, raw string) File {
	r := h.c.Get(ctx, raw)
	f := File{URL: "(not a URL)", Ready: r.OK(), Later: r.Later(), Result: r, RetrySeconds: int(r.RetryAfter.Seconds())}
	u, err := trial.ParseURL(raw)
	if err != nil {
		return f
	}
	f.URL = trial.Shown(u)
	at, ok := refOf(u)
	switch {
	case r.Code == trial.LicenceNotAccepted:
		f.Licence = "not_accepted"
	case !ok || !r.OK():
	default:
		if a, _ := h.info(ctx, at); a != nil && a.gated() {
			f.Licence = "accepted"
		} else if a != nil {
			f.Licence = "not_needed"
		}
	}
	return f
}
