package store_test

import (
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/store"
)

// A name is text of any script that a URL can hold as one segment of its path.
func TestNames(t *testing.T) {
	for _, name := range []string{"hub", "Ünïcode 模型", "a/b", "...", ".hidden", `"><script>`, strings.Repeat("x", store.MaxName)} {
		if err := store.CheckName("credential", name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", " hub", "hub ", "a\nb", "a\u202eb", "a\x00b", "\xff", ".", "..", strings.Repeat("x", store.MaxName+1), "01a2026a-1909-7f56-8439-5b0c9d4169ad"} {
		if err := store.CheckName("credential", name); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
}
