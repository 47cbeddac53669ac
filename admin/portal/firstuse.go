package portal

import (
	"encoding/json"
	"net/http"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
)

// firstUse is what came of a new API key so far.
type firstUse struct {
	// Used says that a request was let through, Done that its answer was sent,
	// Bytes long.
	Used, Done bool
	Bytes      int64
	// Place is the host and path, Credential what was put on.
	Place, Credential string
	// Refused is the code of what went wrong last, Reason what it says.
	Refused, Reason string
}

// take learns from an event; it reports whether something has changed.
func (f *firstUse) take(e *auth.Event) bool {
	switch {
	case e.Action == auth.ActionDenied, e.Action == auth.ActionFinished && auth.OutcomeOf(e) == auth.OutcomeFailed:
		f.Refused, f.Reason, f.Place = string(e.Code), e.Reason, e.Place()
		if f.Refused == "" {
			f.Refused = http.StatusText(e.Status)
		}
	case e.Action == auth.ActionUsed:
		f.Used, f.Place, f.Credential = true, e.Place(), e.CredentialName
	case e.Action == auth.ActionFinished:
		f.Used, f.Done, f.Bytes, f.Place, f.Credential = true, true, e.Bytes, e.Place(), e.CredentialName
		f.Refused, f.Reason = "", ""
	default:
		return false
	}
	return true
}

// liveFirstUse tells a page when the first request with a key comes, and what
// comes of it. It ends with the first that ends well.
func (p *Portal) liveFirstUse(v *visit) error {
	k, err := v.api.GetKey(v.ctx(), v.r.PathValue("key"))
	if err != nil {
		return err
	}
	body, err := v.api.FollowEvents(v.ctx(), admin.FollowEventsQuery{Key: k.ID, Since: k.CreatedAt,
		Action: []string{auth.ActionUsed, auth.ActionFinished, auth.ActionDenied}})
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	return v.stream(body, func(out *stream) error {
		var now firstUse
		var failed error
		err := admin.EachLine(v.ctx(), body, func(raw json.RawMessage) bool {
			e, err := decode[auth.Event](raw)
			if err == nil && now.take(&e) {
				err = v.send(out, "first-use", "guide.html", "first-use", now)
			}
			failed = err
			return err == nil && !now.Done
		})
		if now.Done && failed == nil {
			failed = out.event("end", nil) // nothing more comes: the page need not ask again
		}
		if failed != nil {
			return failed
		}
		return err
	})
}
