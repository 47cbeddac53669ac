package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/internal/tracing"
)

// version is set by a build without its commit at hand, with -ldflags
// "-X main.version=…"; other builds, the image's too, tell the module's version
// and commit from the build info.
var version string

func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v += "+" + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return v
}

// built is what a build says of itself.
type built struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	// Tracing says whether spans can be exported (the build tag otel).
	Tracing bool `json:"tracing"`
}

func (b built) String() string {
	more := ""
	if b.Tracing {
		more = ", with OpenTelemetry"
	}
	return fmt.Sprintf("weighbridge %s (%s, %s%s)", b.Version, b.Go, b.Platform, more)
}

func (a *app) versionCommand() *cobra.Command {
	var sbom bool
	c := &cobra.Command{
		Use: "version", Short: "Print the version, or what the program is made of", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if sbom {
				return printSBOM(a.stdout)
			}
			out := built{buildVersion(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, tracing.Built}
			return a.print(out, func(w io.Writer) { _, _ = fmt.Fprintln(w, out) })
		},
	}
	c.Flags().BoolVar(&sbom, "sbom", false, "print the bill of materials of this program (CycloneDX JSON)")
	return c
}
