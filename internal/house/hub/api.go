package hub

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// serveAPI serves /api/.
func (h *Hub) serveAPI(w http.ResponseWriter, r *http.Request, path string) {
	if strings.HasPrefix(path, "/api/resolve-cache/") {
		h.serveResolveCache(w, r, path)
		return
	}
	rt, ok := apiRoute(path)
	if !ok {
		(&refusal{http.StatusNotFound, "", "Sorry, we can't find the page you are looking for."}).send(w)
		return
	}
	switch rt.verb {
	case "", "revision":
		h.info(w, r, rt)
	case "tree":
		h.tree(w, r, rt)
	case "paths-info":
		h.pathsInfo(w, r, rt)
	case "refs":
		h.refs(w, r, rt)
	case "commits":
		h.commits(w, r, rt)
	case "auth-check":
		h.authCheck(w, r, rt)
	case "xet-read-token":
		h.xetToken(w, r, rt, toFetch)
	case "xet-write-token":
		h.xetToken(w, r, rt, toWrite)
	case "preupload", "commit":
		if h.enter(w, r, rt, h.bearer(r), toWrite) != nil {
			sendJSON(w, http.StatusOK, map[string]any{"files": []any{}})
		}
	default:
		(&refusal{http.StatusNotFound, "", "Not Found"}).send(w)
	}
}

// info is /api/KIND/ID[/revision/REV][?blobs=true].
func (h *Hub) info(w http.ResponseWriter, r *http.Request, rt route) {
	found, s := h.enterAt(w, r, rt, toList)
	if found == nil {
		return
	}
	siblings := make([]map[string]any, 0, len(s.paths))
	for _, p := range s.paths {
		row := map[string]any{"rfilename": p}
		if isTrue(r.URL.Query().Get("blobs")) {
			e := s.entries[p]
			row["size"], row["blobId"] = e.size, e.gitOID
			if e.large {
				row["lfs"] = map[string]any{"sha256": e.sha256, "size": e.size, "pointerSize": len(pointer(e.sha256, e.size))}
			}
		}
		siblings = append(siblings, row)
	}
	var gated any = false
	if found.Access == Gated {
		gated = "manual"
	}
	author, _, _ := strings.Cut(found.ID, "/")
	sendJSON(w, http.StatusOK, map[string]any{
		"_id": found.hexID, "id": found.ID, "modelId": found.ID, "author": author, "sha": s.commit,
		"private": found.Access == Private, "disabled": false, "gated": gated, "siblings": siblings, "tags": []string{},
		"lastModified": commitTime, "createdAt": commitTime, "downloads": 0, "likes": 0,
		"xetEnabled": found.Storage != OldLFS,
	})
}

// refs lists branches and tags; converts is always empty here.
func (h *Hub) refs(w http.ResponseWriter, r *http.Request, rt route) {
	found := h.enter(w, r, rt, h.bearer(r), toList)
	if found == nil {
		return
	}
	branches, tags := []any{}, []any{}
	for _, name := range slices.Sorted(maps.Keys(found.revisions)) {
		s := found.revisions[name]
		row := map[string]string{"name": name, "ref": s.ref(), "targetCommit": s.commit}
		switch {
		case strings.HasPrefix(s.ref(), "refs/heads/"):
			branches = append(branches, row)
		case strings.HasPrefix(s.ref(), "refs/tags/"):
			tags = append(tags, row)
		}
	}
	sendJSON(w, http.StatusOK, map[string]any{"branches": branches, "tags": tags, "converts": []any{}})
}

// ref is the full name of the reference: a name that begins with v is a tag.
func (s *snapshot) ref() string {
	switch {
	case strings.HasPrefix(s.name, "refs/"):
		return s.name
	case strings.HasPrefix(s.name, "v"):
		return "refs/tags/" + s.name
	default:
		return "refs/heads/" + s.name
	}
}

