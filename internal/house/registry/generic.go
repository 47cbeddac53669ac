package registry

import (
	"crypto/subtle"
	"net/http"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// Bearer serves content to whoever shows token as a bearer token (RFC 6750),
// and 401 to everybody else.
func Bearer(token string, content origin.Content) http.Handler {
	return guarded(`Bearer realm="models"`, content, func(r *http.Request) bool {
		return equal(r.Header.Get("Authorization"), "Bearer "+token)
	})
}

// Basic serves content to user with password (RFC 7617).
func Basic(user, password string, content origin.Content) http.Handler {
	return guarded(`Basic realm="models"`, content, func(r *http.Request) bool {
		u, p, ok := r.BasicAuth()
		return ok && equal(u, user) && equal(p, password)
	})
}

// Header serves content to whoever sends exactly one field called name with
// this value, and no Authorization.
func Header(name, value string, content origin.Content) http.Handler {
	return guarded("", content, func(r *http.Request) bool {
		values := r.Header.Values(name)
		return len(values) == 1 && equal(values[0], value) && r.Header.Get("Authorization") == ""
	})
}

func guarded(challenge string, content origin.Content, may func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !may(r) {
			if challenge != "" {
				w.Header().Set("WWW-Authenticate", challenge)
			}
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		origin.Serve(w, r, content, "content", "application/octet-stream")
	})
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
