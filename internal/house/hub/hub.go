package hub

import (
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// The host names of the Hub. Hugging Face publishes the list of those that
// downloads pass through at https://huggingface.co/.well-known/meta.json.
const (
	Host         = "huggingface.co"
	ShortHost    = "hf.co"
	CDNHost      = "us.aws.cdn.hf.co"
	BridgeHost   = "cas-bridge.xethub.hf.co"
	LFSHost      = "cdn-lfs-us-1.hf.co"
	CASHost      = "cas-server.xethub.hf.co"
	TransferHost = "transfer.xethub.hf.co"
)

// CompanionHosts are the hosts that must never see a Hub token.
func CompanionHosts() []string {
	return []string{CDNHost, BridgeHost, LFSHost, CASHost, TransferHost}
}

// Options of a Hub. The zero value is complete.
type Options struct {
	// Now defaults to time.Now.
	Now func() time.Time
	// Git serves the repositories by git as well. It needs the git program.
	Git bool
	// SignedLife is how long a CDN URL lasts; zero means an hour, as at the Hub.
	SignedLife time.Duration
	// XetLife is how long a xet token lasts; zero means 15 minutes.
	XetLife time.Duration
	// TreePage is how many entries a page of a tree holds; zero means 3, so
	// that every client has to follow a Link.
	TreePage int
	// XorbChunks is how many chunks of 128 KiB a xorb holds; zero means 16.
	// The real ones hold up to 64 MiB, which is 512.
	XorbChunks int
	// XetV1Only makes the CAS answer 404 to v2 reconstructions.
	XetV1Only bool
}

// Hub is a fake Hugging Face Hub. All methods may be called while it serves.
type Hub struct {
	Server *origin.Server

	options Options
	signer  *origin.Signer
	xetKey  [32]byte
	git     *gitHouse
	limits  limits

	mu      sync.RWMutex
	repos   map[string]*repo  // by key of kind and id
	aliases map[string]string // lower-case or former key to the key
	tokens  map[string]Token
	objects map[string]*object // by SHA-256
	files   map[string]*object // by xet hash
	xorbs   map[string]*xorb   // by xorb hash
}

// Start makes a Server of its own and a Hub on it. Close ends both.
func Start(o Options) (*Hub, error) {
	s, err := origin.Listen(origin.Options{Now: o.Now})
	if err != nil {
		return nil, err
	}
	h, err := Mount(s, o)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return h, nil
}

// Mount puts a Hub on s, under its real host names.
func Mount(s *origin.Server, o Options) (*Hub, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SignedLife == 0 {
		o.SignedLife = time.Hour
	}
	if o.XetLife == 0 {
		o.XetLife = 15 * time.Minute
	}
	if o.TreePage == 0 {
		o.TreePage = 3
	}
	if o.XorbChunks == 0 {
		o.XorbChunks = 16
	}
	h := &Hub{
		Server:  s,
		options: o,
		signer:  origin.NewSigner(o.Now),
		limits:  limits{now: o.Now},
		repos:   map[string]*repo{},
		aliases: map[string]string{},
		tokens:  map[string]Token{},
		objects: map[string]*object{},
		files:   map[string]*object{},
		xorbs:   map[string]*xorb{},
	}
	_, _ = rand.Read(h.xetKey[:]) // crypto/rand.Read never fails since Go 1.24
	if o.Git {
		g, err := newGitHouse()
		if err != nil {
			return nil, err
		}
		h.git = g
	}
	for host, handler := range map[string]http.HandlerFunc{
		Host:         h.serveHub,
		ShortHost:    h.serveShort,
		CDNHost:      h.serveCDN,
		BridgeHost:   h.serveCDN,
		LFSHost:      h.serveCDN,
		CASHost:      h.serveCAS,
		TransferHost: h.serveXorb,
	} {
		if err := s.Handle(host, handler); err != nil {
			return nil, errors.Join(err, h.closeGit())
		}
	}
	return h, nil
}

// Close ends the Hub and its Server.
func (h *Hub) Close() error { return errors.Join(h.Server.Close(), h.closeGit()) }

func (h *Hub) closeGit() error {
	if h.git == nil {
		return nil
	}
	return os.RemoveAll(h.git.dir)
}

// serveShort sends everything on to the long name, as hf.co does.
func (h *Hub) serveShort(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Location", "https://"+Host+r.URL.RequestURI())
	w.WriteHeader(http.StatusMovedPermanently)
}

// serveHub routes huggingface.co on the escaped path: a revision may hold %2F,
// and a decoded path would lose it.
func (h *Hub) serveHub(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	h.limits.mark(w, path)
	w.Header().Set("Vary", "Origin, Accept")
	w.Header().Set("X-Powered-By", "huggingface-moon")
	w.Header().Set("X-Request-Id", "Root=1-fake;"+r.Header.Get("X-Amzn-Trace-Id"))
	switch {
	case path == "/api/whoami-v2":
		h.whoami(w, r)
	case path == "/api/agent-harnesses", strings.HasPrefix(path, "/api/telemetry/"), path == "/.well-known/meta.json":
		h.furniture(w, path)
	case strings.HasPrefix(path, "/api/"):
		h.serveAPI(w, r, path)
	default:
		h.serveRepo(w, r, path)
	}
}
