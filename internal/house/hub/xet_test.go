package hub_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weighbridge/weighbridge/internal/house/hub"
)

type reconstruction struct {
	Offset int64 `json:"offset_into_first_range"`
	Terms  []struct {
		Hash     string
		Unpacked int64 `json:"unpacked_length"`
		Range    struct{ Start, End int64 }
	}
	Xorbs map[string][]struct {
		URL    string
		Ranges []struct{ Bytes struct{ Start, End int64 } }
	}
	FetchInfo map[string][]struct {
		URL   string
		Range struct{ Start, End int64 } `json:"url_range"`
	} `json:"fetch_info"`
}

// rebuild fetches every term and returns the bytes that were asked for.
func (v visitor) rebuild(rec reconstruction, length int64) []byte {
	v.t.Helper()
	var out []byte
	for _, term := range rec.Terms {
		link, first, last := "", int64(0), int64(0)
		if x := rec.Xorbs[term.Hash]; len(x) == 1 {
			link, first, last = x[0].URL, x[0].Ranges[0].Bytes.Start, x[0].Ranges[0].Bytes.End
		} else if x := rec.FetchInfo[term.Hash]; len(x) == 1 {
			link, first, last = x[0].URL, x[0].Range.Start, x[0].Range.End
		}
		answer, packed := v.get(link, "", "Range", fmt.Sprintf("bytes=%d-%d", first, last))
		if answer.StatusCode != 206 {
			v.t.Fatalf("xorb: %s", answer.Status)
		}
		before := len(out)
		for len(packed) > 0 {
			stored := int(packed[1]) | int(packed[2])<<8 | int(packed[3])<<16
			raw := int(packed[5]) | int(packed[6])<<8 | int(packed[7])<<16
			if packed[0] != 0 || packed[4] != 0 || stored != raw || raw > 128<<10 {
				v.t.Fatalf("a chunk header: %x", packed[:8])
			}
			out, packed = append(out, packed[8:8+stored]...), packed[8+stored:]
		}
		if int64(len(out)-before) != term.Unpacked {
			v.t.Fatalf("a term of %d bytes, not %d", len(out)-before, term.Unpacked)
		}
	}
	return out[rec.Offset : rec.Offset+length]
}

