package portal

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// formats are what templates write numbers and times with.
func formats(now func() time.Time, t *text) template.FuncMap {
	return template.FuncMap{
		"bytes": formatBytes,
		"count": formatCount,
		"ago":   func(at any) string { return ago(t, now(), at) },
		"utc":   utc,
		"words": words,
		"rfc":   func(at any) string { return timeOf(at).UTC().Format(time.RFC3339) },
		"span":  span,
		"join":  strings.Join,
		"code":  func(c auth.Code) string { return string(c) },

		"agent":       func(agent string) string { return agentName(t, agent) },
		"fingerprint": fingerprint,

		"number": func(n int) string { return formatCount(int64(n)) },
		"moment": func(at time.Time) string { return at.UTC().Format("01-02 15:04:05") },
		"exact":  func(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) },
	}
}

// words writes a sentence of the API with what stands in backticks as code; all
// of it is text.
func words(s string) template.HTML {
	parts := strings.Split(s, "`")
	if len(parts)%2 == 0 { // one that is not closed is a backtick
		last := len(parts) - 1
		parts = append(parts[:last-1], parts[last-1]+"`"+parts[last])
	}
	var b strings.Builder
	for i, part := range parts {
		part = template.HTMLEscapeString(part)
		if i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		b.WriteString(part)
	}
	return template.HTML(b.String()) // every part is escaped
}

// formatBytes writes a number of bytes in binary units (IEC 80000-13).
func formatBytes(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(max(n, 0), 10) + " B"
	}
	v, unit := float64(n), 0
	for v >= 1024 && unit < 6 {
		v /= 1024
		unit++
	}
	digits := 1
	if v >= 100 {
		digits = 0
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + " " + "KMGTPE"[unit-1:unit] + "iB"
}

// fingerprint writes hexadecimal digits in pairs, as other tools do.
func fingerprint(digits string) string {
	var b strings.Builder
	for i := 0; i+2 <= len(digits); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(strings.ToUpper(digits[i : i+2]))
	}
	return b.String()
}

// formatCount writes a number with its thousands apart.
func formatCount(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:] // narrow no-break space
	}
	return s
}

// timeOf takes a time, or a pointer to one; the zero time is none.
func timeOf(at any) time.Time {
	switch at := at.(type) {
	case time.Time:
		return at
	case *time.Time:
		if at != nil {
			return *at
		}
	}
	return time.Time{}
}

func utc(at any) string {
	if t := timeOf(at); !t.IsZero() {
		return t.UTC().Format("2006-01-02 15:04 UTC")
	}
	return ""
}

// ago says how far a time is from now, in one unit.
func ago(t *text, now time.Time, at any) string {
	when := timeOf(at)
	if when.IsZero() {
		return t.say("time.never")
	}
	d := now.Sub(when)
	key := "time.ago"
	if d < 0 {
		d, key = -d, "time.in"
	}
	switch {
	case d < time.Minute && key == "time.ago":
		return t.say("time.now")
	case d < time.Minute:
		return t.say("time.soon")
	case d < time.Hour:
		return t.say(key, quantity(int(d/time.Minute), "minute"))
	case d < 48*time.Hour:
		return t.say(key, quantity(int(d/time.Hour), "hour"))
	case d < 60*24*time.Hour:
		return t.say(key, quantity(int(d/(24*time.Hour)), "day"))
	case d < 2*365*24*time.Hour:
		return t.say(key, quantity(int(d/(30*24*time.Hour)), "month"))
	default:
		return t.say(key, quantity(int(d/(365*24*time.Hour)), "year"))
	}
}

// span is how long something lasts, in one unit.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return quantity(int(d/time.Second), "second")
	case d < time.Hour:
		return quantity(int(d/time.Minute), "minute")
	default:
		return quantity(int(d/time.Hour), "hour")
	}
}

func quantity(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", max(n, 0), unit)
}
