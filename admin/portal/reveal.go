package portal

import (
	"github.com/weighbridge/weighbridge/admin"
)

// revealed is what is shown in the answer that made it, and in no other page.
type revealed struct {
	// Secrets are the values themselves, each with what it is.
	Secrets []lines
	Ways    []way
	// Reach is how the worker reaches weighbridge.
	Reach reach
	// Watch is the API key whose first request is waited for.
	Watch string
}

type keyRevealed struct {
	Key      admin.Key
	New      bool
	Revealed *revealed
}

// reveal is what is shown of an API key that was made, once: nil where its
// secret is not in the answer, because that was given before.
func (v *visit) reveal(k *admin.Key, r reach, sys *admin.System) (*revealed, error) {
	if k.Key == "" && k.URLKey == "" {
		return nil, nil
	}
	out := &revealed{Reach: r}
	if k.URLKey != "" {
		out.Secrets = append(out.Secrets, lines{"url-key", v.say("reveal.url-key"), r.Proxy + "/.weighbridge/k/" + k.URLKey + "/"})
	}
	if k.Key == "" {
		return out, nil
	}
	out.Secrets = append([]lines{{"api-key", v.say("reveal.key"), k.Key}}, out.Secrets...)
	w, err := v.workerOf(k, r, sys)
	if err != nil {
		return nil, err
	}
	out.Ways, err = v.ways(w)
	return out, err
}

// revealKey answers with the secret of a key, or leads to the key where it was
// shown before.
func (v *visit) revealKey(k *admin.Key, r reach, sys *admin.System, fresh bool) error {
	out, err := v.reveal(k, r, sys)
	if err != nil {
		return err
	}
	if out == nil {
		return v.redirect(v.thing("keys", k.Name, k.ID), "shown-once")
	}
	if fresh {
		out.Watch = k.ID
	}
	return v.render("key-revealed.html", keyRevealed{Key: *k, New: fresh, Revealed: out})
}