func TestXet(t *testing.T) {
	now := newClock()
	_, v := visit(t, hub.Options{Now: now.Now})
	f := sample(t, 1, hub.SampleWeights)
	whole := make([]byte, f.Content.Size())
	_, _ = f.Content.ReadAt(whole, 0)

	answer, _ := v.get(resolveURL(hub.SampleGated, "main", hub.SampleWeights), accepted)
	auth, info, _ := strings.Cut(answer.Header.Get("Link"), ", ")
	auth = strings.TrimSuffix(strings.TrimPrefix(auth, "<"), `>; rel="xet-auth"`)
	info = strings.TrimSuffix(strings.TrimPrefix(info, "<"), `>; rel="xet-reconstruction-info"`)

	if answer, _ := v.do(http.MethodGet, auth, "", "Authorization", "Basic "+accepted); answer.StatusCode != 401 {
		t.Errorf("Basic for a xet token: %s", answer.Status)
	}
	answer, body := v.get(auth, accepted)
	var token struct {
		CASURL      string `json:"casUrl"`
		Exp         int64
		AccessToken string
	}
	if err := json.Unmarshal(body, &token); err != nil {
		t.Fatal(err)
	}
	if token.CASURL != "https://"+hub.CASHost || token.Exp != now.Now().Add(15*time.Minute).Unix() ||
		answer.Header.Get("X-Xet-Access-Token") != token.AccessToken || answer.Header.Get("X-Xet-Cas-Url") != token.CASURL ||
		answer.Header.Get("X-Xet-Token-Expiration") != fmt.Sprint(token.Exp) {
		t.Fatalf("%s %v", body, answer.Header)
	}
	for _, bad := range []string{"", accepted, token.AccessToken + "0"} {
		if answer, _ := v.get(info, bad); answer.StatusCode != 401 {
			t.Errorf("the CAS takes %q: %s", bad, answer.Status)
		}
	}
	for _, version := range []string{"v1", "v2"} {
		at := strings.Replace(info, "/v1/", "/"+version+"/", 1)
		for _, c := range []struct{ first, last int64 }{
			{0, f.Content.Size() - 1}, {0, 0}, {131071, 131072}, {2_097_151, 2_097_152}, {3_000_000, 99_999_999}, {2_097_152, 4_194_303},
		} {
			answer, body := v.get(at, token.AccessToken, "Range", fmt.Sprintf("bytes=%d-%d", c.first, c.last))
			var rec reconstruction
			if err := json.Unmarshal(body, &rec); err != nil || answer.StatusCode != 200 {
				t.Fatalf("%s: %s %s", at, answer.Status, body)
			}
			if (version == "v2") != (rec.Xorbs != nil) || (version == "v1") != (rec.FetchInfo != nil) {
				t.Fatalf("%s: %s", version, body)
			}
			last := min(c.last, f.Content.Size()-1)
			if got := v.rebuild(rec, last-c.first+1); string(got) != string(whole[c.first:last+1]) {
				t.Errorf("%s %d-%d: other bytes", version, c.first, c.last)
			}
		}
		if answer, _ := v.get(at, token.AccessToken, "Range", fmt.Sprintf("bytes=%d-", f.Content.Size())); answer.StatusCode != 416 {
			t.Errorf("%s: beyond the end: %s", version, answer.Status)
		}
	}
	_, body = v.get(strings.Replace(info, "/v1/", "/v2/", 1), token.AccessToken)
	var rec reconstruction
	if err := json.Unmarshal(body, &rec); err != nil {
		t.Fatal(err)
	}
	x := rec.Xorbs[rec.Terms[0].Hash][0]
	signed := fmt.Sprintf("bytes=%d-%d", x.Ranges[0].Bytes.Start, x.Ranges[0].Bytes.End)
	for what, c := range map[string]struct {
		token, byteRange string
		status           int
	}{
		"the signed range": {"", signed, 206},
		"no range":         {"", "", 403},
		"another range":    {"", "bytes=0-1", 403},
		"a xet token":      {token.AccessToken, signed, 400},
		"a Hub token":      {accepted, signed, 400},
	} {
		header := []string{}
		if c.byteRange != "" {
			header = []string{"Range", c.byteRange}
		}
		if answer, _ := v.get(x.URL, c.token, header...); answer.StatusCode != c.status {
			t.Errorf("%s: %s", what, answer.Status)
		}
	}
	now.Add(15 * time.Minute)
	if answer, _ := v.get(info, token.AccessToken); answer.StatusCode != 401 {
		t.Errorf("an expired xet token: %s", answer.Status)
	}
	if answer, _ := v.do(http.MethodPost, "https://"+hub.CASHost+"/v1/telemetry", "{}"); answer.StatusCode != 200 {
		t.Errorf("telemetry: %s", answer.Status)
	}
}

func TestXetInfoForJavaScriptAndOldCAS(t *testing.T) {
	_, v := visit(t, hub.Options{XetV1Only: true})
	answer, body := v.get(resolveURL(hub.SampleGated, "main", hub.SampleWeights), accepted,
		"Accept", "application/vnd.xet-fileinfo+json, */*", "Range", "bytes=0-0")
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "application/vnd.xet-fileinfo+json" ||
		answer.Header.Get("X-Linked-Size") == "" || answer.Header.Get("X-Xet-Hash") == "" || !json.Valid(body) {
		t.Errorf("%s %v %s", answer.Status, answer.Header, body)
	}
	token, _ := v.get("https://huggingface.co/api/models/"+hub.SampleGated+"/xet-read-token/main", accepted)
	at := "https://" + hub.CASHost + "/v2/reconstructions/" + answer.Header.Get("X-Xet-Hash")
	if answer, _ := v.get(at, token.Header.Get("X-Xet-Access-Token")); answer.StatusCode != 404 {
		t.Errorf("v2 on an old CAS: %s", answer.Status)
	}
	if answer, _ := v.get(strings.Replace(at, "/v2/", "/v1/", 1), token.Header.Get("X-Xet-Access-Token")); answer.StatusCode != 200 {
		t.Errorf("v1 on an old CAS: %s", answer.Status)
	}
}
