package signer

import (
	"net/netip"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/auth"
)

// sasSoon is how long before its end a SAS is warned of.
const sasSoon = 7 * 24 * time.Hour

// sasPermissions are the letters of sp, in words ("Create a service SAS" and
// "Create an account SAS", Specify permissions). harmless ones change nothing.
var sasPermissions = [...]struct {
	letter   byte
	word     string
	harmless bool
}{
	{'r', "read", true}, {'l', "list", true}, {'f', "find by tags", true}, {'e', "execute", true},
	{'a', "add", false}, {'c', "create", false}, {'w', "write", false}, {'u', "update", false}, {'p', "process or set permissions", false},
	{'d', "delete", false}, {'x', "delete versions", false}, {'y', "delete for good", false}, {'t', "set tags", false},
	{'m', "move", false}, {'o', "change owners", false}, {'i', "set immutability", false},
}

var sasResources = map[string]string{
	"b": "one blob", "bv": "one version of a blob", "bs": "one snapshot of a blob", "c": "a container", "d": "a directory",
}

// Read says of the SAS what its holder should know: what it can do, to what,
// from where and until when.
func (azureBlob) Read(f auth.Fields, patterns []string, now time.Time) auth.Reading {
	var r reading
	for _, p := range patterns {
		rest := strings.TrimPrefix(strings.TrimPrefix(p, "https://"), "http://")
		if strings.HasPrefix(rest, "*.") && f["accountName"].IsZero() {
			r.warn("by the pattern " + p + " it goes to every storage account; name yours: ACCOUNT" + rest[1:])
		}
	}
	if token := f["sasToken"].Reveal(); token != "" {
		if s, problem := parseSAS(token); problem == "" {
			s.read(&r, now)
		}
	}
	if !f["accountKey"].IsZero() {
		r.warn("an account key can do everything in the account; weighbridge signs for single blobs with it, but a SAS or an Entra application that may only read is safer to keep")
	}
	return r.Reading
}

// reading is a report while it is written.
type reading struct{ auth.Reading }

func (r *reading) fact(what, value string) { r.Facts = append(r.Facts, what+": "+value) }

func (r *reading) warn(text string) { r.Warnings = append(r.Warnings, text) }

// read describes s. Of the values only those that are known words, addresses
// and times are shown: what else a token holds is nobody's business.
func (s *sas) read(r *reading, now time.Time) {
	r.KeepBearer, r.ExpiresAt = s.bound(), s.end
	s.readResource(r)
	s.readPermissions(r)
	s.readSpan(r, now)
	s.readConditions(r)
}

func (s *sas) readResource(r *reading) {
	kind := "service SAS"
	switch {
	case s.values["skoid"] != "":
		kind = "user delegation SAS"
	case s.values["srt"] != "":
		kind = "account SAS"
	}
	if kind != "account SAS" {
		resource := sasResources[s.values["sr"]]
		if resource == "" {
			resource = "an unknown kind of resource"
		}
		r.fact("kind", kind+" for "+resource)
		if s.values["sr"] == "b" || s.values["sr"] == "bv" || s.values["sr"] == "bs" {
			r.warn("it is for one blob only; the pattern should be that blob")
		}
		return
	}
	services := lettersIn(s.values["ss"], map[byte]string{'b': "blobs", 'q': "queues", 't': "tables", 'f': "files"})
	types := lettersIn(s.values["srt"], map[byte]string{'s': "service", 'c': "containers", 'o': "objects"})
	r.fact("kind", kind+" for "+strings.Join(services, ", ")+" ("+strings.Join(types, ", ")+")")
	if !contains(services, "blobs") {
		r.warn("it is not for blobs (ss has no b), so nothing can be downloaded with it")
	} else if len(services) > 1 {
		r.warn("it reaches more than blobs: " + strings.Join(services, ", "))
	}
	if !contains(types, "objects") {
		r.warn("it is not for objects (srt has no o), so no blob can be downloaded with it")
	}
}

func (s *sas) readPermissions(r *reading) {
	if s.values["si"] != "" {
		r.fact("stored policy", "yes; it may be changed or withdrawn at the container")
	}
	letters := s.values["sp"]
	if letters == "" {
		r.fact("permissions", "those of the stored policy")
		r.warn("what it may do is not written in it but in the stored policy: see there that it only reads")
		return
	}
	var all, more []string
	for _, p := range sasPermissions {
		if strings.IndexByte(letters, p.letter) >= 0 {
			all = append(all, p.word)
			if !p.harmless {
				more = append(more, p.word)
			}
		}
	}
	r.fact("permissions", strings.Join(all, ", "))
	if len(more) > 0 {
		r.warn("it can do more than read: " + strings.Join(more, ", ") + "; a token with read alone is enough for downloads")
	}
	if strings.IndexByte(letters, 'r') < 0 {
		r.warn("it cannot read (sp has no r), so nothing can be downloaded with it")
	}
}

func (s *sas) readSpan(r *reading, now time.Time) {
	if !s.start.IsZero() {
		r.fact("starts", s.start.Format(time.RFC3339))
		if s.start.After(now) {
			r.warn("it is not valid before " + s.start.Format(time.RFC3339))
		}
	}
	switch {
	case s.end.IsZero():
		r.fact("ends", "unknown; the stored policy says when")
	case !s.end.After(now):
		r.fact("ends", s.end.Format(time.RFC3339))
	case s.end.Sub(now) < sasSoon:
		r.warn(auth.WarnEndsSoon + s.end.Format(time.RFC3339))
		fallthrough
	default:
		r.fact("ends", s.end.Format(time.RFC3339))
		if s.values["si"] != "" && s.values["se"] == "" {
			r.warn("the stored policy may end earlier than the key that signed it")
		}
	}
}

func (s *sas) readConditions(r *reading) {
	if v := s.values["sip"]; v != "" {
		from, to, ranged := strings.Cut(v, "-")
		_, err := netip.ParseAddr(from)
		if err == nil && ranged {
			_, err = netip.ParseAddr(to)
		}
		if err != nil {
			v = "a range that cannot be read"
		}
		r.fact("addresses", v)
		r.warn("it holds only from those addresses; the one by which weighbridge leaves must be among them")
	}
	if v := s.values["spr"]; v == "https" {
		r.fact("protocol", "https")
	} else {
		r.fact("protocol", "https and http; weighbridge uses https")
	}
	if s.bound() {
		r.fact("user", "it is bound to one; workers send that user's Bearer token along (forward mode)")
	}
	if s.values["srh"] != "" || s.values["srq"] != "" {
		r.warn("it holds only for requests with certain headers or parameters (srh, srq), which workers would have to send")
	}
}

func lettersIn(s string, words map[byte]string) []string {
	out := []string{}
	for i := 0; i < len(s); i++ {
		if w := words[s[i]]; w != "" && !contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}
