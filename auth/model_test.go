package auth

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// genState draws a small house: two teams, credentials of all statuses, keys
// of all kinds, links at random.
func genState() *rapid.Generator[State] {
	return rapid.Custom(func(t *rapid.T) State {
		var s State
		team := rapid.SampledFrom([]string{"t1", "t1", "t1", "t2"})
		pattern := rapid.Custom(func(t *rapid.T) string {
			for {
				if p, err := ParsePattern(genPattern().Draw(t, "text")); err == nil {
					return p.String()
				}
			}
		})
		for i := range rapid.IntRange(0, 5).Draw(t, "credentials") {
			c := Credential{
				ID: fmt.Sprintf("c%d", i), Name: fmt.Sprintf("cred-%d", i), TeamID: team.Draw(t, "team"), Version: uint64(i + 1),
				Provider:  rapid.SampledFrom([]string{"hub", "hub", "bearer"}).Draw(t, "provider"),
				Status:    rapid.SampledFrom([]Status{StatusValid, StatusValid, StatusValid, StatusPending, StatusInvalid, StatusExpired, StatusRevoked, ""}).Draw(t, "status"),
				Patterns:  rapid.SliceOfN(pattern, 1, 3).Draw(t, "patterns"),
				CreatedAt: testNow.AddDate(0, 0, -rapid.IntRange(0, 2).Draw(t, "age")),
			}
			c.ExpiresAt = rapid.SampledFrom([]time.Time{{}, {}, testNow, testNow.Add(time.Hour), testNow.Add(-time.Hour)}).Draw(t, "expires")
			s.Credentials = append(s.Credentials, c)
		}
		for i := range 2 {
			k := Key{
				ID: fmt.Sprintf("k%d", i), Name: fmt.Sprintf("key-%d", i), TeamID: "t1",
				Scope:     rapid.SampledFrom([]Scope{"", ScopeRead, ScopeWrite}).Draw(t, "scope"),
				Unmatched: rapid.SampledFrom([]UnmatchedPolicy{UnmatchedInherit, UnmatchedPass, UnmatchedDeny}).Draw(t, "unmatched"),
			}
			k.ExpiresAt = rapid.SampledFrom([]time.Time{{}, {}, {}, {}, {}, {}, {}, testNow.Add(time.Hour), testNow}).Draw(t, "key expires")
			if rapid.IntRange(0, 2).Draw(t, "restricted") == 2 {
				k.Routes = rapid.SliceOfN(pattern, 1, 3).Draw(t, "routes")
				for _, c := range s.Credentials {
					if rapid.Bool().Draw(t, "route of a credential") {
						k.Routes = append(k.Routes, c.Patterns...)
					}
				}
			}
			if rapid.IntRange(0, 15).Draw(t, "revoked") == 9 {
				k.RevokedAt = testNow.Add(-time.Hour)
			}
			s.Keys = append(s.Keys, k)
			for _, c := range s.Credentials {
				if c.TeamID == k.TeamID && rapid.IntRange(0, 2).Draw(t, "linked") > 0 {
					s.Links = append(s.Links, Link{CredentialID: c.ID, KeyID: k.ID})
				}
			}
		}
		return s
	})
}

// genNear draws a URL that one of the patterns matches, or nearly so.
func genNear(patterns []string) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if len(patterns) == 0 || rapid.IntRange(0, 2).Draw(t, "far") == 0 {
			return genURL().Draw(t, "any")
		}
		p := refParse(rapid.SampledFrom(patterns).Draw(t, "near"))
		path := ""
		for i, seg := range p.path {
			switch {
			case seg == "**":
				seg = rapid.SampledFrom([]string{"a", "a/b"}).Draw(t, "deep")
			case seg == "*" && i == len(p.path)-1:
				seg = rapid.SampledFrom([]string{"", "a", "b/c", "whoami", "write-token/x", "objects/batch"}).Draw(t, "tail")
			default:
				seg = strings.ReplaceAll(seg, "*", rapid.SampledFrom([]string{"a", "b", ""}).Draw(t, "star"))
			}
			path += "/" + seg
		}
		if rapid.IntRange(0, 4).Draw(t, "encode a slash") == 0 {
			i := strings.LastIndexByte(path, '/')
			path = "/" + strings.Replace(path[1:min(i+1, len(path))], "/", "%2F", 1) + path[min(i+1, len(path)):]
		}
		host := strings.ReplaceAll(p.host, "*", "b")
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return p.scheme + "://" + host + ":" + p.port + path + rapid.SampledFrom([]string{"", "", "", "?sig=x&se=y&sduoid=z", "?a"}).Draw(t, "query")
	})
}

