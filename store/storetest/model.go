package storetest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// plain is the obvious store: names, values and links in maps.
type plain struct {
	creds map[string]string // name -> token
	keys  map[string]bool
	links map[[2]string]bool
}

// model drives the store and the obvious one with the same acts and compares
// what they hold after each.
func model(t *testing.T, open Opener) {
	runs, most := 0, 25 // a commit to a disk takes its time
	if os.Getenv("WEIGHBRIDGE_SOAK") == "1" {
		most = 1000
	}
	rapid.Check(t, func(r *rapid.T) {
		if runs++; runs > most && !t.Failed() {
			return
		}
		h := newHouse(t, open)
		m := &plain{map[string]string{}, map[string]bool{}, map[[2]string]bool{}}
		name := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		token := rapid.StringMatching(`[a-z]{1,8}`)
		want := func(err error, kind error) {
			if !errors.Is(err, kind) {
				r.Fatalf("error is %v, want %v", err, kind)
			}
		}
		r.Repeat(map[string]func(*rapid.T){
			"create credential": func(r *rapid.T) {
				n, v := name.Draw(r, "name"), token.Draw(r, "token")
				_, err := h.CreateCredential(h.ctx, newCredential(h.team, n), fields("token", v), nil, actor())
				if _, ok := m.creds[n]; ok {
					want(err, store.ErrExists)
					return
				}
				want(err, nil)
				m.creds[n] = v
			},
			"update credential": func(r *rapid.T) {
				n, to, v := name.Draw(r, "name"), name.Draw(r, "to"), token.Draw(r, "token")
				_, err := h.UpdateCredential(h.ctx, h.team, n, func(c *auth.Credential) error { c.Name = to; return nil }, fields("token", v), actor())
				_, ok := m.creds[n]
				_, clash := m.creds[to]
				switch {
				case !ok:
					want(err, store.ErrNotFound)
				case clash && to != n:
					want(err, store.ErrExists)
				default:
					want(err, nil)
					delete(m.creds, n)
					m.creds[to] = v
					for l := range maps.Clone(m.links) {
						if l[0] == n {
							delete(m.links, l)
							m.links[[2]string{to, l[1]}] = true
						}
					}
				}
			},
			"delete credential": func(r *rapid.T) {
				n := name.Draw(r, "name")
				err := h.DeleteCredential(h.ctx, h.team, n, actor())
				if _, ok := m.creds[n]; !ok {
					want(err, store.ErrNotFound)
					return
				}
				want(err, nil)
				delete(m.creds, n)
				maps.DeleteFunc(m.links, func(l [2]string, _ bool) bool { return l[0] == n })
			},
			"create key": func(r *rapid.T) {
				n, linked := name.Draw(r, "name"), rapid.SliceOfDistinct(name, rapid.ID).Draw(r, "credentials")
				_, err := h.CreateKey(h.ctx, newKey(h.team, n), linked, actor())
				missing := slices.ContainsFunc(linked, func(c string) bool { _, ok := m.creds[c]; return !ok })
				switch {
				case m.keys[n]:
					want(err, store.ErrExists)
				case missing:
					want(err, store.ErrNotFound)
				default:
					want(err, nil)
					m.keys[n] = true
					for _, c := range linked {
						m.links[[2]string{c, n}] = true
					}
				}
			},
			"delete key": func(r *rapid.T) {
				n := name.Draw(r, "name")
				err := h.DeleteKey(h.ctx, h.team, n, actor())
				if !m.keys[n] {
					want(err, store.ErrNotFound)
					return
				}
				want(err, nil)
				delete(m.keys, n)
				maps.DeleteFunc(m.links, func(l [2]string, _ bool) bool { return l[1] == n })
			},
			"link": func(r *rapid.T) {
				l, on := [2]string{name.Draw(r, "credential"), name.Draw(r, "key")}, rapid.Bool().Draw(r, "on")
				act := h.Link
				if !on {
					act = h.Unlink
				}
				changed, err := act(h.ctx, h.team, l[0], l[1], actor())
				if _, ok := m.creds[l[0]]; !ok || !m.keys[l[1]] {
					want(err, store.ErrNotFound)
					return
				}
				want(err, nil)
				if changed != (m.links[l] != on) {
					r.Fatalf("changed is %v", changed)
				}
				delete(m.links, l)
				if on {
					m.links[l] = true
				}
			},
			"reopen": func(r *rapid.T) {
				if h.reopen == nil || rapid.IntRange(0, 9).Draw(r, "dice") > 0 {
					r.Skip("not now")
				}
				h.reopen()
			},
			"": func(r *rapid.T) {
				if got, want := h.describe(), m.describe(); got != want {
					r.Fatalf("the store holds\n%s\nand should hold\n%s", got, want)
				}
			},
		})
	})
}

func (p *plain) describe() string {
	var out []string
	for n, v := range p.creds {
		out = append(out, fmt.Sprintf("credential %s: %s", n, v))
	}
	for n := range p.keys {
		out = append(out, "key "+n)
	}
	for l := range p.links {
		out = append(out, "link "+l[0]+" "+l[1])
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func (h *house) describe() string {
	h.t.Helper()
	s := h.state()
	var out []string
	credName, keyName := map[string]string{}, map[string]string{}
	for _, c := range s.Credentials {
		credName[c.ID] = c.Name
		out = append(out, fmt.Sprintf("credential %s: %s", c.Name, h.fields(c)["token"].Reveal()))
	}
	for _, k := range s.Keys {
		keyName[k.ID] = k.Name
		out = append(out, "key "+k.Name)
	}
	for _, l := range s.Links {
		out = append(out, "link "+credName[l.CredentialID]+" "+keyName[l.KeyID])
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}
