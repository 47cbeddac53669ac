//go:build realclients

package realstores

import (
	"net/url"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
)

// dsnPassword is the canary in a DSN.
func dsnPassword(dsn auth.Secret) string {
	u, err := url.Parse(dsn.Reveal())
	if err != nil {
		panic(err)
	}
	p, _ := u.User.Password()
	return p
}

// One weighbridge with its store in PostgreSQL serves, is restarted, and serves
// what it knew.
func TestOneGatewayServesFromPostgres(t *testing.T) {
	t.Parallel()
	f := newFleet(t, shared.schema(t), 1, nil)
	key := f.worker(0, "worker-1")
	status, code := f.download(0, key.Key)
	equal(t, "status", status, 200)
	equal(t, "code", code, "")
	f.verified(0)
	dir := f.houses[0].DataDir
	f.houses[0].Close()
	f.join(house.Options{DataDir: dir})
	status, _ = f.download(1, key.Key)
	equal(t, "status after a restart", status, 200)
	f.verified(1)
}