// commits lists the one commit that every revision has.
func (h *Hub) commits(w http.ResponseWriter, r *http.Request, rt route) {
	found, s := h.enterAt(w, r, rt, toList)
	if found == nil {
		return
	}
	w.Header().Set("X-Total-Count", "1")
	sendJSON(w, http.StatusOK, []any{map[string]any{
		"id": s.commit, "title": commitTitle, "message": "", "date": commitTime,
		"authors": []any{map[string]string{"user": "sample"}},
	}})
}

// authCheck is /auth-check[/write]: 200 or the refusal that a file would meet.
func (h *Hub) authCheck(w http.ResponseWriter, r *http.Request, rt route) {
	n := toFetch
	if slices.Contains(rt.rest, "write") {
		n = toWrite
	}
	if h.enter(w, r, rt, h.bearer(r), n) != nil {
		sendJSON(w, http.StatusOK, map[string]any{})
	}
}

// whoami is /api/whoami-v2.
func (h *Hub) whoami(w http.ResponseWriter, r *http.Request) {
	c := h.bearer(r)
	if c.token == nil {
		message := "Invalid credentials in Authorization header"
		if c.anonymous() {
			message = "Invalid username or password."
		}
		(&refusal{http.StatusUnauthorized, "", message}).send(w)
		return
	}
	t := c.token
	access := map[string]any{"displayName": "sample", "role": t.Role, "createdAt": commitTime}
	if t.Role == RoleFineGrained {
		scoped := []any{}
		for _, g := range t.Grants {
			scoped = append(scoped, map[string]any{
				"entity":      map[string]string{"_id": "0123456789abcdef01234567", "type": "model", "name": g},
				"permissions": []string{"repo.content.read"},
			})
		}
		access["fineGrained"] = map[string]any{"canReadGatedRepos": !t.NoGated, "global": []string{}, "scoped": scoped}
	}
	sendJSON(w, http.StatusOK, map[string]any{
		"type": "user", "id": "fedcba9876543210fedcba98", "name": t.User, "fullname": t.User,
		"email": t.User + "@example.com", "emailVerified": true, "canPay": false, "isPro": false, "avatarUrl": "/avatars/0.svg",
		"orgs": []any{}, "auth": map[string]any{"type": "access_token", "accessToken": access},
	})
}

// furniture is what clients ask for on their own account.
func (h *Hub) furniture(w http.ResponseWriter, path string) {
	switch {
	case path == "/api/agent-harnesses":
		sendJSON(w, http.StatusOK, map[string]any{"standardEnvVars": []string{}, "harnesses": map[string]any{}})
	case path == "/.well-known/meta.json":
		sendJSON(w, http.StatusOK, map[string]any{"lfsDomains": []string{LFSHost}, "cdnDomains": []string{CDNHost, BridgeHost, TransferHost, CASHost}})
	default:
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
	}
}

// shownXetHash is what listings say of a file's place in xet to those who may not
// have the file.
func (h *Hub) shownXetHash(c caller, r *repo, e *entry) string {
	if admit(c, r, toFetch) != nil {
		return strings.Repeat("*", 64)
	}
	return r.xetHash(e)
}

// row is a file as tree and paths-info show it.
func (h *Hub) row(c caller, r *repo, e *entry) map[string]any {
	out := map[string]any{"type": "file", "oid": e.gitOID, "size": e.size, "path": e.path}
	if e.large {
		out["lfs"] = map[string]any{"oid": e.sha256, "size": e.size, "pointerSize": len(pointer(e.sha256, e.size))}
	}
	if r.xetHash(e) != "" {
		out["xetHash"] = h.shownXetHash(c, r, e)
	}
	return out
}

// directory is a directory's row; its oid is only a name here.
func directory(path string) map[string]any {
	return map[string]any{"type": "directory", "oid": fmt.Sprintf("%040x", len(path)), "size": 0, "path": path}
}
