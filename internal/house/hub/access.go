package hub

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Role is a token's role, as whoami-v2 spells it.
type Role string

// The roles.
const (
	RoleRead        Role = "read"
	RoleWrite       Role = "write"
	RoleFineGrained Role = "fineGrained"
)

// Token is a user access token that the Hub knows.
type Token struct {
	Value string
	// User is whose it is.
	User string
	// Role zero means RoleRead.
	Role Role
	// NoGated is a fine-grained token without canReadGatedRepos.
	NoGated bool
	// Grants are the private and gated repositories that its user may have:
	// "owner/name", or "owner/*".
	Grants []string
}

func (t *Token) granted(id string) bool {
	owner, _, _ := strings.Cut(id, "/")
	return slices.Contains(t.Grants, id) || slices.Contains(t.Grants, owner+"/*")
}

// AddToken makes the Hub know t.
func (h *Hub) AddToken(t Token) {
	if t.Role == "" {
		t.Role = RoleRead
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tokens[t.Value] = t
}

// RevokeToken makes the Hub forget a token.
func (h *Hub) RevokeToken(value string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tokens, value)
}

// caller is who a request says it is: nobody (the zero value), somebody with
// bad credentials, or the owner of a token.
type caller struct {
	bad   bool
	token *Token
}

func (c caller) anonymous() bool { return !c.bad && c.token == nil }

// bearer reads the caller of every route but git's. The Hub takes Bearer only.
func (h *Hub) bearer(r *http.Request) caller {
	given := r.Header.Get("Authorization")
	if given == "" {
		return caller{}
	}
	value, ok := strings.CutPrefix(given, "Bearer ")
	if !ok {
		return caller{bad: true}
	}
	return h.known(value)
}

// basic reads the caller of git's routes: the token is the password.
func (h *Hub) basic(r *http.Request) caller {
	given := r.Header.Get("Authorization")
	if given == "" {
		return caller{}
	}
	value, ok := strings.CutPrefix(given, "Basic ")
	if !ok {
		return caller{bad: true}
	}
	pair, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return caller{bad: true}
	}
	_, password, _ := strings.Cut(string(pair), ":")
	return h.known(password)
}

func (h *Hub) known(value string) caller {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if t, ok := h.tokens[value]; ok {
		return caller{token: &t}
	}
	return caller{bad: true}
}

// refusal is an error as the Hub says it: in a status, in two headers and in
// a JSON body.
type refusal struct {
	status        int
	code, message string
}

func (f *refusal) send(w http.ResponseWriter) {
	if f.code != "" {
		w.Header().Set("X-Error-Code", f.code)
	}
	w.Header().Set("X-Error-Message", f.message)
	sendJSON(w, f.status, map[string]string{"error": f.message})
}

func sendJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "the fake hub cannot say its answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// need is what a request asks of a repository.
type need int

const (
	// toList is model info, tree and refs: gated repositories show them to all.
	toList need = iota
	// toFetch is a file, a xet token or git.
	toFetch
	// toWrite is anything that changes.
	toWrite
)

// admit is the matrix of who may have what. r is nil where there is no such
// repository.
func admit(c caller, r *repo, n need) *refusal {
	switch {
	case r != nil && r.Access == Gated && n != toList && c.token == nil:
		return &refusal{http.StatusUnauthorized, "GatedRepo", fmt.Sprintf("Access to %s %s is restricted. "+
			"You must have access to it and be authenticated to access it. Please log in.", r.Kind.singular(), r.ID)}
	case c.bad:
		return &refusal{http.StatusUnauthorized, "", "Invalid credentials in Authorization header"}
	case r == nil || (r.Access == Private && (c.token == nil || !c.token.granted(r.ID))):
		if c.anonymous() {
			return &refusal{http.StatusUnauthorized, "", "Invalid username or password."}
		}
		return &refusal{http.StatusNotFound, "RepoNotFound", "Repository not found"}
	case r.Access == Disabled:
		return &refusal{http.StatusForbidden, "", "Access to this resource is disabled."}
	case r.Access == Gated && n != toList && (!c.token.granted(r.ID) || c.token.NoGated):
		return &refusal{http.StatusForbidden, "GatedRepo", fmt.Sprintf("Access to %s %s is restricted and you are not "+
			"in the authorized list. Visit https://huggingface.co/%s to ask for access.", r.Kind.singular(), r.ID, r.ID)}
	case n == toWrite && (c.token == nil || c.token.Role != RoleWrite || !c.token.granted(r.ID)):
		return &refusal{http.StatusForbidden, "", "You don't have the rights to write to this repository."}
	}
	return nil
}

// enter finds the repository of rt for the caller. Where it returns nil it
// has answered: with a redirect to a new name, or with a refusal.
func (h *Hub) enter(w http.ResponseWriter, r *http.Request, rt route, c caller, n need) *repo {
	found, renamed := h.find(rt.kind, rt.id)
	if renamed != "" {
		to := rt.before + renamed + rt.after
		if r.URL.RawQuery != "" {
			to += "?" + r.URL.RawQuery
		}
		redirect(w, http.StatusTemporaryRedirect, to)
		return nil
	}
	if f := admit(c, found, n); f != nil {
		f.send(w)
		return nil
	}
	return found
}

// enterAt is enter and the revision of rt.
func (h *Hub) enterAt(w http.ResponseWriter, r *http.Request, rt route, n need) (*repo, *snapshot) {
	found := h.enter(w, r, rt, h.bearer(r), n)
	if found == nil {
		return nil, nil
	}
	s := found.at(rt.revision())
	if s == nil {
		(&refusal{http.StatusNotFound, "RevisionNotFound", "Invalid rev id: " + rt.revision()}).send(w)
		return nil, nil
	}
	return found, s
}

// redirect answers with the short text body that the Hub sends along.
func redirect(w http.ResponseWriter, status int, to string) {
	body := http.StatusText(status) + ". Redirecting to " + to
	w.Header().Set("Location", to)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}
