// Package session signs users in to the admin API and knows who is.
//
// A user shows a password (argon2id) or comes from an OpenID provider, and
// gets a session: a JWT of a quarter of an hour for every call, and a refresh
// secret for the next one, which is good once. The JWT says which session it
// is of, and the store is asked on every call whether that still counts, so
// that ending a session, disabling a user or changing a password is at once.
//
// It knows nothing of HTTP but as the client of an OpenID provider; what a
// refused caller is told never says whether there is a user.
package session
