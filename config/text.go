package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
	prefixType   = reflect.TypeFor[netip.Prefix]()
	sizeType     = reflect.TypeFor[Size]()
	sourceType   = reflect.TypeFor[Source]()
)

// mistake is what is wrong with a value's text, and how to write it.
type mistake struct{ message, hint string }

// setText sets a single value from its text, the same for the file, the
// environment and the defaults. Where it reports a mistake dst is unchanged.
func setText(dst reflect.Value, text string) *mistake {
	switch dst.Type() {
	case durationType:
		d, err := parseDuration(text)
		if err != nil {
			return &mistake{fmt.Sprintf("%q is not a duration: %v", show(text), err), "write a number and a unit, such as 90s, 10m, 36h or 90d"}
		}
		dst.SetInt(int64(d))
		return nil
	case sizeType:
		n, err := parseSize(text)
		if err != nil {
			return &mistake{fmt.Sprintf("%q is not a size: %v", show(text), err), "write a number of bytes with a unit, such as 512KiB, 64MiB or 2GiB"}
		}
		dst.SetInt(n)
		return nil
	case timeType:
		t, err := parseTime(text)
		if err != nil {
			return &mistake{fmt.Sprintf("%q is not a time", show(text)), "write a date such as 2027-06-30, or 2027-06-30T12:00:00Z"}
		}
		dst.Set(reflect.ValueOf(t))
		return nil
	case prefixType:
		p, m := parsePrefix(text)
		if m == nil {
			dst.Set(reflect.ValueOf(p))
		}
		return m
	}
	switch dst.Kind() {
	case reflect.String:
		dst.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return &mistake{fmt.Sprintf("%q is neither true nor false", show(text)), "write true or false"}
		}
		dst.SetBool(b)
	case reflect.Uint16:
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return &mistake{fmt.Sprintf("%q is not a port", show(text)), "write a number from 1 to 65535"}
		}
		dst.SetUint(n)
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || !(f >= 0) || math.IsInf(f, 0) {
			return &mistake{fmt.Sprintf("%q is not a number", show(text)), "write a number such as 10 or 0.5; 0 is no limit"}
		}
		dst.SetFloat(f)
	case reflect.Int:
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return &mistake{fmt.Sprintf("%q is not a number", show(text)), "write a whole number; 0 is no limit"}
		}
		dst.SetInt(int64(n))
	default:
		panic("config: a field of type " + dst.Type().String() + " cannot be read")
	}
	return nil
}

// parseDuration is time.ParseDuration with days, and without negative values.
func parseDuration(text string) (time.Duration, error) {
	const day = 24 * time.Hour
	var days time.Duration
	rest := text
	if n, after, ok := strings.Cut(text, "d"); ok {
		v, err := strconv.ParseUint(n, 10, 32)
		switch {
		case err != nil:
			return 0, errors.New("days are a whole number")
		case v > uint64(math.MaxInt64/day):
			return 0, errors.New("it is too long")
		}
		if days, rest = time.Duration(v)*day, after; rest == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(rest)
	switch {
	case err != nil && isNumber(rest):
		return 0, errors.New("the unit is missing")
	case err != nil:
		return 0, errors.New("it does not have the form of one")
	case d < 0:
		return 0, errors.New("it is negative")
	case days > math.MaxInt64-d:
		return 0, errors.New("it is too long")
	}
	return days + d, nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// ParseSize reads a number of bytes as the configuration does, such as 100MiB.
func ParseSize(text string) (Size, error) {
	n, err := parseSize(text)
	return Size(n), err
}

// parseSize reads bytes with an IEC or SI unit.
func parseSize(text string) (int64, error) {
	end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(text)
	}
	n, err := strconv.ParseInt(text[:end], 10, 64)
	if err != nil {
		return 0, errors.New("it does not begin with a whole number")
	}
	units := map[string]int64{
		"": 1, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	}
	u, ok := units[strings.TrimSpace(text[end:])]
	switch {
	case !ok:
		return 0, errors.New("the unit is not known")
	case n > math.MaxInt64/u:
		return 0, errors.New("it is too large")
	}
	return n * u, nil
}

// String writes s with the largest unit that divides it.
func (s Size) String() string {
	for _, u := range []struct {
		n    Size
		name string
	}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if s >= u.n && s%u.n == 0 {
			return strconv.FormatInt(int64(s/u.n), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

func parseTime(text string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, text)
}

func parsePrefix(text string) (netip.Prefix, *mistake) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		hint := "write a CIDR such as 10.20.0.0/16 or fd00::/8"
		if a, aerr := netip.ParseAddr(text); aerr == nil && a.Zone() == "" {
			hint = fmt.Sprintf("for this one address write %s/%d", a, a.BitLen())
		}
		return p, &mistake{fmt.Sprintf("%q is not a network", show(text)), hint}
	}
	if m := p.Masked(); m != p {
		return p, &mistake{fmt.Sprintf("%q has bits behind its length", show(text)), fmt.Sprintf("write %s", m)}
	}
	return p, nil
}

// show is text as a message may quote it: what looks like a secret is not,
// nor is more than a line's worth, nor what a terminal would act on.
func show(text string) string {
	const most = 80
	for _, prefix := range []string{"wbk_", "wbu_", "wbt_", "hf_", "sk-", "eyJ"} {
		if strings.HasPrefix(text, prefix) && len(text) > 12 {
			return text[:len(prefix)] + "…"
		}
	}
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		text = "…" + text[i:]
	}
	if i := strings.IndexByte(text, '?'); i >= 0 {
		text = text[:i] + "…"
	}
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, text)
}
