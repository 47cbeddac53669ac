package main

import (
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/config"
)

// limitFlags are the flags that say what a key may take, and from where.
type limitFlags struct {
	rate             float64
	burst, transfers int
	bandwidth        string
	sources          []string
}

// newFlags are those of a new key of either kind.
type newFlags struct {
	limitFlags
	expires string
}

func (n *newFlags) register(f *pflag.FlagSet) {
	f.StringVar(&n.expires, "expires", "", "when it ends, in 1 to 365 days: 90d, or a date (never where not given)")
	n.limitFlags.register(f)
}

// changeFlags are those of a change to a key of either kind.
type changeFlags struct {
	limitFlags
	name, expires string
}

func (n *changeFlags) register(f *pflag.FlagSet) {
	f.StringVar(&n.name, "name", "", "new name")
	f.StringVar(&n.expires, "expires", "", "90d, a date in 1 to 365 days, or never")
	n.limitFlags.register(f)
	f.Lookup("source").Usage = "replaces all networks that it may be used from (repeatable); one empty value lifts the restriction"
}

// patch is what was given of them.
func (n *changeFlags) patch(a *app, f *pflag.FlagSet) (name *string, end *time.Time, limits *admin.LimitsPatch, sources *[]string, err error) {
	if f.Changed("name") {
		name = &n.name
	}
	if f.Changed("expires") {
		if end, err = a.newEnd(n.expires); err != nil {
			return nil, nil, nil, nil, err
		}
	}
	limits, sources, err = n.limitFlags.patch(f)
	return name, end, limits, sources, err
}

// fresh is when a new key ends, what it may take and from where.
func (n *newFlags) fresh(a *app) (end *time.Time, limits *admin.Limits, sources []string, err error) {
	if end, err = a.end(n.expires); err != nil {
		return nil, nil, nil, err
	}
	limits, err = n.limitFlags.fresh()
	return end, limits, n.sources, err
}

func (l *limitFlags) register(f *pflag.FlagSet) {
	f.Float64Var(&l.rate, "rate", 0, "requests a second, such as 20 or 0.5 (0 is no limit)")
	f.IntVar(&l.burst, "burst", 0, "how many requests may come at once (0 is one second's worth)")
	f.IntVar(&l.transfers, "transfers", 0, "transfers under way at a time (0 is limits.transfers_per_key)")
	f.StringVar(&l.bandwidth, "bandwidth", "", "bytes a second of all its transfers together, such as 100MiB (0 is no limit)")
	f.StringArrayVar(&l.sources, "source", nil, "network (CIDR) or address that it may be used from (repeatable)")
}

// bytes reads --bandwidth.
func (l *limitFlags) bytes() (int64, error) {
	if l.bandwidth == "" {
		return 0, nil
	}
	n, err := config.ParseSize(l.bandwidth)
	if err != nil {
		return 0, usage("--bandwidth %q: give a size such as 100MiB: %v", l.bandwidth, err)
	}
	return int64(n), nil
}

// fresh is what a new key takes.
func (l *limitFlags) fresh() (*admin.Limits, error) {
	n, err := l.bytes()
	out := admin.Limits{Rate: l.rate, Burst: l.burst, Transfers: l.transfers, Bandwidth: n}
	if err != nil || out == (admin.Limits{}) {
		return nil, err
	}
	return &out, nil
}

// patch is what was given of them, to change a key that exists.
func (l *limitFlags) patch(f *pflag.FlagSet) (p *admin.LimitsPatch, sources *[]string, err error) {
	var limits admin.LimitsPatch
	if f.Changed("rate") {
		limits.Rate = &l.rate
	}
	if f.Changed("burst") {
		limits.Burst = &l.burst
	}
	if f.Changed("transfers") {
		limits.Transfers = &l.transfers
	}
	if f.Changed("bandwidth") {
		n, err := l.bytes()
		if err != nil {
			return nil, nil, err
		}
		limits.Bandwidth = &n
	}
	if limits != (admin.LimitsPatch{}) {
		p = &limits
	}
	if f.Changed("source") {
		sources = oneEmpty(l.sources)
	}
	return p, sources, nil
}

// oneEmpty is a list that replaces another, where one empty value stands for
// an empty list.
func oneEmpty(values []string) *[]string {
	if len(values) == 1 && values[0] == "" {
		values = []string{}
	}
	return &values
}

// limitsText are pairs for a person.
func limitsText(l *admin.Limits, sources []string) []string {
	kv := []string{"sources", list(sources)}
	if l == nil {
		return kv
	}
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	rate, bandwidth := "", ""
	if l.Rate > 0 {
		rate = strconv.FormatFloat(l.Rate, 'g', -1, 64) + " requests a second"
	}
	if l.Bandwidth > 0 {
		bandwidth = config.Size(l.Bandwidth).String() + " a second"
	}
	return append(kv, "rate", rate, "burst", number(l.Burst), "transfers", number(l.Transfers), "bandwidth", bandwidth)
}
