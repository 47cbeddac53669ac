//go:build realclients

package portal

import (
	"context"
	"os"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// forReadme makes a picture that the README shows anew, where -update is given.
func (b *tab) forReadme(name, theme string) {
	b.t.Helper()
	if !*update {
		return
	}
	var webp []byte
	b.do("a picture for the README", emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}),
		chromedp.EmulateViewport(1200, 780), chromedp.ActionFunc(func(ctx context.Context) (err error) {
			webp, err = page.CaptureScreenshot().WithFormat(page.CaptureScreenshotFormatWebp).WithQuality(85).Do(ctx)
			return err
		}))
	if err := os.WriteFile(root+"/docs/images/"+name+".webp", webp, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
