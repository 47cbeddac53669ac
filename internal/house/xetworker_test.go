package house_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/hub"
	"github.com/weighbridge/weighbridge/internal/workerenv"
)

// xetWorker speaks xet by the wire as hf_xet and @huggingface/hub do, on a
// machine that reaches weighbridge and nothing else.
type xetWorker struct {
	t      *testing.T
	house  *house.House
	client *http.Client
	// base is HF_ENDPOINT, key the token that goes with it, or "".
	base, key string
	// version of the reconstruction: v2 unless set.
	version string
}

// only refuses every host but one, before it is even looked up.
type only struct {
	host string
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (o only) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "http" || r.URL.Host != o.host {
		return nil, fmt.Errorf("the worker would have to reach %s://%s", r.URL.Scheme, r.URL.Host)
	}
	return o.next.RoundTrip(r)
}

// newXetWorker works with a key, or, where that is empty, by a URL key.
func newXetWorker(t *testing.T, h *house.House, key, urlKey string) xetWorker {
	t.Helper()
	at, err := url.Parse(h.Bridge.ProxyURL())
	if err != nil {
		t.Fatal(err)
	}
	direct := &http.Transport{DisableCompression: true}
	t.Cleanup(direct.CloseIdleConnections)
	base := h.ReverseURL("https://" + hub.Host)
	if urlKey != "" {
		base = h.URLKeyURL(urlKey, "https://"+hub.Host)
	}
	return xetWorker{t: t, house: h, base: base, key: key, version: "v2", client: &http.Client{
		Transport:     h.Watch.Transport(only{at.Host, direct}),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// ask sends one request; header comes in pairs.
func (w xetWorker) ask(method, rawURL, body string, header ...string) (*http.Response, []byte, error) {
	w.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, rawURL, in)
	if err != nil {
		return nil, nil, err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := w.client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	out, err := io.ReadAll(answer.Body)
	return answer, out, err
}

// must is ask where anything but status fails the test.
func (w xetWorker) must(status int, method, rawURL, body string, header ...string) (*http.Response, []byte) {
	w.t.Helper()
	answer, out, err := w.ask(method, rawURL, body, header...)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, rawURL, err)
	}
	if answer.StatusCode != status {
		w.t.Fatalf("%s %s: %s, want %d: %.300s", method, rawURL, answer.Status, status, out)
	}
	return answer, out
}

// authorized is the header by which the worker shows its key.
func (w xetWorker) authorized() []string {
	if w.key == "" {
		return nil
	}
	return []string{"Authorization", "Bearer " + w.key}
}

// xetFile is what the Hub says of a file that is in xet.
type xetFile struct {
	hash, auth, plan string
	size             int64
}

var linkTarget = regexp.MustCompile(`<([^>]*)>; rel="([^"]*)"`)

func (w xetWorker) file(method, repo, name string, header ...string) (xetFile, *http.Response, []byte) {
	w.t.Helper()
	at := w.base + "/" + repo + "/resolve/main/" + (&url.URL{Path: name}).EscapedPath()
	answer, body, err := w.ask(method, at, "", append(w.authorized(), header...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	f := xetFile{hash: answer.Header.Get("X-Xet-Hash")}
	for _, m := range linkTarget.FindAllStringSubmatch(answer.Header.Get("Link"), -1) {
		switch m[2] {
		case "xet-auth":
			f.auth = m[1]
		case "xet-reconstruction-info":
			f.plan = m[1]
		}
	}
	f.size, _ = strconv.ParseInt(answer.Header.Get("X-Linked-Size"), 10, 64)
	return f, answer, body
}

// xetToken is the answer of the token route.
type xetToken struct {
	CASURL      string `json:"casUrl"`
	Exp         int64  `json:"exp"`
	AccessToken string `json:"accessToken"`
}

func (w xetWorker) token(route string) xetToken {
	w.t.Helper()
	answer, body := w.must(200, http.MethodGet, route, "", w.authorized()...)
	var token xetToken
	if err := json.Unmarshal(body, &token); err != nil {
		w.t.Fatal(err)
	}
	sealed := w.house.Bridge.ProxyURL() + "/.weighbridge/s/"
	for _, base := range []string{token.CASURL, answer.Header.Get("X-Xet-Cas-Url")} {
		if !strings.HasPrefix(base, sealed) || strings.Contains(strings.TrimPrefix(base, sealed), "/") {
			w.t.Fatalf("the store's address is %q", base)
		}
	}
	if answer.Header.Get("X-Xet-Access-Token") != token.AccessToken || answer.Header.Get("X-Xet-Token-Expiration") != fmt.Sprint(token.Exp) {
		w.t.Errorf("header and body differ: %v %s", answer.Header, body)
	}
	return token
}

// xetPlan is a reconstruction of either version.
type xetPlan struct {
	Offset int64 `json:"offset_into_first_range"`
	Terms  []struct {
		Hash     string `json:"hash"`
		Unpacked int64  `json:"unpacked_length"`
	} `json:"terms"`
	Xorbs map[string][]struct {
		URL    string `json:"url"`
		Ranges []struct {
			Bytes struct{ Start, End int64 } `json:"bytes"`
		} `json:"ranges"`
	} `json:"xorbs"`
	FetchInfo map[string][]struct {
		URL   string                     `json:"url"`
		Range struct{ Start, End int64 } `json:"url_range"`
	} `json:"fetch_info"`
}

// piece is one request to the transfer host: a URL and the exact range that is
// signed in it.
type piece struct{ url, byteRange string }

// pieces are the requests for the plan's terms, in their order.
func (p *xetPlan) pieces() []piece {
	var out []piece
	for _, term := range p.Terms {
		if x := p.Xorbs[term.Hash]; len(x) > 0 {
			out = append(out, piece{x[0].URL, fmt.Sprintf("bytes=%d-%d", x[0].Ranges[0].Bytes.Start, x[0].Ranges[0].Bytes.End)})
		} else if x := p.FetchInfo[term.Hash]; len(x) > 0 {
			out = append(out, piece{x[0].URL, fmt.Sprintf("bytes=%d-%d", x[0].Range.Start, x[0].Range.End)})
		}
	}
	return out
}

// plan asks the store, at base, for bytes first to last of a file. Asked for
// the second version it falls back to the first as hf_xet does.
func (w xetWorker) plan(base, hash string, token xetToken, first, last int64) xetPlan {
	w.t.Helper()
	for _, version := range []string{w.version, "v1"} {
		answer, body, err := w.ask(http.MethodGet, base+"/"+version+"/reconstructions/"+hash, "",
			"Authorization", "Bearer "+token.AccessToken, "X-Xet-Session-Id", "01session", "Range", fmt.Sprintf("bytes=%d-%d", first, last))
		if err != nil {
			w.t.Fatal(err)
		}
		if answer.StatusCode == 404 && version == "v2" {
			continue
		}
		var plan xetPlan
		if err := json.Unmarshal(body, &plan); err != nil || answer.StatusCode != 200 {
			w.t.Fatalf("%s: %.300s", answer.Status, body)
		}
		if len(plan.pieces()) != len(plan.Terms) || len(plan.Terms) == 0 {
			w.t.Fatalf("no plan: %.300s", body)
		}
		return plan
	}
	w.t.Fatal("the store knows neither version")
	return xetPlan{}
}

// fetch brings one piece and takes it apart: chunks of a header of eight bytes
// and their data, which the fake does not compress.
func (w xetWorker) fetch(p piece) []byte {
	w.t.Helper()
	_, packed := w.must(206, http.MethodGet, p.url, "", "Range", p.byteRange)
	var out []byte
	for len(packed) > 0 {
		n := int(packed[1]) | int(packed[2])<<8 | int(packed[3])<<16
		out, packed = append(out, packed[8:8+n]...), packed[8+n:]
	}
	return out
}

// download is the whole protocol; in two segments, as for large files.
func (w xetWorker) download(repo, name string) []byte {
	w.t.Helper()
	f, answer, _ := w.file(http.MethodHead, repo, name)
	if answer.StatusCode != 200 || f.hash == "" || f.auth == "" || f.size == 0 {
		w.t.Fatalf("%s: %s %v", name, answer.Status, answer.Header)
	}
	token := w.token(f.auth)
	var out []byte
	for at, half := int64(0), f.size/2; at < f.size; at += half + 1 {
		last := min(at+half, f.size-1)
		plan := w.plan(token.CASURL, f.hash, token, at, last)
		var segment []byte
		for _, p := range plan.pieces() {
			segment = append(segment, w.fetch(p)...)
		}
		out = append(out, segment[plan.Offset:plan.Offset+last-at+1]...)
	}
	return out
}

// modes are both, for tests that do not use inBothModes.
var modes = []workerenv.Mode{workerenv.Forward, workerenv.Reverse}
