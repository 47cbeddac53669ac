package portal

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/weighbridge/weighbridge/admin"
)

type settingsData struct {
	System admin.System
	Roots  []admin.Root
	// Export is what to set on a worker, with a stand-in for its key.
	Export *revealed
	// KEK is nil for who does not run weighbridge.
	KEK *admin.KEKStatus
}

// settingsPages are about weighbridge as a whole. What is for who runs it alone
// the API gives nobody else.
func (p *Portal) settingsPages() {
	p.page("GET", "/settings", func(v *visit) (err error) {
		var d settingsData
		if d.System, err = v.api.GetSystem(v.ctx()); err != nil {
			return err
		}
		roots, err := v.api.ListRoots(v.ctx())
		if err != nil {
			return err
		}
		d.Roots = roots.Roots
		if v.can("get-kek") {
			s, err := v.api.GetKEK(v.ctx())
			if err != nil {
				return err
			}
			d.KEK = &s
		}
		// A worker whose key is linked to nothing yet: all that a key changes is
		// which way comes first.
		var asked bool
		if d.Export, asked, err = v.exportOf(&admin.Key{}, &d.System); err != nil && asked {
			return v.refused(err, "settings.html", d)
		}
		if err != nil {
			return err
		}
		return v.render("settings.html", d)
	})
	p.page("GET", "/settings/ca/bundle", func(v *visit) error {
		body, err := v.api.GetBundle(v.ctx())
		if err != nil {
			return err
		}
		return v.download("weighbridge-bundle.pem", "application/x-pem-file", body)
	})
	p.page("GET", "/settings/ca/roots/{fingerprint}", func(v *visit) error {
		all, err := v.api.ListRoots(v.ctx())
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all.Roots, func(r admin.Root) bool { return r.Fingerprint == v.r.PathValue("fingerprint") })
		if i < 0 {
			return v.problem(http.StatusNotFound, "not_found", "settings.no-root", "settings.no-root.next")
		}
		attachment(v.w, "weighbridge-root-"+all.Roots[i].Fingerprint[:8]+".pem", "application/x-pem-file")
		_, _ = io.WriteString(v.w, all.Roots[i].PEM)
		return nil
	})
	p.confirm("/settings/ca/rotate", func(v *visit) (confirmation, error) {
		return confirmation{
			Title: v.say("settings.rotate.title"), Action: v.say("settings.rotate"), Back: v.at("settings"), Name: v.say("settings.rotate.name"), Needs: "rotate-root",
			Happens: []string{v.say("settings.rotate.now"), v.say("settings.rotate.both"), v.say("settings.rotate.workers")},
		}, nil
	}, func(v *visit, form url.Values) error {
		if _, err := v.api.Once(form.Get("once")).RotateRoot(v.ctx()); err != nil {
			return err
		}
		return v.redirect(v.at("settings"), "root-rotated")
	})
	p.kekPages()
	p.backupPages()
}

// attachment says that what follows is a file to be kept.
func attachment(w http.ResponseWriter, name, kind string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`) // RFC 6266, section 4; names of ours
}

// download hands on what the API streams, however long it is and lasts, and
// closes it. Where it breaks off, so does the download: it is not a short file.
func (v *visit) download(name, kind string, body io.ReadCloser) error {
	defer func() { _ = body.Close() }()
	_ = http.NewResponseController(v.w).SetWriteDeadline(time.Time{})
	attachment(v.w, name, kind)
	if _, err := io.Copy(v.w, body); err != nil {
		if v.ctx().Err() == nil {
			v.p.log(errors.Join(errors.New("the download of "+name+" broke off"), err))
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}
