package store

import "github.com/weighbridge/weighbridge/auth"

// batch is a set of changes to the model: rows put by their key, and keys of
// rows deleted. No key is in both.
type batch struct {
	teams    map[string]auth.Team
	creds    map[string]auth.Credential
	keys     map[string]auth.Key
	links    map[linkKey]linkRow
	sealed   map[string]sealedRow
	deks     map[string]dekRow
	chains   map[string]chainRow
	accounts accountEdits
	delTeams map[string]bool
	delCreds map[string]bool
	delKeys  map[string]bool
	delLinks map[linkKey]bool
	delPlace map[string]bool // of sealed and deks
	delDEKs  map[string]bool // of deks alone
	head     head
	// findings says that creds differ in nothing that a decision is made of.
	findings bool
}

func newBatch() *batch {
	return &batch{
		teams: map[string]auth.Team{}, creds: map[string]auth.Credential{}, keys: map[string]auth.Key{},
		links: map[linkKey]linkRow{}, sealed: map[string]sealedRow{}, deks: map[string]dekRow{}, chains: map[string]chainRow{},
		delTeams: map[string]bool{},
		delCreds: map[string]bool{}, delKeys: map[string]bool{}, delLinks: map[linkKey]bool{}, delPlace: map[string]bool{}, delDEKs: map[string]bool{},
	}
}

// changesState reports whether what State returns differs after b.
func (b *batch) changesState(m *model) bool {
	creds := len(b.creds)
	if b.findings {
		creds = 0
	}
	if len(b.teams)+len(b.delTeams)+creds+len(b.keys)+len(b.delCreds)+len(b.delKeys)+len(b.delLinks) > 0 {
		return true
	}
	for k := range b.links {
		if _, old := m.links[k]; !old {
			return true
		}
	}
	return false
}

// countsAfter says how many rows each table will have after b.
func (m *model) countsAfter(b *batch) map[string]int {
	n := m.counts()
	n[bucketTeams] += added(b.teams, func(id string) bool { return m.team(id) != nil }) - len(b.delTeams)
	n[bucketCredentials] += added(b.creds, func(id string) bool { return m.credential(id) != nil }) - len(b.delCreds)
	n[bucketKeys] += added(b.keys, func(id string) bool { return m.key(id) != nil }) - len(b.delKeys)
	n[bucketLinks] += added(b.links, func(k linkKey) bool { _, ok := m.links[k]; return ok }) - len(b.delLinks)
	n[bucketSealed] += added(b.sealed, func(p string) bool { _, ok := m.sealed[p]; return ok })
	n[bucketDEKs] += added(b.deks, func(p string) bool { _, ok := m.deks[p]; return ok })
	n[bucketChains] += added(b.chains, func(k string) bool { _, ok := m.chains[k]; return ok })
	for place := range b.delPlace {
		if _, ok := m.sealed[place]; ok {
			n[bucketSealed]--
		}
		if _, ok := m.deks[place]; ok {
			n[bucketDEKs]--
		}
	}
	for place := range b.delDEKs {
		if _, ok := m.deks[place]; ok {
			n[bucketDEKs]--
		}
	}
	m.accounts.countAfter(n, &b.accounts)
	return n
}

func added[K comparable, V any](put map[K]V, has func(K) bool) int {
	n := 0
	for k := range put {
		if !has(k) {
			n++
		}
	}
	return n
}
