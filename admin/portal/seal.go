package portal

import (
	"cmp"
	"errors"
	"io"
	"mime"
	"net/http"
	"regexp"
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth/chain"
)

// seal is what the verification of a record found.
type seal struct {
	chain.Verdict
	// Of is the file that was verified, empty where it was the record itself.
	Of string
	At time.Time
}

// Holds reports whether something was verified, and all of it is whole.
func (s *seal) Holds() bool { return s.OK && !s.Nothing() }

// Nothing reports that there was nothing that could be verified: lines that are
// none of a record break no seal.
func (s *seal) Nothing() bool { return s.OK && s.Events == 0 && s.Heads == 0 }

type verifyData struct{ Seal *seal }

// verifyRecord verifies the record itself, for who runs weighbridge.
func (p *Portal) verifyRecord(v *visit) error {
	found, err := v.api.VerifyEvents(v.ctx())
	if err != nil {
		return err
	}
	s := &seal{Verdict: found, At: p.o.Now()}
	if v.fragment() {
		return v.part("audit.html", "seal-found", s)
	}
	return v.render("verify.html", verifyData{s})
}

// maxFileName is what the API takes of a file's name.
const maxFileName = 512

// verifyFile verifies an export that is sent, while it comes: none of it is
// kept.
func (p *Portal) verifyFile(v *visit) error {
	v.r.Body = io.NopCloser(admin.Steady(v.r.Body, http.NewResponseController(v.w).SetReadDeadline))
	parts, err := v.r.MultipartReader()
	if err != nil {
		return v.refused(v.noFile(), "verify.html", verifyData{})
	}
	for {
		part, err := parts.NextPart()
		if err != nil {
			return v.refused(v.noFile(), "verify.html", verifyData{})
		}
		if part.FormName() != "file" || part.FileName() == "" {
			continue
		}
		name := part.FileName()
		if len(name) > maxFileName {
			name = name[:maxFileName]
		}
		found, err := v.api.VerifyExport(v.ctx(), part, admin.VerifyExportQuery{Name: name})
		if err != nil {
			return v.refused(err, "verify.html", verifyData{})
		}
		return v.render("verify.html", verifyData{&seal{Verdict: found, Of: name, At: p.o.Now()}})
	}
}

func (v *visit) noFile() error {
	return &admin.Problem{Status: http.StatusUnprocessableEntity, Code: "invalid", Detail: v.say("verify.no-file"), Next: v.say("verify.no-file.next")}
}

// plainName is what a file's name may hold anywhere.
var plainName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// exportAudit hands the team's record out as a file, while it is read.
func (p *Portal) exportAudit(v *visit) error {
	f := filterOf(v.r.URL.Query())
	body, err := v.api.ExportEvents(v.ctx(), admin.ExportEventsQuery{Since: f.Since, Until: f.Until})
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	name := "weighbridge-audit-" + cmp.Or(plainName.ReplaceAllString(v.team, "-"), "team") + "-" + p.o.Now().UTC().Format("20060102-150405") + ".ndjson"
	h := v.w.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	if _, err := io.Copy(v.w, body); err != nil {
		if v.ctx().Err() == nil && !errors.Is(err, io.ErrClosedPipe) {
			p.log(err)
		}
		panic(http.ErrAbortHandler) // what is cut short does not end cleanly
	}
	return nil
}
