//go:build realclients

package realstores

import (
	"testing"

	"github.com/weighbridge/weighbridge/store"
	"github.com/weighbridge/weighbridge/store/storetest"
)

func TestConformancePostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, o store.Options) (store.Store, func() store.Store) {
		dsn := shared.schema(t)
		var s store.Store
		open := func() store.Store {
			if s != nil {
				check(t, s.Close())
			}
			var err error
			s, err = store.OpenPostgres(t.Context(), dsn, o)
			check(t, err)
			return s
		}
		open()
		t.Cleanup(func() { _ = s.Close() })
		return s, open
	})
}
