package proxy

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestKeysAreFoundInEveryCarrier(t *testing.T) {
	key := auth.NewAPIKey().Reveal()
	alias := auth.KeyAliasPrefix + strings.TrimPrefix(key, auth.KeyPrefix)
	other := auth.NewAPIKey().Reveal()
	hash, _ := auth.HashAPIKey(key)
	for name, c := range map[string]struct {
		read  func(*fields) (presented, *auth.Error)
		h     fields
		found bool
		shown bool
		code  auth.Code
	}{
		"forward basic user":           {forwardCarriers, fields{{"Proxy-Authorization", basic(key, "")}}, true, true, ""},
		"forward basic password":       {forwardCarriers, fields{{"proxy-authorization", basic("x", key)}}, true, true, ""},
		"forward basic alias":          {forwardCarriers, fields{{"Proxy-Authorization", basic("", alias)}}, true, true, ""},
		"forward basic without pads":   {forwardCarriers, fields{{"Proxy-Authorization", strings.TrimRight(basic(key, ""), "=")}}, true, true, ""},
		"forward bearer":               {forwardCarriers, fields{{"Proxy-Authorization", "bearer  " + key}}, true, true, ""},
		"forward user is password":     {forwardCarriers, fields{{"Proxy-Authorization", basic(key, alias)}}, true, true, ""},
		"forward nonsense":             {forwardCarriers, fields{{"Proxy-Authorization", "Negotiate abc"}}, false, true, ""},
		"forward bad base64":           {forwardCarriers, fields{{"Proxy-Authorization", "Basic ?"}}, false, true, ""},
		"forward ignores others":       {forwardCarriers, fields{{"Authorization", "Bearer " + key}, {headerKey, key}}, false, false, ""},
		"forward two keys in one":      {forwardCarriers, fields{{"Proxy-Authorization", basic(key, other)}}, true, true, auth.CodeBadRequest},
		"forward two keys in two":      {forwardCarriers, fields{{"Proxy-Authorization", "Bearer " + key}, {"Proxy-Authorization", "Bearer " + other}}, true, true, auth.CodeBadRequest},
		"reverse bearer":               {reverseCarriers, fields{{"AUTHORIZATION", "Bearer " + key}}, true, true, ""},
		"reverse basic":                {reverseCarriers, fields{{"Authorization", basic("git", key)}}, true, true, ""},
		"reverse own field":            {reverseCarriers, fields{{"x-weighbridge-key", alias}}, true, true, ""},
		"reverse own field nonsense":   {reverseCarriers, fields{{headerKey, "abc"}}, false, true, ""},
		"reverse same in two carriers": {reverseCarriers, fields{{headerKey, alias}, {"Authorization", "Bearer " + key}}, true, true, ""},
		"reverse two in two carriers":  {reverseCarriers, fields{{headerKey, other}, {"Authorization", "Bearer " + key}}, true, true, auth.CodeBadRequest},
		"reverse foreign token":        {reverseCarriers, fields{{"Authorization", "Bearer abc"}}, false, false, ""},
		"reverse ignores proxy field":  {reverseCarriers, fields{{"Proxy-Authorization", "Bearer " + key}}, false, false, ""},
	} {
		p, err := c.read(&c.h)
		if (err == nil) != (c.code == "") || err != nil && err.Code != c.code {
			t.Errorf("%s: error %v, want %q", name, err, c.code)
			continue
		}
		if err == nil && ((p.key == hash) != c.found || p.shown != c.shown) {
			t.Errorf("%s: found %v shown %v", name, p.key == hash, p.shown)
		}
	}
}

