package config

import "strings"

// checkStore holds the store to what its driver needs.
func (l *loader) checkStore() {
	c := &l.config.Store
	if c.Driver != "postgres" {
		if !c.DSN.IsZero() {
			l.wrong("store.dsn", "is set, and store.driver is "+c.Driver, "set store.driver: postgres, or leave store.dsn out")
		}
		return
	}
	if c.DSN.IsZero() {
		l.wrong("store.dsn", "is missing", "write {env: NAME} or {file: PATH} of what holds postgres://USER:PASSWORD@HOST:5432/DATABASE")
		return
	}
	dsn, ok := l.secret("store.dsn", c.DSN, true)
	if v := dsn.Reveal(); ok && !strings.HasPrefix(v, "postgres://") && !strings.HasPrefix(v, "postgresql://") && !strings.Contains(v, "=") {
		l.wrong("store.dsn", "what it names is not a DSN of PostgreSQL", "write postgres://USER:PASSWORD@HOST:5432/DATABASE, or words such as host=… dbname=…")
	}
}
