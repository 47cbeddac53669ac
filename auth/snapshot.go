package auth

import (
	"sort"
	"sync"
)

// Options of a snapshot.
type Options struct {
	// Providers are every provider that credentials may name.
	Providers []Provider
	// Previous, if set, is a snapshot that was compiled with the same providers:
	// what is the same in both is not read again. It changes nothing of what
	// comes out.
	Previous *Snapshot
}

// Snapshot is one immutable state of teams, keys, credentials and links,
// compiled for deciding. All methods are pure and safe for concurrent use.
//
// Compile reads and checks everything; the tables by which a key's requests
// are matched are built when the key is first used, because a fleet has many
// keys of which few are busy.
type Snapshot struct {
	revision  uint64
	hosts     hostIndex
	providers map[string]*provider
	teams     map[string]*team
	keys      map[string]*keyEntry
	byHash    map[KeyHash]*keyEntry
	byURLHash map[KeyHash]*keyEntry
	byS3ID    map[string]*keyEntry
	// The secrets before the last ones, which end at a time of their own.
	byOldHash, byOldURLHash map[KeyHash]*keyEntry
	// expanded remembers expansions, for this snapshot and the next one: most
	// credentials of a provider have the same patterns. It is not changed any
	// more.
	expanded map[expansion][]Rule
}

// Revision is the revision of the state that s was compiled from.
func (s *Snapshot) Revision() uint64 { return s.revision }

// team holds what belongs to one tenant.
type team struct {
	id          string
	credentials []*credential

	once      sync.Once
	all       *book
	intercept *interception
}

// credential is a record with its rules.
type credential struct {
	record   Credential
	provider *provider
	rules    []*rule
}

// keyEntry is an API key with everything that its requests are decided by.
type keyEntry struct {
	snapshot *Snapshot
	record   Key
	team     *team
	linked   []*credential
	// routes are the key's routes, expanded; restricted says that there are
	// any.
	routes     []*rule
	restricted bool

	once sync.Once
	// book holds the rules of the linked credentials.
	book *book
	// allowed matches what the routes cover.
	allowed keyRoutes
	// providers are those of the linked credentials, routed those of which a
	// route covers a host.
	providers, routed []*provider
	// bare is the reason of every request that passes unmatched.
	bare string
}

// ready builds the tables of k.
func (k *keyEntry) ready() *keyEntry {
	k.once.Do(func() {
		for _, c := range k.linked {
			k.providers = appendProvider(k.providers, c.provider)
		}
		k.book = newBook(k.linked)
		k.allowed = newRoutes(k.routes, k.book.dialects)
		for _, r := range k.routes {
			for _, p := range k.snapshot.hosts.providersMeeting(r.pattern) {
				k.routed = appendProvider(k.routed, p)
			}
		}
		k.bare = "no credential that is linked to the API key " + quote(k.record.Name) + " matches; unmatched URLs pass and nothing is put on"
	})
	return k
}

// ready builds the team's table of all rules, linked or not.
func (t *team) ready() *team {
	t.once.Do(func() {
		var rules []*rule
		var used []*provider
		for _, c := range t.credentials {
			rules = append(rules, c.rules...)
			used = appendProvider(used, c.provider)
		}
		t.all = newBook(t.credentials)
		t.intercept = newInterception(rules, used)
	})
	return t
}

// appendProvider adds p unless it is there; the list stays sorted by name.
func appendProvider(list []*provider, p *provider) []*provider {
	i := sort.Search(len(list), func(i int) bool { return list[i].name >= p.name })
	if i < len(list) && list[i] == p {
		return list
	}
	list = append(list, nil)
	copy(list[i+1:], list[i:])
	list[i] = p
	return list
}

func hasProvider(list []*provider, p *provider) bool {
	for _, q := range list {
		if q == p {
			return true
		}
	}
	return false
}
