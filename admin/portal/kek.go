package portal

import (
	"net/http"
	"net/url"

	"github.com/weighbridge/weighbridge/admin"
)

// kekData is the page on which a rotation begins; To is what was typed.
type kekData struct {
	KEK admin.KEKStatus
	To  string
}

// kekPages are about the key encryption key, for who runs weighbridge.
func (p *Portal) kekPages() {
	// What shows how far a rotation is asks for itself again while it goes on.
	p.page("GET", "/settings/kek", func(v *visit) error {
		s, err := v.api.GetKEK(v.ctx())
		if err != nil {
			return err
		}
		if v.fragment() {
			return v.part("settings.html", "kek", s)
		}
		return v.redirect(v.at("settings"), "")
	})
	p.page("GET", "/settings/kek/rotate", func(v *visit) error {
		s, err := v.api.GetKEK(v.ctx())
		if err != nil {
			return err
		}
		return v.render("kek-rotate.html", kekData{KEK: s})
	})
	p.act("/settings/kek/rotate", func(v *visit, form url.Values) error {
		s, err := v.api.GetKEK(v.ctx())
		if err != nil {
			return err
		}
		d := kekData{KEK: s, To: form.Get("to")}
		if !sameName(form.Get("name"), s.KEK) {
			return v.refused(v.problem(http.StatusUnprocessableEntity, "not_confirmed", "confirm.other", "kek.rotate.other.next"), "kek-rotate.html", d)
		}
		// Nothing typed would go on with a rotation that stopped.
		if d.To == "" && s.Rotation == nil {
			return v.refused(v.problem(http.StatusUnprocessableEntity, "invalid", "kek.rotate.empty", "kek.rotate.empty.next"), "kek-rotate.html", d)
		}
		if _, err := v.api.RotateKEK(v.ctx(), admin.KEKRotate{To: d.To}); err != nil {
			return v.refused(err, "kek-rotate.html", d)
		}
		return v.redirect(v.at("settings"), "kek-rotating")
	})
	// One that stopped goes on: nothing new is begun, so nothing is confirmed.
	p.page("POST", "/settings/kek/resume", func(v *visit) error {
		if _, err := v.api.RotateKEK(v.ctx(), admin.KEKRotate{}); err != nil {
			return err
		}
		return v.redirect(v.at("settings"), "kek-rotating")
	})
}
