package store

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"sort"

	"github.com/weighbridge/weighbridge/auth"
)

// nameKey is a name within its team.
type nameKey struct{ teamID, name string }

// linkKey names a link.
type linkKey struct{ credentialID, keyID string }

// model is the decoded copy of all rows but the events. Readers hold slices of
// state: what is in them is never changed in place, new rows are appended
// behind what readers see or a new slice is built.
type model struct {
	state auth.State
	head  head

	teamNames map[string]string // name -> id
	credNames map[nameKey]string
	keyNames  map[nameKey]string
	// hashes are those of API keys and of URL keys in one: a body that is both
	// would be two identities.
	hashes map[auth.KeyHash]string // -> key id
	// s3IDs are those of S3 access keys.
	s3IDs  map[string]string // -> key id
	links  map[linkKey]bool  // -> declarative
	sealed map[string]sealedRow
	deks   map[string]dekRow
	chains map[string]chainRow // by row key

	accounts accounts
}

func newModel() *model {
	return &model{
		teamNames: map[string]string{},
		credNames: map[nameKey]string{},
		keyNames:  map[nameKey]string{},
		hashes:    map[auth.KeyHash]string{},
		s3IDs:     map[string]string{},
		links:     map[linkKey]bool{},
		sealed:    map[string]sealedRow{},
		deks:      map[string]dekRow{},
		chains:    map[string]chainRow{},
		accounts:  newAccounts(),
	}
}

// next is the state after b. It leaves m as it is, so that readers go on while
// slices are built. b's head must be complete.
func (m *model) next(b *batch) auth.State {
	return auth.State{
		Revision:    b.head.Revision,
		Teams:       merge(m.state.Teams, b.teams, b.delTeams, func(t *auth.Team) string { return t.ID }),
		Credentials: merge(m.state.Credentials, b.creds, b.delCreds, func(c *auth.Credential) string { return c.ID }),
		Keys:        merge(m.state.Keys, b.keys, b.delKeys, func(k *auth.Key) string { return k.ID }),
		Links:       m.nextLinks(b),
	}
}

func (m *model) nextLinks(b *batch) []auth.Link {
	links := m.state.Links
	if len(b.delLinks) > 0 {
		kept := make([]auth.Link, 0, len(links)+len(b.links))
		for _, l := range links {
			if !b.delLinks[linkKey{l.CredentialID, l.KeyID}] {
				kept = append(kept, l)
			}
		}
		links = kept
	}
	var fresh []auth.Link
	for k, row := range b.links {
		if _, old := m.links[k]; !old {
			fresh = append(fresh, auth.Link{CredentialID: k.credentialID, KeyID: k.keyID, CreatedAt: row.CreatedAt})
		}
	}
	slices.SortFunc(fresh, func(a, b auth.Link) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.CredentialID, b.CredentialID), cmp.Compare(a.KeyID, b.KeyID))
	})
	return append(links, fresh...)
}

