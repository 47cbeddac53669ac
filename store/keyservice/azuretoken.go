package keyservice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// azureToken gets a token of Microsoft Entra for the vault: by a client secret,
// by a federated token (Kubernetes), or by the machine's managed identity.
type azureToken struct {
	o        Options
	c        *caller
	local    *caller
	resource string
	kept     kept[string]
}

// azureMachine is the identity endpoint of a virtual machine ("How to use
// managed identities for Azure resources on an Azure VM").
const azureMachine = "http://169.254.169.254/metadata/identity/oauth2/token"

func (t *azureToken) get(ctx context.Context) (string, error) {
	return t.kept.get(t.o.Now(), func() (string, time.Time, error) {
		if t.o.Getenv("AZURE_CLIENT_SECRET") != "" || t.o.Getenv("AZURE_FEDERATED_TOKEN_FILE") != "" {
			return t.application(ctx)
		}
		return t.machine(ctx)
	})
}

// application is the client credentials grant ("Microsoft identity platform
// and the OAuth 2.0 client credentials flow").
func (t *azureToken) application(ctx context.Context) (string, time.Time, error) {
	tenant, client := t.o.Getenv("AZURE_TENANT_ID"), t.o.Getenv("AZURE_CLIENT_ID")
	if !word(tenant, "-.") || client == "" {
		return "", time.Time{}, errors.New("AZURE_TENANT_ID and AZURE_CLIENT_ID must be set with AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE")
	}
	authority := t.o.Getenv("AZURE_AUTHORITY_HOST")
	if authority == "" {
		authority = "https://login.microsoftonline.com"
	}
	u, err := secure(authority, "AZURE_AUTHORITY_HOST")
	if err != nil {
		return "", time.Time{}, err
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "scope": {t.resource + "/.default"}}
	if secret := t.o.Getenv("AZURE_CLIENT_SECRET"); secret != "" {
		form.Set("client_secret", secret)
	} else {
		b, err := t.o.ReadFile(t.o.Getenv("AZURE_FEDERATED_TOKEN_FILE"))
		if err != nil {
			return "", time.Time{}, fmt.Errorf("AZURE_FEDERATED_TOKEN_FILE: %w", err)
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer") // RFC 7523, section 2.2
		form.Set("client_assertion", strings.TrimSpace(string(b)))
	}
	return tokenFrom(ctx, t.c, t.o.Now, "Microsoft Entra", func(ctx context.Context) (*http.Request, error) {
		req, err := post(ctx, u.JoinPath(tenant, "oauth2", "v2.0", "token").String(), []byte(form.Encode()))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return req, err
	})
}

func (t *azureToken) machine(ctx context.Context) (string, time.Time, error) {
	query := url.Values{"api-version": {"2018-02-01"}, "resource": {t.resource}}
	if client := t.o.Getenv("AZURE_CLIENT_ID"); client != "" {
		query.Set("client_id", client)
	}
	return tokenFrom(ctx, t.local, t.o.Now, "the machine's identity service", func(ctx context.Context) (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, azureMachine+"?"+query.Encode(), nil)
		if err == nil {
			req.Header.Set("Metadata", "true")
		}
		return req, err
	})
}

// tokenFrom reads an OAuth token (RFC 6749, section 5.1) and when it ends. Some
// write the number of seconds as a string.
func tokenFrom(ctx context.Context, c *caller, now func() time.Time, what string, build func(context.Context) (*http.Request, error)) (string, time.Time, error) {
	asked := now()
	a, err := c.call(ctx, build, identityJudge(what))
	if err != nil {
		return "", time.Time{}, err
	}
	var out struct {
		Token string          `json:"access_token"`
		In    json.RawMessage `json:"expires_in"`
	}
	if err := json.Unmarshal(a.body, &out); err != nil || out.Token == "" {
		return "", time.Time{}, &Error{Detail: "the answer of " + what + " holds no token", kind: denied}
	}
	seconds, err := strconv.ParseUint(strings.Trim(string(out.In), `"`), 10, 24)
	if err != nil {
		seconds = 0 // used once
	}
	return out.Token, asked.Add(time.Duration(seconds) * time.Second), nil
}
