package config

import "strings"

// checkFollowers holds each follower to what its type needs.
func (l *loader) checkFollowers() {
	all := l.config.Audit.Followers
	names := map[string]string{}
	for i := range all {
		f, path := &all[i], item("audit.followers", i)
		wrong := func(field, message, hint string) {
			if !l.failed(path + "." + field) {
				l.wrong(path+"."+field, message, hint)
			}
		}
		switch was, twice := names[f.Name]; {
		case f.Name == "" || len(f.Name) > 64 || strings.ContainsFunc(f.Name, notInRoute):
			wrong("name", "consists of up to 64 letters, digits, - and _", "its place in the record is kept under it")
		case twice:
			wrong("name", "is that of "+was+" too", "take another one")
		}
		names[f.Name] = path
		for field, v := range map[string]int64{"max_size": int64(f.MaxSize), "max_lag": int64(f.MaxLag), "keep": int64(f.Keep)} {
			if v < 0 {
				wrong(field, "is negative", "")
			}
		}
		switch f.Type {
		case "file":
			if f.Path == "" {
				wrong("path", "is missing", "say which file the events are appended to")
			}
		case "webhook":
			if message := checkWebhook(f.URL); message != "" {
				wrong("url", message, "write https://host/path; a token goes into token")
			}
			if !f.Token.IsZero() {
				l.secret(path+".token", f.Token, true)
			}
		}
	}
}
