package sigv4

import "testing"

func TestSafeOpaque(t *testing.T) {
	for value, want := range map[string]bool{
		"": true, "7": true, "2~abc.def_ghi-jkl": true, "3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY": true, "a/../b": false, "a/..": false, "./a": false,
		"..": false, ".": false, "../../other": false, `..\..\x`: false, "a\x00b": false, "...": true, "null": true,
	} {
		if got := SafeOpaque(value); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
	for name, want := range map[string]bool{"uploadId": true, "UPLOADID": true, "versionId": true, "prefix": false, "upload-id-marker": true} {
		if got := IsOpaqueParam(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
