package portal

import (
	"net/url"

	"github.com/weighbridge/weighbridge/admin"
)

// backupPages make a backup, for who runs weighbridge: the page says what is in
// it and what is not, and its answer is the file.
func (p *Portal) backupPages() {
	p.page("GET", "/settings/backup", func(v *visit) error {
		if err := v.may("backup"); err != nil {
			return err
		}
		return v.render("backup.html", nil)
	})
	p.act("/settings/backup", func(v *visit, form url.Values) error {
		body, err := v.api.Backup(v.ctx(), admin.BackupOptions{WithoutAudit: form.Get("audit") != "true"})
		if err != nil {
			return v.refused(err, "backup.html", nil)
		}
		return v.download("weighbridge-"+v.p.o.Now().UTC().Format("20060102-150405")+".tar", "application/x-tar", body)
	})
}
