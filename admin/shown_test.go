package admin

import "github.com/danielgtaylor/huma/v2"

// ShownOnce are the members that are kept of no answer of op; all of them,
// where none of its answers is kept.
func ShownOnce(op *huma.Operation) []string {
	if !replayable(op) {
		return []string{"access_token", "refresh_token", "device_token", "token", "key", "url_key"}
	}
	return shownOnce[op.OperationID]
}
