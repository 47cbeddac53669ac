package signer

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
)

// serviceAccountKey is a key file like those of Google, with a key of its own.
var serviceAccountKey = serviceAccount(nil)

func serviceAccount(more map[string]string) string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	file := map[string]string{
		"type": "service_account", "project_id": "acme", "private_key_id": canary, "client_email": "reader@acme.iam.gserviceaccount.com",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": "https://oauth2.googleapis.com/token",
	}
	for n, v := range more {
		file[n] = v
	}
	b, err := json.Marshal(file)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// exchanging are options by which every exchange succeeds: registries ask for
// a token, and what is exchanged gives one that holds the trace.
func exchanging() SetOptions {
	e := &endpoint{answer: func(r *http.Request, _ url.Values) (int, string) {
		if r.URL.Path == "/v2/" {
			return http.StatusUnauthorized, ""
		}
		return http.StatusOK, `{"token_type":"Bearer","expires_in":3600,"access_token":"derived-` + canary + `"}`
	}, header: func(r *http.Request) http.Header {
		return http.Header{"Www-Authenticate": {`Bearer realm="https://` + r.URL.Host + `/token",service="registry"`}}
	}}
	return SetOptions{Now: fixedClock, Client: e.client()}
}
