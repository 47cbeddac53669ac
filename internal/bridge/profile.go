package bridge

import (
	"net/http"
	"net/http/pprof"
)

// profiled is the API with the profiles of the Go runtime beside it, below
// /debug/pprof/: for admin.sock alone, whose file permission is the login. A
// profile tells of functions and sizes, and of nothing that they hold.
func profiled(api http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index) // and each named profile
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
