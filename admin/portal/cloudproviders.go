package portal

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/weighbridge/weighbridge/admin"
)

// cloudData is the page of the team's key for Comfy Cloud.
type cloudData struct {
	// Set is whether there is a key; the rest is zero otherwise.
	Set      bool
	Provider admin.CloudProvider
	// Credential is what the key is underneath: what the cloud says of it, and
	// which API keys may use it.
	Credential admin.Credential
	// Fallback is what was ticked.
	Fallback bool
}

// cloudProviderPages are about the team's keys for cloud providers, of which
// there is one so far. A key that was typed is in no page.
func (p *Portal) cloudProviderPages() {
	p.page("GET", "/cloud-providers", func(v *visit) error {
		d, err := v.cloud()
		if err != nil {
			return err
		}
		return v.render("cloud-providers.html", d)
	})
	p.act("/cloud-providers", func(v *visit, form url.Values) error {
		in := admin.NewCloudProvider{APIKey: form.Get("api_key"), CloudFallback: form.Get("fallback") == "true"}
		if _, err := v.api.Once(form.Get("once")).SetComfyCloud(v.ctx(), in); err != nil {
			return v.cloudRefused(err, in.CloudFallback)
		}
		return v.redirect(v.at("cloud-providers"), "cloud-set")
	})
	// The fallback is a field of the credential: it changes without the key.
	p.act("/cloud-providers/fallback", func(v *visit, form url.Values) error {
		on := form.Get("fallback") == "true"
		in := admin.CredentialPatch{Fields: map[string]string{"cloud_fallback": strconv.FormatBool(on)}}
		if _, err := v.api.UpdateCredential(v.ctx(), admin.ComfyCloud, in); err != nil {
			return v.cloudRefused(err, on)
		}
		if on {
			return v.redirect(v.at("cloud-providers"), "fallback-on")
		}
		return v.redirect(v.at("cloud-providers"), "fallback-off")
	})
	p.confirm("/cloud-providers/delete", func(v *visit) (confirmation, error) {
		_, err := v.api.GetComfyCloud(v.ctx())
		return confirmation{
			Title: v.say("cloud.delete.title"), Action: v.say("cloud.delete"), Back: v.at("cloud-providers"), Name: admin.ComfyCloud, Needs: "delete-comfy-cloud",
			Happens: []string{v.say("cloud.delete.now"), v.say("cloud.delete.links"), v.say("cloud.delete.there")},
		}, err
	}, func(v *visit, _ url.Values) error {
		if err := v.api.DeleteComfyCloud(v.ctx()); err != nil {
			return err
		}
		return v.redirect(v.at("cloud-providers"), "cloud-deleted")
	})
}

func (v *visit) cloud() (d cloudData, err error) {
	d.Provider, err = v.api.GetComfyCloud(v.ctx())
	if prob, ok := asProblem(err); ok && prob.Status == http.StatusNotFound {
		return cloudData{Fallback: true}, nil
	}
	if err != nil {
		return d, err
	}
	d.Set, d.Fallback = true, d.Provider.CloudFallback
	d.Credential, err = v.api.GetCredential(v.ctx(), admin.ComfyCloud)
	return d, err
}

func (v *visit) cloudRefused(err error, fallback bool) error {
	d, failed := v.cloud()
	if failed != nil {
		return failed
	}
	d.Fallback = fallback
	return v.refused(err, "cloud-providers.html", d)
}
