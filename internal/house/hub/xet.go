package hub

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const xetTokenPrefix = "xet_"

// xetLinks are the two URLs of a file's Link header.
func (h *Hub) xetLinks(r *repo, s *snapshot, hash string) (auth, info string) {
	return fmt.Sprintf("https://%s/api/%s/%s/xet-read-token/%s", Host, r.Kind, r.ID, s.commit),
		fmt.Sprintf("https://%s/v1/reconstructions/%s", CASHost, hash)
}

// xetToken trades a Hub token for one of the CAS, which is for one repository
// and one revision and lasts a quarter of an hour. Clients of different ages
// read it from the body or from the headers.
func (h *Hub) xetToken(w http.ResponseWriter, r *http.Request, rt route, n need) {
	found, s := h.enterAt(w, r, rt, n)
	if found == nil {
		return
	}
	expires := h.options.Now().Add(h.options.XetLife).Unix()
	token := h.mintXet(found.key(), s.commit, expires)
	w.Header().Set("X-Xet-Cas-Url", "https://"+CASHost)
	w.Header().Set("X-Xet-Access-Token", token)
	w.Header().Set("X-Xet-Token-Expiration", strconv.FormatInt(expires, 10))
	sendJSON(w, http.StatusOK, map[string]any{"casUrl": "https://" + CASHost, "exp": expires, "accessToken": token})
}

// mintXet makes a xet token: what it is for and until when, and a signature.
func (h *Hub) mintXet(repoKey, commit string, expires int64) string {
	claim := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s|%s|%d", repoKey, commit, expires))
	return xetTokenPrefix + claim + "." + h.xetMAC(claim)
}

func (h *Hub) xetMAC(claim string) string {
	mac := hmac.New(sha256.New, h.xetKey[:])
	_, _ = mac.Write([]byte(claim)) // a Hash never fails
	return hex.EncodeToString(mac.Sum(nil))
}

// xetCaller returns the key of the repository that the request's xet token is
// for, or "" where it has no valid one.
func (h *Hub) xetCaller(r *http.Request) string {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "+xetTokenPrefix)
	if !ok {
		return ""
	}
	claim, mac, ok := strings.Cut(given, ".")
	if !ok || !hmac.Equal([]byte(mac), []byte(h.xetMAC(claim))) {
		return ""
	}
	text, err := base64.RawURLEncoding.DecodeString(claim)
	if err != nil {
		return ""
	}
	parts := strings.Split(string(text), "|")
	expires, err := strconv.ParseInt(parts[len(parts)-1], 10, 64)
	if err != nil || !h.options.Now().Before(time.Unix(expires, 0)) {
		return ""
	}
	return parts[0]
}
