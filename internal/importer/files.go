package importer

import (
	"bufio"
	"bytes"
	"strings"

	"github.com/weighbridge/weighbridge/auth"
)

// token reads the file in which huggingface_hub keeps its token: the token and
// nothing else (HF_TOKEN_PATH, by default ~/.cache/huggingface/token).
func token(text []byte) []Found {
	v := strings.TrimSpace(string(text))
	if v == "" {
		return nil
	}
	f := Found{Name: "huggingface", Provider: "huggingface", Fields: auth.Fields{"token": auth.NewSecret(v)}}
	if strings.ContainsAny(v, " \t\r\n=") {
		f.Obstacle = "it is not one token and nothing else"
	}
	return []Found{f}
}

// aws reads the shared credentials file of AWS's tools: INI, a section for each
// profile (AWS SDKs and Tools Reference Guide, "Shared config and credentials
// files"). Profiles without keys of their own, such as roles, make nothing.
func aws(text []byte) (found []Found) {
	profile, values := "", map[string]string{}
	end := func() {
		name := "s3-" + profile
		if profile == "default" {
			name = "s3"
		}
		if f, ok := s3(name, func(n string) string { return values[n] }); ok && profile != "" {
			f.From = "[" + profile + "]"
			if r := values[awsRegion]; r != "" {
				f.Fields["region"] = auth.NewSecret(r)
			}
			found = append(found, f)
		}
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		// What follows the bracket is passed over, as AWS's tools do: the keys of
		// one profile are not to be taken for those of the one before it.
		if name, _, ok := strings.Cut(line, "]"); ok && strings.HasPrefix(name, "[") {
			end()
			profile, values = strings.TrimSpace(strings.TrimPrefix(name[1:], "profile ")), map[string]string{}
			continue
		}
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ";") {
			values[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
		}
	}
	end()
	return found
}

// hubHosts are those whose password in a .netrc is a token of the Hub.
var hubHosts = map[string]bool{"huggingface.co": true, "hf.co": true}

// netrc reads the file of ftp(1) and of what came after it: machine, login and
// password, in words (netrc(5)). What stands under default is for no host, and
// makes nothing; a macro ends at an empty line.
func netrc(text []byte) (found []Found) {
	var host, login, password string
	end := func() {
		if host == "" || password == "" {
			return
		}
		f := Found{Name: host, Provider: "http_basic", From: "machine " + host, Patterns: []string{host + "/*"},
			Fields: auth.Fields{"username": auth.NewSecret(login), "password": auth.NewSecret(password)}}
		switch {
		case hubHosts[host]:
			f.Name, f.Provider, f.Patterns, f.Fields = "huggingface", "huggingface", nil, auth.Fields{"token": auth.NewSecret(password)}
		case login == "":
			f.Obstacle = "it has no login"
		}
		found = append(found, f)
	}
	var words []string
	macro := false
	for line := range strings.Lines(string(text)) {
		if macro = macro && strings.TrimSpace(line) != ""; macro {
			continue
		}
		in := bufio.NewScanner(bytes.NewReader([]byte(line)))
		in.Split(bufio.ScanWords)
		for in.Scan() {
			w := in.Text()
			if strings.HasPrefix(w, "#") && (len(words) == 0 || words[len(words)-1] != "password") {
				break
			}
			words = append(words, w)
			if w == "macdef" {
				macro = true
			}
		}
	}
	for i := 0; i < len(words); i++ {
		next := func() string {
			if i++; i < len(words) {
				return words[i]
			}
			return ""
		}
		switch words[i] {
		case "machine":
			end()
			host, login, password = strings.ToLower(next()), "", ""
		case "default":
			end()
			host, login, password = "", "", ""
		case "login":
			login = next()
		case "password":
			password = next()
		case "account", "macdef":
			next()
		}
	}
	end()
	return found
}
