package sigv4

import "strings"

// opaque are the parameters whose values the storage made up and that say
// which upload, version or part is meant (Amazon S3 API Reference: UploadPart,
// ListMultipartUploads, GetObject, DeleteObject, ListParts).
var opaque = map[string]bool{
	"uploadid": true, "upload-id-marker": true, "versionid": true, "version-id-marker": true,
	"partnumber": true, "part-number-marker": true,
}

// IsOpaqueParam reports whether name, compared without case, is that of a
// value that has to be SafeOpaque.
func IsOpaqueParam(name string) bool {
	return len(name) <= len("version-id-marker") && opaque[strings.ToLower(name)]
}

// SafeOpaque reports whether value may be an identifier that a storage made
// up. A storage that keeps its state in files makes a path of it: what could
// lead out of the place it belongs to would name an object that nobody decided
// about. (Amazon's own have slashes in them; a slash alone leads further in.)
func SafeOpaque(value string) bool {
	for segment := range strings.SplitSeq(value, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	for i := 0; i < len(value); i++ {
		if c := value[i]; c == '\\' || c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
