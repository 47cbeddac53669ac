package store_test

import (
	"path/filepath"
	"testing"

	"github.com/weighbridge/weighbridge/store"
	"github.com/weighbridge/weighbridge/store/storetest"
)

func TestConformanceMemory(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, o store.Options) (store.Store, func() store.Store) {
		s, err := store.OpenMemory(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s, nil
	})
}

func TestConformanceBolt(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, o store.Options) (store.Store, func() store.Store) {
		path := filepath.Join(t.TempDir(), "weighbridge.db")
		var s store.Store
		open := func() store.Store {
			if s != nil {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			var err error
			if s, err = store.OpenBolt(path, o); err != nil {
				t.Fatal(err)
			}
			return s
		}
		open()
		t.Cleanup(func() { _ = s.Close() })
		return s, open
	})
}
