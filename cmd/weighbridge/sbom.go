package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"runtime/debug"
	"strings"
)

// bom is a CycloneDX 1.6 bill of materials (https://cyclonedx.org/docs/1.6/json/),
// as much of it as the build info tells. It has neither a serial number nor a
// time, so that the same program always says the same.
type bom struct {
	BOMFormat   string `json:"bomFormat"`
	SpecVersion string `json:"specVersion"`
	Version     int    `json:"version"`
	Metadata    struct {
		Component component `json:"component"`
	} `json:"metadata"`
	Components []component `json:"components"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl"`
	Properties []property `json:"properties,omitempty"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// printSBOM writes what this very program was linked from: no tool that looks
// at a checkout could be as sure, and none has to be installed.
func printSBOM(w io.Writer) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("this program was built without build info")
	}
	b := bom{BOMFormat: "CycloneDX", SpecVersion: "1.6", Version: 1}
	b.Metadata.Component = module("application", cmp.Or(info.Main.Path, "github.com/weighbridge/weighbridge"), buildVersion())
	for _, s := range info.Settings {
		if strings.HasPrefix(s.Key, "vcs.") {
			b.Metadata.Component.Properties = append(b.Metadata.Component.Properties, property{s.Key, s.Value})
		}
	}
	goVersion := strings.TrimPrefix(info.GoVersion, "go")
	b.Components = append(b.Components, module("library", "std", goVersion))
	for _, m := range info.Deps {
		for m.Replace != nil {
			m = m.Replace
		}
		c := module("library", m.Path, m.Version)
		if m.Sum != "" { // a hash of a tree, which CycloneDX has no word for
			c.Properties = append(c.Properties, property{"go:sum", m.Sum})
		}
		b.Components = append(b.Components, c)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(b)
}

func module(kind, path, version string) component {
	purl := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	return component{Type: kind, Ref: purl, Name: path, Version: version, PURL: purl}
}
