package comfyui

import (
	"bytes"
	"encoding/json"
)

// The longest answers that are looked into, in bytes: that to a prompt is an id
// and the mistakes in it; a history has the workflow in it.
const (
	maxSubmitted = 64 << 10
	maxHistory   = 1 << 20
)

// readBody takes the ids out of a request's body, of which b may be the
// beginning only. What cannot be read names nothing: the server is the one to
// refuse it.
func (c *call) readBody(b []byte) {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return
		}
		switch name {
		case "client_id":
			var id string
			if json.Unmarshal(v, &id) == nil && id != "" {
				c.client = id
			}
		case "prompt_id":
			var id string
			if json.Unmarshal(v, &id) == nil && id != "" {
				c.prompts = append(c.prompts, id)
			}
		case "delete": // of the queue or the history
			var ids []string
			if json.Unmarshal(v, &ids) == nil {
				c.prompts = append(c.prompts, ids...)
			}
		}
	}
}

// submittedID is the id in the answer to a prompt, or empty.
func submittedID(body []byte) string {
	var a struct {
		PromptID string `json:"prompt_id"`
	}
	if json.Unmarshal(body, &a) != nil {
		return ""
	}
	return a.PromptID
}

// maxFiles bounds what is taken from one history.
const maxFiles = 1024

// filesIn are the files that a history names as outputs: whatever kind they are
// of, they stand in lists of objects with filename, subfolder and type.
func filesIn(body []byte) (out []string) {
	type entry struct {
		Outputs map[string]map[string]json.RawMessage `json:"outputs"`
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(body, &all) != nil {
		return nil
	}
	for _, raw := range all {
		var e entry
		if json.Unmarshal(raw, &e) != nil {
			continue
		}
		for _, kinds := range e.Outputs {
			for _, list := range kinds {
				var files []struct{ Filename, Subfolder, Type string }
				if json.Unmarshal(list, &files) != nil {
					continue
				}
				for _, f := range files {
					if f.Filename != "" && len(out) < maxFiles {
						out = append(out, fileName(f.Type, f.Subfolder, f.Filename))
					}
				}
			}
		}
	}
	return out
}

// fileName names a file of a server as one text. The kind is output where none
// is said, as ComfyUI has it.
func fileName(kind, folder, name string) string {
	if kind == "" {
		kind = "output"
	}
	return kind + "\x00" + folder + "\x00" + name
}
