package proxy

import (
	"strings"
	"testing"
)

func TestFileName(t *testing.T) {
	for field, want := range map[string]string{
		`attachment; filename="model.safetensors"`:                                           "model.safetensors",
		`inline; filename*=UTF-8''model%20%C3%BC.safetensors; filename="model.safetensors";`: "model ü.safetensors",
		`attachment; filename="../../etc/passwd"`:                                            "passwd", `attachment; filename="a\\b.bin"`: "b.bin", `attachment`: "", ``: "", `;;;`: "",
		"attachment; filename*=UTF-8''a%0Ab":                      "",
		`attachment; filename="` + strings.Repeat("a", 300) + `"`: "",
	} {
		if got := fileName(field); got != want {
			t.Errorf("%q: %q, not %q", field, got, want)
		}
	}
}