func TestAnAliasInAuthorizationIsOursOnlyIfItIsKnown(t *testing.T) {
	key := auth.NewAPIKey()
	hash, _ := auth.HashAPIKey(key.Reveal())
	snap, err := auth.Compile(auth.State{
		Teams: []auth.Team{{ID: "team_1", Name: "default"}},
		Keys:  []auth.Key{{ID: "key_1", TeamID: "team_1", Name: "k", Hash: hash}},
	}, auth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	alias := func(s string) fields {
		return fields{{"Authorization", "Bearer " + auth.KeyAliasPrefix + strings.TrimPrefix(s, auth.KeyPrefix)}}
	}
	known, unknown := alias(key.Reveal()), alias(auth.NewAPIKey().Reveal())
	for name, c := range map[string]struct {
		h         fields
		otherwise bool
		ours      bool
	}{
		"known":                          {known, false, true},
		"known beside a default key":     {known, true, true},
		"unknown":                        {unknown, false, true}, // told as a wrong key
		"unknown beside a default key":   {unknown, true, false},
		"unknown with our field beside":  {append(fields{{headerKey, key.Reveal()}}, unknown...), false, false},
		"a token of another form beside": {fields{{"Authorization", "Bearer hf_short"}}, false, false},
	} {
		p, e := reverseCarriers(&c.h)
		if e == nil {
			e = p.settle(snap, now, c.otherwise)
		}
		if e != nil || p.authorization != c.ours {
			t.Errorf("%s: ours %v, error %v", name, p.authorization, e)
		}
	}
}

func TestKeysOfOursAreRecognisedAnywhere(t *testing.T) {
	key, urlKey := auth.NewAPIKey(), auth.NewURLKey()
	hash, _ := auth.HashAPIKey(key.Reveal())
	snap, err := auth.Compile(auth.State{
		Teams: []auth.Team{{ID: "team_1", Name: "default"}},
		Keys:  []auth.Key{{ID: "key_1", TeamID: "team_1", Name: "k", Hash: hash, RevokedAt: time.Now().Add(-time.Hour)}},
	}, auth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	body := strings.TrimPrefix(key.Reveal(), auth.KeyPrefix)
	for s, want := range map[string]bool{
		key.Reveal():                         true,
		"a=b&token=" + key.Reveal() + "&c=d": true,
		"_" + urlKey.Reveal():                true,
		"__hf_" + body + ";":                 true, // revoked, but ours
		auth.NewAPIKey().Reveal():            true, // the prefix is ours
		"hf_" + strings.Repeat("a", 43):      false,
		"hf_" + strings.Repeat("a", 34):      false,
		"wbk_" + strings.Repeat("a", 39):     false,
		"wbk_":                               false,
		"wbk":                                false,
		"":                                   false,
		"model_wbk_card":                     false,
		"k_" + body:                          false,
		"wbk_" + strings.Repeat("a", 20) + "_" + strings.Repeat("b", 20): false,
	} {
		if got := holdsKey(s, snap, time.Now()); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

// The two worlds never mix: what opens the admin API is recognised in every
// place where a key could stand.
func TestSecretsOfTheAdminAPIAreMisplaced(t *testing.T) {
	for _, secret := range []auth.Secret{auth.NewAccessToken(), auth.NewRefreshSecret(), auth.NewSetupSecret()} {
		v := secret.Reveal()
		for name, c := range map[string]struct {
			read func(*fields) (presented, *auth.Error)
			h    fields
		}{
			"forward bearer":    {forwardCarriers, fields{{"Proxy-Authorization", "Bearer " + v}}},
			"forward password":  {forwardCarriers, fields{{"Proxy-Authorization", basic("x", v)}}},
			"reverse bearer":    {reverseCarriers, fields{{"Authorization", "Bearer " + v}}},
			"reverse user":      {reverseCarriers, fields{{"Authorization", basic(v, "")}}},
			"reverse own field": {reverseCarriers, fields{{headerKey, v}}},
			"beside a key":      {reverseCarriers, fields{{headerKey, auth.NewAPIKey().Reveal()}, {"Authorization", "Bearer " + v}}},
		} {
			if p, err := c.read(&c.h); err != nil || !p.misplaced {
				t.Errorf("%s: misplaced %v, error %v", name, p.misplaced, err)
			}
		}
		snap, err := auth.Compile(auth.State{}, auth.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !holdsKey("x="+v+"&y", snap, time.Now()) {
			t.Errorf("%s… is not seen in a query", v[:4])
		}
	}
}
