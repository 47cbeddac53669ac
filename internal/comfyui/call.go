package comfyui

import (
	"net/url"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// maxBody is how much of a request's body is looked at for the id of its
// client: workflows are long, and some clients write it behind them.
const maxBody = 1 << 20

// call is what a request asks of ComfyUI, as far as it matters to where it
// goes.
type call struct {
	// key is the id of the caller's API key.
	key string
	// path is that of the request without /api at its head, and words are its
	// segments, decoded: as the server is going to read them.
	path    string
	words   []string
	upgrade bool
	// submits a prompt, uploads a file, asks for the history of a prompt.
	submits, uploads, history bool
	// writes says that a GET changes something.
	writes bool
	// client is the id that a client chose for itself, prompts those of the
	// prompts that the request is about, file what /view names.
	client  string
	prompts []string
	file    string
}

// readCall reads a request.
func readCall(w *auth.Wish) (*call, error) {
	// ComfyUI serves all of its API below /api as well.
	c := &call{key: w.Identity.KeyID, path: w.Path, upgrade: w.Upgrade}
	if rest, ok := strings.CutPrefix(c.path, "/api/"); ok {
		c.path = "/" + rest
	}
	for s := range strings.SplitSeq(strings.TrimPrefix(c.path, "/"), "/") {
		if plain, err := url.PathUnescape(s); err == nil {
			s = plain
		}
		c.words = append(c.words, s)
	}
	if c.word(0) == "api" { // in another spelling
		c.words = c.words[1:]
	}
	q, _ := url.ParseQuery(w.RawQuery)
	c.client = firstOf(q, "clientId", "client_id")
	if id := firstOf(q, "prompt_id", "promptId"); id != "" {
		c.prompts = append(c.prompts, id)
	}
	post := w.Method == "POST"
	switch first, second := c.word(0), c.word(1); first {
	case "prompt":
		c.submits = post
	case "upload":
		c.uploads = post
	case "history", "history_v2", "job", "jobs":
		if second != "" {
			c.prompts = append(c.prompts, second)
		}
		c.history = w.Method == "GET" && strings.HasPrefix(first, "history")
	case "view":
		if name := q.Get("filename"); name != "" {
			c.file = fileName(q.Get("type"), q.Get("subfolder"), name)
		}
	}
	c.writes = c.manages()
	// What a key may not do anyway is not worth the reading.
	if post && w.Peek != nil && w.Identity.Scope == auth.ScopeWrite && !w.Identity.ViaURLKey {
		switch c.word(0) {
		case "prompt", "queue", "history", "interrupt":
			b, err := w.Peek(maxBody)
			if err != nil {
				return nil, err
			}
			c.readBody(b)
		}
	}
	return c, nil
}

func (c *call) word(i int) string {
	if i < len(c.words) {
		return c.words[i]
	}
	return ""
}

// manages reports whether a path is one of ComfyUI-Manager's, which installs,
// switches and restarts by GET too (its v2 and v4 interface).
//
// A server in front of ComfyUI may hand a path on with its slashes decoded and
// merged (nginx does, where proxy_pass has a path), so it is read like that.
func (c *call) manages() bool {
	words := strings.FieldsFunc(strings.Join(c.words, "/"), func(r rune) bool { return r == '/' })
	words = append(words, "", "", "")
	if words[0] == "api" {
		words = words[1:]
	}
	if len(words[0]) == 2 && words[0][0] == 'v' {
		words = words[1:]
	}
	switch words[0] {
	case "manager", "customnode", "externalmodel", "snapshot", "comfyui_manager":
		return true
	}
	return false
}

func firstOf(q url.Values, names ...string) string {
	for _, n := range names {
		if v := q.Get(n); v != "" {
			return v
		}
	}
	return ""
}
