//go:build realclients

package realclients

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/internal/house/clients"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/house/registry"
)

// expected says in words what Authorization may reach a host, and whether the
// one given may.
func (y *yard) expected(host, given string) (want string, ok bool) {
	bearer := "Bearer " + y.Token.Value()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("hf_user:"+y.Token.Value()))
	switch host {
	case hub.Host:
		return "the Hub's token", given == bearer || given == basic
	case hub.CASHost:
		return "a xet token", given == "" || strings.HasPrefix(given, "Bearer xet_")
	case registry.CivitaiHost, registry.CivitaiRed:
		return "Civitai's key", given == "Bearer "+y.civitai.Value()
	default:
		return "none", given == ""
	}
}

func comfyHost(host string) bool {
	return slices.Contains([]string{registry.ComfyCloudHost, registry.ComfyAPIHost}, host)
}

// cdnHost is the host that has the file of w by a signed URL.
func cdnHost(w clients.What) string {
	switch w {
	case clients.Civitai:
		return registry.CivitaiR2Host
	case clients.Comfy:
		return registry.ComfyStoreHost
	default:
		return hub.CDNHost
	}
}
