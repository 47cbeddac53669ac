package store

import (
	"cmp"
	"maps"
	"slices"

	"github.com/weighbridge/weighbridge/auth"
)

// memberKey names a membership.
type memberKey struct{ teamID, userID string }

// row is the key of the membership's row. Ids hold no slash.
func (k memberKey) row() string { return k.teamID + "/" + k.userID }

func memberKeyOf(m *auth.Membership) memberKey { return memberKey{m.TeamID, m.UserID} }

type subjectKey struct{ issuer, subject string }

// accounts is the half of the model that says who may call the admin API. Its
// rows are values without anything shared: what a reader copies stays as it is.
type accounts struct {
	users    map[string]auth.User
	emails   map[string]string     // -> user id
	subjects map[subjectKey]string // -> user id

	members map[memberKey]auth.Membership

	tokens      map[string]auth.AccessToken
	tokenNames  map[nameKey]string      // -> token id
	tokenHashes map[auth.KeyHash]string // -> token id

	sessions map[string]auth.Session
	families map[auth.KeyHash]string // -> session id

	replies map[string]Reply
}

func newAccounts() accounts {
	return accounts{
		users: map[string]auth.User{}, emails: map[string]string{}, subjects: map[subjectKey]string{},
		members: map[memberKey]auth.Membership{},
		tokens:  map[string]auth.AccessToken{}, tokenNames: map[nameKey]string{}, tokenHashes: map[auth.KeyHash]string{},
		sessions: map[string]auth.Session{}, families: map[auth.KeyHash]string{},
		replies: map[string]Reply{},
	}
}

// edits is what a transaction does to one table of the accounts. No key is in
// both.
type edits[K comparable, V any] struct {
	put map[K]V
	del map[K]bool
}

func (e *edits[K, V]) set(k K, v V) {
	if e.put == nil {
		e.put = map[K]V{}
	}
	e.put[k] = v
}

func (e *edits[K, V]) remove(k K) {
	if e.del == nil {
		e.del = map[K]bool{}
	}
	e.del[k] = true
}

func (e *edits[K, V]) len() int { return len(e.put) + len(e.del) }

// growth is by how many rows rows grows.
func (e *edits[K, V]) growth(rows map[K]V) int {
	has := func(k K) bool { _, ok := rows[k]; return ok }
	return added(e.put, has) + added(e.del, has) - len(e.del)
}

// apply makes e part of rows, after telling gone of every row that goes or is
// replaced.
func (e *edits[K, V]) apply(rows map[K]V, gone func(V)) {
	for k := range both(maps.Keys(e.put), maps.Keys(e.del)) {
		if old, ok := rows[k]; ok {
			gone(old)
		}
	}
	for k := range e.del {
		delete(rows, k)
	}
	maps.Copy(rows, e.put)
}

// accountEdits is what a transaction does to the accounts.
type accountEdits struct {
	users    edits[string, auth.User]
	members  edits[memberKey, auth.Membership]
	tokens   edits[string, auth.AccessToken]
	sessions edits[string, auth.Session]
	replies  edits[string, Reply]
}

func (e *accountEdits) len() int {
	return e.users.len() + e.members.len() + e.tokens.len() + e.sessions.len() + e.replies.len()
}

// install makes e part of a, indexes and all.
func (a *accounts) install(e *accountEdits) {
	e.users.apply(a.users, func(u auth.User) {
		delete(a.emails, u.Email)
		delete(a.subjects, subjectKey{u.Issuer, u.Subject})
	})
	for id, u := range e.users.put {
		a.emails[u.Email] = id
		if u.Subject != "" {
			a.subjects[subjectKey{u.Issuer, u.Subject}] = id
		}
	}
	e.members.apply(a.members, func(auth.Membership) {})
	e.tokens.apply(a.tokens, func(t auth.AccessToken) {
		delete(a.tokenNames, nameKey{t.TeamID, t.Name})
		delete(a.tokenHashes, t.Hash)
	})
	for id, t := range e.tokens.put {
		a.tokenNames[nameKey{t.TeamID, t.Name}], a.tokenHashes[t.Hash] = id, id
	}
	e.sessions.apply(a.sessions, func(s auth.Session) { delete(a.families, s.Family) })
	for id, s := range e.sessions.put {
		a.families[s.Family] = id
	}
	e.replies.apply(a.replies, func(Reply) {})
}

// count adds how many rows each table of the accounts has.
func (a *accounts) count(n map[string]int) {
	n[bucketUsers], n[bucketMembers], n[bucketTokens], n[bucketSessions] = len(a.users), len(a.members), len(a.tokens), len(a.sessions)
	n[bucketReplies] = len(a.replies)
}

// countAfter adds how many rows come or go with e.
func (a *accounts) countAfter(n map[string]int, e *accountEdits) {
	n[bucketUsers] += e.users.growth(a.users)
	n[bucketMembers] += e.members.growth(a.members)
	n[bucketTokens] += e.tokens.growth(a.tokens)
	n[bucketSessions] += e.sessions.growth(a.sessions)
	n[bucketReplies] += e.replies.growth(a.replies)
}

// findUser resolves an id or an e-mail address.
func (a *accounts) findUser(ref string) (auth.User, error) {
	if u, ok := a.users[ref]; ok {
		return u, nil
	}
	email, err := auth.CanonicalEmail(ref)
	if err == nil {
		if u, ok := a.users[a.emails[email]]; ok {
			return u, nil
		}
	}
	return auth.User{}, notFound(whatUser, ref)
}

// findToken resolves an id or a name within a team.
func (a *accounts) findToken(teamID, ref string) (auth.AccessToken, error) {
	t, ok := a.tokens[ref]
	if !ok {
		t, ok = a.tokens[a.tokenNames[nameKey{teamID, ref}]]
	}
	if !ok || t.TeamID != teamID {
		return auth.AccessToken{}, notFound(whatToken, ref)
	}
	return t, nil
}

// membersWhere lists memberships in the order of their rows.
func (a *accounts) membersWhere(is func(*auth.Membership) bool) []auth.Membership {
	return where(a.members, is, func(x, y *auth.Membership) int {
		return cmp.Or(cmp.Compare(x.TeamID, y.TeamID), cmp.Compare(x.UserID, y.UserID))
	})
}

// where lists the rows for which is holds, in order. It is never nil.
func where[K comparable, V any](rows map[K]V, is func(*V) bool, order func(x, y *V) int) []V {
	out := []V{}
	for _, v := range rows {
		if is(&v) {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(x, y V) int { return order(&x, &y) })
	return out
}

// loseOwner says whether the team may go without what the user is in it.
func (m *model) loseOwner(teamID, userID string) error {
	if m.accounts.members[memberKey{teamID, userID}].Role != auth.RoleOwner {
		return nil
	}
	for k, other := range m.accounts.members {
		if k.teamID != teamID || k.userID == userID || other.Role != auth.RoleOwner {
			continue
		}
		if u := m.accounts.users[k.userID]; !u.Disabled() {
			return nil
		}
	}
	return conflict(whatTeam, m.team(teamID).Name, "it would lose its last owner", "make another member its owner first")
}
