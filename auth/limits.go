package auth

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"
)

// Limits bound what one key may take, over all that use it. Each zero value is
// no bound of the key's own.
type Limits struct {
	// Rate is how many requests the key may make in a second, in the long run.
	Rate float64 `json:"rate,omitempty"`
	// Burst is how many of them it may make at once. Zero is one second's
	// worth, and one at least.
	Burst int `json:"burst,omitempty"`
	// Transfers is how many may be under way at a time. It stands in place of
	// what the listener allows every key.
	Transfers int `json:"transfers,omitempty"`
	// Bandwidth is how many bytes of bodies may move in a second, in either
	// direction.
	Bandwidth int64 `json:"bandwidth,omitempty"`
}

const (
	// MinRate is one request in 100 seconds.
	MinRate = 0.01
	// MaxLimit bounds Rate, Burst and Transfers: beyond it there is no limit.
	MaxLimit = 1_000_000
	// MinBandwidth is the least that can be had: what is slower moves no byte
	// for so long that clients give up.
	MinBandwidth = 1 << 10
	// MaxBandwidth is more than any network interface has.
	MaxBandwidth = 1 << 40
)

// Check says what is wrong with l.
func (l Limits) Check() error {
	switch {
	case l.Rate != 0 && !(l.Rate >= MinRate && l.Rate <= MaxLimit): // NaN, too
		return fmt.Errorf("the rate is %v requests a second; it is %v to %d, or 0 for no limit", l.Rate, MinRate, MaxLimit)
	case l.Burst < 0 || l.Burst > MaxLimit:
		return fmt.Errorf("the burst is %d requests; it is 1 to %d, or 0 for one second's worth", l.Burst, MaxLimit)
	case l.Burst > 0 && l.Rate == 0:
		return errors.New("there is a burst and no rate that it is a burst of")
	case l.Transfers < 0 || l.Transfers > MaxLimit:
		return fmt.Errorf("there may be %d transfers; it is 1 to %d, or 0 for what the listener allows", l.Transfers, MaxLimit)
	case l.Bandwidth != 0 && (l.Bandwidth < MinBandwidth || l.Bandwidth > MaxBandwidth):
		return fmt.Errorf("the bandwidth is %d bytes a second; it is %d (1KiB) to %d (1TiB), or 0 for no limit", l.Bandwidth, MinBandwidth, int64(MaxBandwidth))
	}
	return nil
}

// AtOnce is how many requests may be made at once: Burst, or what it stands
// for.
func (l Limits) AtOnce() int {
	if l.Burst > 0 {
		return l.Burst
	}
	return max(1, int(math.Ceil(l.Rate)))
}

// ParseSource reads a network that a key may be used from: a CIDR, or an
// address for the network that is only that.
func ParseSource(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, aerr := netip.ParseAddr(text)
		if aerr != nil || a.Zone() != "" {
			return netip.Prefix{}, errors.New("it is not a network; write a CIDR such as 10.20.0.0/16 or fd00::/8")
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	return p, CheckSource(p)
}

// CheckSource says what is wrong with a network that a key may be used from.
func CheckSource(p netip.Prefix) error {
	switch {
	case !p.IsValid():
		return errors.New("it is not a network")
	case p.Addr().Is4In6():
		return errors.New("it is an IPv4 network in the clothes of IPv6; write it as IPv4")
	case p.Masked() != p:
		return fmt.Errorf("it has bits behind its length; write %s", p.Masked())
	}
	return nil
}

const (
	// MinLife and MaxLife bound how long a key that ends may go on.
	MinLife = 24 * time.Hour
	MaxLife = 365 * 24 * time.Hour
	// lifeSlack is for the time between who says "in one day" and who checks.
	lifeSlack = 10 * time.Minute
)

// CheckLife says what is wrong with a key's end, as one that is set at now.
// Zero is no end.
func CheckLife(end, now time.Time) error {
	left := end.Sub(now)
	switch {
	case end.IsZero():
		return nil
	case left <= 0:
		return fmt.Errorf("%s has passed already; a key ends 1 to 365 days from now, or never", end.UTC().Format(time.RFC3339))
	case left < MinLife-lifeSlack:
		return fmt.Errorf("%s is less than a day from now; a key ends 1 to 365 days from now, or never", end.UTC().Format(time.RFC3339))
	case left > MaxLife+lifeSlack:
		return fmt.Errorf("%s is more than 365 days from now; a key ends 1 to 365 days from now, or never", end.UTC().Format(time.RFC3339))
	}
	return nil
}

// Limits are those of the key.
func (id Identity) Limits() Limits {
	if id.key == nil {
		return Limits{}
	}
	return id.key.record.Limits
}

// From refuses an identity that may not be used from where it is used: peer is
// the address of the connection's other end. What has no address, as a unix
// socket has none, is in no network.
func (id Identity) From(peer string) *Error {
	if id.key == nil || len(id.key.record.Sources) == 0 {
		return nil
	}
	if a, err := netip.ParseAddr(peer); err == nil {
		a = a.WithZone("").Unmap()
		for _, p := range id.key.record.Sources {
			if p.Contains(a) {
				return nil
			}
		}
	}
	e := NewError(CodeSourceForbidden, "the API key "+quote(id.KeyName)+" may not be used from "+strings.ToValidUTF8(peer, "?"), nil)
	if a, err := netip.ParseAddr(peer); err == nil {
		// The option replaces them all, and which others there are is not for a worker.
		e.Next = "Call from an allowed address, or allow this one, beside those that `weighbridge key show " + Argument(id.KeyName) + "` lists: `weighbridge key update " +
			Argument(id.KeyName) + " --source " + a.WithZone("").Unmap().String() + " --source …`."
	}
	return e
}
