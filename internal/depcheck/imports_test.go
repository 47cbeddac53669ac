package depcheck

import (
	"slices"
	"strings"
	"testing"
)

// anything is the right of those who put the parts together.
const anything = "…"

// mayImport is the plan of the house: for each package, which of the others
// its code may import. It runs downwards only. A name that ends in "/" stands
// for the packages below it. A package that is not here fails the test: say
// here where it stands.
var mayImport = map[string][]string{
	"auth": {},

	"auth/chain":       {"auth"},
	"auth/audit":       {"auth", "auth/chain"},
	"config":           {"auth"},
	"signer":           {"auth", "signer/"},
	"signer/s3host":    {},
	"signer/s3err":     {"auth"},
	"signer/s3front":   {"auth", "signer/s3err", "signer/s3host", "signer/sigv4"},
	"signer/sigv4":     {"auth", "signer/s3err"},
	"store":            {"auth", "auth/chain"},
	"store/backup":     {"store"},
	"store/keyservice": {"auth"},
	"store/storetest":  {"auth", "auth/chain", "store"},

	"auth/lifecycle": {"auth", "auth/audit"},
	"proxy/box":      {"auth"},
	"proxy/ca":       {"auth"},
	"proxy/guard":    {"auth"},
	"proxy/scrub":    {"auth"},
	"proxy/wire":     {"auth"},
	"proxy":          {"auth", "proxy/"},
	"admin/session":  {"auth", "auth/audit", "store"},
	"admin":          {"auth", "auth/audit", "auth/chain", "signer", "store", "admin/session"},

	"admin/portal": {"admin", "auth", "auth/chain", "internal/workerenv"},

	"internal/comfyui":        {"auth"},
	"internal/workerenv":      {"auth"},
	"internal/importer":       {"auth"},
	"internal/serviceaccount": {"auth"},
	"internal/depcheck":       {},
	"internal/inject":         {"internal/workerenv"},
	"internal/trial":          {"auth", "internal/workerenv"},
	"internal/truststore":     {},
	"internal/tracing":        {"auth", "proxy"},
	"internal/doctor":         {"auth", "internal/trial", "internal/workerenv", "proxy/ca"},
	"internal/preflight":      {"auth", "internal/trial"},
	// Everything below cmd (docs/adr/0002-wiring-in-a-package.md).
	"internal/bridge": {"auth", "auth/", "config", "signer", "signer/", "store", "store/", "proxy", "proxy/", "admin", "admin/portal", "admin/session", "internal/comfyui", "internal/serviceaccount", "internal/tracing", "internal/workerenv"},
	"internal/house":  {anything},
	"internal/house/": {anything},
	"cmd/weighbridge": {anything},
}

// allowed finds the row of a package.
func allowed(dir string) (may []string, known bool) {
	if may, known = mayImport[dir]; known {
		return may, true
	}
	for row, may := range mayImport {
		if strings.HasSuffix(row, "/") && strings.HasPrefix(dir, row) {
			return may, true
		}
	}
	return nil, false
}

func TestImportsRunDownwards(t *testing.T) {
	for _, s := range sources(t) {
		may, known := allowed(s.dir)
		if !known {
			t.Errorf("%s: the package %s has no place in mayImport", s.name, s.dir)
			continue
		}
		if s.test { // a test may use the whole house
			continue
		}
		for _, imp := range s.imports() {
			to, ours := strings.CutPrefix(imp, module+"/")
			if !ours {
				continue
			}
			ok := slices.ContainsFunc(may, func(m string) bool {
				return m == anything && !strings.HasPrefix(to, "cmd/") || m == to || strings.HasSuffix(m, "/") && strings.HasPrefix(to, m)
			})
			if !ok {
				t.Errorf("%s imports %s; %s may import %v", s.name, to, s.dir, may)
			}
		}
	}
}

// confined libraries appear in these packages and nowhere else, tests
// included.
var confined = map[string][]string{
	"github.com/valyala/fasthttp":      {"proxy", "proxy/wire"},
	"go.etcd.io/bbolt":                 {"store"},
	"github.com/jackc/pgx/v5":          {"store", "internal/house/realstores"},
	"github.com/danielgtaylor/huma/v2": {"admin"},
	"github.com/spf13/cobra":           {"cmd/weighbridge"},
	"go.opentelemetry.io":              {"internal/tracing", "internal/house/collector"},
}

func TestLibrariesStayWhereTheyBelong(t *testing.T) {
	for _, s := range sources(t) {
		for _, imp := range s.imports() {
			for lib, dirs := range confined {
				if (imp == lib || strings.HasPrefix(imp, lib+"/")) && !slices.Contains(dirs, s.dir) {
					t.Errorf("%s imports %s, which belongs to %v", s.name, imp, dirs)
				}
			}
		}
	}
}

// plain packages import the standard library and golang.org/x only: they
// decide, and what decides stays easy to read whole.
var plain = []string{"auth", "auth/chain", "proxy/box", "proxy/ca", "proxy/scrub"}

func TestPlainPackages(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !slices.Contains(plain, s.dir) {
			continue
		}
		for _, imp := range s.imports() {
			first, _, _ := strings.Cut(imp, "/")
			std := !strings.Contains(first, ".")
			if !std && !strings.HasPrefix(imp, "golang.org/x/") && !strings.HasPrefix(imp, module+"/") {
				t.Errorf("%s imports %s", s.name, imp)
			}
		}
	}
}