func genQuestion(patterns []string) *rapid.Generator[Question] {
	return rapid.Custom(func(t *rapid.T) Question {
		target := func(label string) Target {
			for {
				if u, err := ParseURL(genNear(patterns).Draw(t, label)); err == nil {
					return u
				}
			}
		}
		q := Question{
			Method:    rapid.SampledFrom([]string{"GET", "GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "get", "PROPFIND"}).Draw(t, "method"),
			Target:    target("url"),
			Unmatched: rapid.SampledFrom([]UnmatchedPolicy{UnmatchedInherit, UnmatchedPass, UnmatchedDeny}).Draw(t, "unmatched"),
			Now:       testNow,
		}
		if rapid.IntRange(0, 4).Draw(t, "boxed") == 0 {
			q.Boxed, q.Origin = true, target("origin")
		}
		if rapid.IntRange(0, 4).Draw(t, "body") == 0 {
			q.HasBody = true
			q.Body = []byte(rapid.SampledFrom([]string{"", "download", "upload"}).Draw(t, "body text"))
			q.ContentEncoding = rapid.SampledFrom([]string{"", "", "gzip"}).Draw(t, "encoding")
		}
		q.Identity.ViaURLKey = rapid.IntRange(0, 5).Draw(t, "via url key") == 0
		return q
	})
}

// TestR27_DecisionEqualsReference draws houses and requests and compares
// every decision with the slow reference. `-rapid.checks=3000` makes it more
// than 100,000 decisions.
func TestR27_DecisionEqualsReference(t *testing.T) {
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		state := genState().Draw(t, "state")
		snap, err := Compile(state, Options{Providers: testProviders})
		if err != nil {
			t.Fatal(err)
		}
		var patterns []string
		for _, r := range refRules(state, func(*Credential) bool { return true }) {
			patterns = append(patterns, r.rule.Pattern.String())
		}
		for range 40 {
			q := genQuestion(patterns).Draw(t, "question")
			keyID := rapid.SampledFrom([]string{"k0", "k1"}).Draw(t, "key")
			want := refDecide(state, keyID, q)
			id, err := snap.IdentifyID(keyID, testNow)
			if err != nil {
				if code := AsError(err).Code; code != want.code || want.outcome != Deny {
					t.Fatalf("identify: %v, the reference says %+v", err, want)
				}
				// An identity from before must not help.
				id = Identity{TeamID: "t1", KeyID: keyID, Scope: ScopeWrite}
			}
			id.ViaURLKey = q.Identity.ViaURLKey
			q.Identity = id
			d := snap.Decide(q)
			got := refAnswer{
				outcome: d.Outcome, code: d.Code, rule: d.Rule, companion: d.Companion, signed: d.Signed, bearer: d.KeepBearer, needBody: d.NeedBody,
				credential: d.CredentialID,
			}
			if d.Provider != nil {
				got.provider = d.Provider.Schema().Name
			}
			if got != want {
				t.Fatalf("%s %s boxed=%v\n     got %+v\n    want %+v\nreason %s", q.Method, q.Target, q.Boxed, got, want, d.Reason)
			}
			if d.Reason == "" || (d.Outcome == Deny) != (d.Code != "") {
				t.Fatalf("outcome %v with code %q and reason %q", d.Outcome, d.Code, d.Reason)
			}
			if again := snap.Explain(q); !reflect.DeepEqual(again.Decision, d) {
				t.Fatalf("explain decides %+v, decide %+v", again.Decision, d)
			}
			seen[fmt.Sprint(d.Outcome, " ", d.Code)]++
			notInjectedUnlessAllowed(t, state, keyID, d)
			neverOpenedOutsideConstraints(t, snap, id, q)
		}
	})
	total := 0
	for _, n := range seen {
		total += n
	}
	if total < 2000 {
		return // too few were asked for to expect every kind
	}
	for _, kind := range []string{
		"allow ", "allow bare ", "deny no_credential_matched", "deny not_linked", "deny credential_not_usable", "deny route_forbidden",
		"deny scope_forbidden", "deny bad_target", "deny key_revoked", "deny key_expired",
	} {
		if seen[kind] == 0 {
			t.Errorf("no drawn request was answered with %q: the test has a gap", kind)
		}
	}
}

// notInjectedUnlessAllowed says the promise alone, without the order: what is
// put on is linked, of the same team, valid and unexpired.
func notInjectedUnlessAllowed(t *rapid.T, s State, keyID string, d Decision) {
	if d.Outcome != Inject {
		return
	}
	for _, c := range s.Credentials {
		if c.ID != d.CredentialID {
			continue
		}
		linked := false
		for _, l := range s.Links {
			linked = linked || l.CredentialID == c.ID && l.KeyID == keyID
		}
		if !linked || c.TeamID != "t1" || c.Status != StatusValid || !c.ExpiresAt.IsZero() && !testNow.Before(c.ExpiresAt) || d.Version != c.Version || d.Signed {
			t.Fatalf("credential %s must not be put on: %+v", c.ID, d)
		}
	}
}

// neverOpenedOutsideConstraints: a leaf is minted only for hosts that the
// team's name constraints permit; and where a credential could be put on, the
// tunnel is opened.
func neverOpenedOutsideConstraints(t *rapid.T, snap *Snapshot, id Identity, q Question) {
	c := snap.Connect(id, q.Target.Host, q.Target.Port, q.Unmatched, testNow)
	if c.Passage == Intercept {
		permitted := false
		for _, n := range snap.InterceptHosts("t1") {
			permitted = permitted || n == q.Target.Host || n[0] == '.' && len(q.Target.Host) > len(n) && q.Target.Host[len(q.Target.Host)-len(n):] == n
		}
		if !permitted {
			t.Fatalf("CONNECT %s is opened outside %v", q.Target.Authority(), snap.InterceptHosts("t1"))
		}
	}
	if d := snap.Decide(q); q.Target.Scheme == "https" && d.Outcome == Inject && c.Passage != Intercept {
		t.Fatalf("%s gets a credential, but CONNECT says %+v", q.Target, c)
	}
	if c.Reason == "" || (c.Passage == Refuse) != (c.Code != "") {
		t.Fatalf("passage %v with code %q and reason %q", c.Passage, c.Code, c.Reason)
	}
}
