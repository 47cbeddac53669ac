package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// comfyUIRoute is the name of the route that comfyui configures.
const comfyUIRoute = "comfyui"

// checkComfyUI checks the route to ComfyUI servers.
func (l *loader) checkComfyUI() {
	c := &l.config.ComfyUI
	wrong := func(path, message, hint string) {
		if !l.failed(path) {
			l.wrong(path, message, hint)
		}
	}
	seen := map[string]string{}
	for i, base := range c.Servers {
		path := item("comfyui.servers", i)
		if m := checkBase(base); m != nil {
			wrong(path, m.message, "write http://host:port, such as http://10.0.0.5:8188")
			continue
		}
		t, err := auth.ParseURL(base)
		if err != nil {
			continue // checkBase said so
		}
		at := t.Scheme + "://" + t.Authority() + strings.TrimSuffix(t.Path, "/")
		if was, twice := seen[at]; twice {
			wrong(path, "is the server at "+was+" again", "")
		}
		seen[at] = path
	}
	if c.Team == "" {
		wrong("comfyui.team", "is empty", "name the team whose keys may use the route, such as default")
	}
	if t, err := auth.ParseTarget("http", "comfyui", c.Health.Path); err != nil || !strings.HasPrefix(c.Health.Path, "/") || t.HasQuery {
		wrong("comfyui.health.path", fmt.Sprintf("%q is not a path", show(c.Health.Path)), "write /system_stats or /queue")
	}
	for _, d := range []struct {
		path  string
		value time.Duration
		least time.Duration
	}{
		{"comfyui.health.interval", c.Health.Interval, time.Second},
		{"comfyui.health.timeout", c.Health.Timeout, time.Millisecond},
		{"comfyui.remember", c.Remember, time.Minute},
	} {
		if d.value < d.least {
			wrong(d.path, fmt.Sprintf("%v is less than %v", d.value, d.least), "")
		}
	}
	if len(c.Servers) == 0 {
		return
	}
	if _, ok := l.config.Routes[comfyUIRoute]; ok {
		path := member("routes", comfyUIRoute)
		at, ok := l.keyPlaces[path]
		if !ok {
			at = l.placeOf(path)
		}
		l.at(at, path, "is the route of comfyui.servers", "take another name, or leave one of the two out")
	}
	if at := l.patternHosts()[comfyUIRoute]; at != "" {
		wrong("comfyui.servers", "the route "+comfyUIRoute+" is also the host of the pattern at "+at, "give the host in the pattern a domain")
	}
}
