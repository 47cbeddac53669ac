package store

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// The SQLSTATEs that are understood: PostgreSQL documentation, appendix A.
const (
	stateReadOnly     = "25006" // read_only_sql_transaction
	stateNoSpace      = "53100" // disk_full
	stateLockNotReady = "55P03" // lock_not_available
	stateNoRight      = "42501" // insufficient_privilege
)

// errPassing marks a failure after which nothing has changed and which may be
// over the next moment.
var errPassing = errors.New("the database does not answer now")

// postgresError says in the words of an operator why the database cannot do it.
// Nothing is said of the DSN but the address that was dialled. An *Error stays
// as it is.
func postgresError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	e := &Error{Kind: KindUnavailable, What: whatStore, Detail: "the database does not do it: " + postgresReason(err)}
	state := stateOf(err)
	switch {
	case state == stateReadOnly:
		e.Detail, e.Cause = "the database is read-only now; nothing was changed", errPassing
		e.Next = "it goes on by itself once the database takes changes; with several hosts in the DSN, add target_session_attrs=read-write"
	case state == stateNoSpace:
		e.Detail, e.Cause = "the disk of the database is full; nothing was changed", ErrNoSpace
		e.Next = "free some space; nothing needs a restart"
	case state == stateLockNotReady:
		e.Detail, e.Cause = "another weighbridge has been changing the store for too long; nothing was changed", errPassing
		e.Next = "try again"
	case state == stateNoRight:
		e.Next = "grant the role of the DSN CREATE on its schema, and all on the tables weighbridge_*"
	case passing(err):
		e.Detail, e.Cause = "the database is out of reach: "+postgresReason(err), errPassing
		e.Next = "it goes on by itself once the database answers"
	}
	return e
}

// passing reports whether the database may do it in a moment, on another
// connection.
func passing(err error) bool {
	if errors.Is(err, errPassing) {
		return true
	}
	state := stateOf(err)
	if state == "" { // not the database's own words: the connection
		return !errors.Is(err, context.Canceled)
	}
	// Classes of connections, of an operator's intervention (restarts, crashes),
	// of resources, and the two of a wait that was too long.
	return slices.Contains([]string{"08", "57", "53"}, state[:2]) && state != stateNoSpace ||
		slices.Contains([]string{stateReadOnly, stateLockNotReady, "25P03"}, state)
}

func stateOf(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && len(e.Code) == 5 {
		return e.Code
	}
	return ""
}

// postgresReason is what of an error may be shown: the database's message
// without its details, which may hold values, or the network's error.
func postgresReason(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.ToValidUTF8(e.Message, "") + " (SQLSTATE " + e.Code + ")"
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && !e.Timeout() {
		return e.Error()
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e.Error()
	}
	if errors.Is(err, errLocal) {
		return "no standby has confirmed it"
	}
	if errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err) {
		return "it did not answer in time"
	}
	return "the connection failed"
}
