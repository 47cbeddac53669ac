//go:build realclients

package realclouds

import (
	"path/filepath"
	"regexp"
	"testing"

	"github.com/weighbridge/weighbridge/internal/house/walk"
)

// TestWalkthrough does what docs/azure.md says.
func TestWalkthrough(t *testing.T) {
	t.Parallel()
	a := newAzure(t)
	base := "https://" + blobHost + "/models"
	writer, _ := a.writer()
	weights := random(1_500_000)
	a.put(writer, base+"?restype=container", nil)
	a.put(writer, base+"/sd/model.safetensors", weights)
	a.put(writer, base+"/sd/vae.safetensors", weights[:1000])

	n := walk.New(t)
	n.Path = []string{filepath.Join(cloudDir, "python", "bin")}
	up := walk.Upstreams{Roots: a.Server.RootPEM(), Resolve: a.Server.Resolve()}
	up.Resolve[blobHost+":443"] = a.addr
	n.Serve(up)
	sas := a.sas()
	n.Write("sas.txt", sas+"\n")
	n.Write("new-sas.txt", a.sas()+"\n")
	n.Write("account-key.txt", a.accountKey+"\n")
	n.Write("client-secret.txt", a.clientSecret+"\n")
	n.Write("ended-sas.txt", regexp.MustCompile(`([?&]|^)se=[^&]*`).ReplaceAllString(sas, "${1}se=2024-01-01"))
	n.Write("url-with-sas.txt", base+"/sd/vae.safetensors?"+sas)
	n.Walk("azure.md", 15, a.accountKey, a.clientSecret, sas)
	n.Stop()
}
