package portal

import "strings"

// What programs call themselves (RFC 9110, section 10.1.5), by what stands in it
// and what people call it. Browsers name each other: the order counts.
var (
	programs = [...][2]string{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"HeadlessChrome/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}, {"python", "Python"}, {"Go-http-client", "Go"}}
	systems  = [...][2]string{{"Windows", "Windows"}, {"Android", "Android"}, {"iPhone", "iOS"}, {"iPad", "iPadOS"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}}
)

// agentName is a program in few words: what it is, and on what.
func agentName(t *text, agent string) string {
	if agent == "" {
		return t.say("account.agent.none")
	}
	name := first(agent, programs[:])
	if name == "" {
		name, _, _ = strings.Cut(agent, " ")
		name, _, _ = strings.Cut(name, "/")
	}
	if on := first(agent, systems[:]); on != "" {
		return t.say("account.agent.on", name, on)
	}
	return name
}

func first(s string, of [][2]string) string {
	for _, pair := range of {
		if strings.Contains(s, pair[0]) {
			return pair[1]
		}
	}
	return ""
}