// install makes b, and the state that next made of it, part of m. Indexes lose
// all that goes before they gain what comes, so that rows may exchange names or
// hashes within one batch.
func (m *model) install(b *batch, state auth.State) {
	for id := range both(maps.Keys(b.creds), maps.Keys(b.delCreds)) {
		if c := m.credential(id); c != nil {
			delete(m.credNames, nameKey{c.TeamID, c.Name})
		}
	}
	for id := range both(maps.Keys(b.keys), maps.Keys(b.delKeys)) {
		if k := m.key(id); k != nil {
			delete(m.keyNames, nameKey{k.TeamID, k.Name})
			delete(m.hashes, k.Hash)
			delete(m.hashes, k.URLKeyHash)
			if k.S3 != nil {
				delete(m.s3IDs, k.S3.AccessKeyID)
			}
		}
	}
	for id := range both(maps.Keys(b.teams), maps.Keys(b.delTeams)) {
		if t := m.team(id); t != nil {
			delete(m.teamNames, t.Name)
		}
	}
	for id, t := range b.teams {
		m.teamNames[t.Name] = id
	}
	for id, c := range b.creds {
		m.credNames[nameKey{c.TeamID, c.Name}] = id
	}
	for id, k := range b.keys {
		m.keyNames[nameKey{k.TeamID, k.Name}] = id
		if !k.Hash.IsZero() {
			m.hashes[k.Hash] = id
		}
		if k.S3 != nil {
			m.s3IDs[k.S3.AccessKeyID] = id
		}
		if !k.URLKeyHash.IsZero() {
			m.hashes[k.URLKeyHash] = id
		}
	}
	for k := range b.delLinks {
		delete(m.links, k)
	}
	for k, row := range b.links {
		m.links[k] = row.Declarative
	}
	for place := range b.delPlace {
		delete(m.sealed, place)
		delete(m.deks, place)
	}
	for place := range b.delDEKs {
		delete(m.deks, place)
	}
	maps.Copy(m.sealed, b.sealed)
	maps.Copy(m.deks, b.deks)
	maps.Copy(m.chains, b.chains)
	m.accounts.install(&b.accounts)
	m.head, m.state = b.head, state
}

// merge returns old, which is sorted by id, with the rows of put in it and
// those of del gone. What readers of old see stays as it is: where put only
// adds behind the last row, the rows are appended in place (nobody else ever
// appends to the newest slice), otherwise a new slice is built.
func merge[T any](old []T, put map[string]T, del map[string]bool, id func(*T) string) []T {
	if len(put) == 0 && len(del) == 0 {
		return old
	}
	fresh := slices.Sorted(maps.Keys(put))
	if len(del) == 0 && (len(old) == 0 || id(&old[len(old)-1]) < fresh[0]) {
		for _, k := range fresh {
			old = append(old, put[k])
		}
		return old
	}
	out := make([]T, 0, len(old)+len(fresh))
	for i := range old {
		oldID := id(&old[i])
		for len(fresh) > 0 && fresh[0] < oldID {
			out = append(out, put[fresh[0]])
			fresh = fresh[1:]
		}
		switch {
		case len(fresh) > 0 && fresh[0] == oldID:
			out = append(out, put[oldID])
			fresh = fresh[1:]
		case !del[oldID]:
			out = append(out, old[i])
		}
	}
	for _, k := range fresh {
		out = append(out, put[k])
	}
	return out
}

// credential finds a credential by its id; the result must not be changed.
func (m *model) credential(id string) *auth.Credential {
	return find(m.state.Credentials, id, func(c *auth.Credential) string { return c.ID })
}

// key finds an API key by its id; the result must not be changed.
func (m *model) key(id string) *auth.Key {
	return find(m.state.Keys, id, func(k *auth.Key) string { return k.ID })
}

// team finds a team by its id; the result must not be changed.
func (m *model) team(id string) *auth.Team {
	return find(m.state.Teams, id, func(t *auth.Team) string { return t.ID })
}

// find searches rows, which are sorted by id.
func find[T any](rows []T, id string, idOf func(*T) string) *T {
	i := sort.Search(len(rows), func(i int) bool { return idOf(&rows[i]) >= id })
	if i == len(rows) || idOf(&rows[i]) != id {
		return nil
	}
	return &rows[i]
}

// both yields a, then b.
func both[T any](a, b iter.Seq[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for v := range a {
			if !yield(v) {
				return
			}
		}
		b(yield)
	}
}

// counts says how many rows each table has.
func (m *model) counts() map[string]int {
	n := map[string]int{
		bucketTeams: len(m.state.Teams), bucketCredentials: len(m.state.Credentials), bucketKeys: len(m.state.Keys),
		bucketLinks: len(m.links), bucketSealed: len(m.sealed), bucketDEKs: len(m.deks),
		bucketChains: len(m.chains),
	}
	m.accounts.count(n)
	return n
}
