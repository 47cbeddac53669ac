package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// A team has one key for each cloud provider, and so far there is one: Comfy
// Cloud. Underneath it is the credential that is reserved for it by its name,
// so that it is sealed, linked, validated, put on requests and recorded like
// every other one. Whether to fall back is one of its fields: it changes with
// the key or alone, in one step and under one version, and is gone with it.
const (
	// ComfyCloud is the name of the reserved credential, and of its resource.
	ComfyCloud         = "comfy-cloud"
	comfyCloudProvider = "comfy_cloud"
	comfyCloudKey      = "api_key"
	comfyCloudFallback = "cloud_fallback"
)

// CloudProvider is a team's key for a cloud provider: never the key itself.
type CloudProvider struct {
	ProviderName     string    `json:"provider_name" enum:"comfy_cloud" doc:"The provider."`
	CredentialStatus string    `json:"credential_status" enum:"active,revoked" doc:"active until the credential is revoked. What the provider says of the key is told by the credential comfy-cloud."`
	CloudFallback    bool      `json:"cloud_fallback" doc:"Whether requests of the route comfyui go to the cloud where no server of the team is available."`
	CreatedAt        time.Time `json:"created_at" doc:"When it was first set."`
	UpdatedAt        time.Time `json:"updated_at" doc:"When it was last changed."`
	KeyPreview       string    `json:"key_preview,omitempty" doc:"The first 8 and the last 4 characters of the key, where that leaves enough of it hidden."`
}

// NewCloudProvider is what setting it takes.
type NewCloudProvider struct {
	APIKey        string `json:"api_key" minLength:"1" maxLength:"512" doc:"The API key of the provider; it is sealed."`
	CloudFallback bool   `json:"cloud_fallback,omitempty" default:"false" doc:"Whether requests of the route comfyui go to the cloud where no server of the team is available."`
}

func (p CloudProvider) tagged() any { return p }

type cloudProviderOutput struct{ Body CloudProvider }

func (o *cloudProviderOutput) body() tagged { return o.Body }

func (a *API) cloudProviders() {
	const path = "/api/v1/cloud-providers/" + ComfyCloud
	a.thing(path, func(ctx context.Context, _ func(string) string) (tagged, error) { return bodyOf(a.cloudProvider(ctx)) })
	tags := []string{"cloud-providers"}
	huma.Register(a.doc, huma.Operation{
		OperationID: "get-comfy-cloud", Method: http.MethodGet, Path: path,
		Summary: "Show the team's key for Comfy Cloud", Tags: tags, Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, _ *struct{}) (*cloudProviderOutput, error) {
		return a.cloudProvider(ctx)
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "set-comfy-cloud", Method: http.MethodPut, Path: path,
		Summary: "Set the team's key for Comfy Cloud", Tags: tags, Errors: []int{http.StatusConflict},
	}, func(ctx context.Context, in *struct{ Body NewCloudProvider }) (*cloudProviderOutput, error) {
		if err := a.setCloudProvider(ctx, in.Body); err != nil {
			return nil, err
		}
		return a.cloudProvider(ctx)
	})
	huma.Register(a.doc, huma.Operation{
		OperationID: "delete-comfy-cloud", Method: http.MethodDelete, Path: path,
		Summary: "Delete the team's key for Comfy Cloud", Tags: tags, DefaultStatus: http.StatusNoContent,
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		c, err := a.comfyCloud(ctx)
		if err != nil {
			return nil, err
		}
		return nil, a.public(a.o.Store.DeleteCredential(ctx, c.TeamID, c.ID, a.event(ctx, auth.ActionCredentialDelete)))
	})
}

// comfyCloud is the reserved credential.
func (a *API) comfyCloud(ctx context.Context) (auth.Credential, error) {
	c, err := a.o.Store.Credential(ctx, team(ctx), ComfyCloud)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && c.Name != ComfyCloud:
		return c, problem(http.StatusNotFound, "not_found", "no key for Comfy Cloud is set", "Set one, on the page Cloud providers or by `weighbridge cloud-provider set "+ComfyCloud+"`.")
	case err != nil:
		return c, a.public(err)
	case c.Provider != comfyCloudProvider:
		return c, problem(http.StatusConflict, "exists", fmt.Sprintf("the credential %q is of the provider %s, but its name is reserved for the key of Comfy Cloud", c.Name, c.Provider), "Give that credential another name.")
	}
	return c, nil
}

func (a *API) cloudProvider(ctx context.Context) (*cloudProviderOutput, error) {
	c, err := a.comfyCloud(ctx)
	if err != nil {
		return nil, err
	}
	out := CloudProvider{
		ProviderName: c.Provider, CredentialStatus: "active", CloudFallback: c.Params[comfyCloudFallback] == "true",
		CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt, KeyPreview: c.Previews[comfyCloudKey],
	}
	if c.Status == auth.StatusRevoked {
		out.CredentialStatus = "revoked"
	}
	return &cloudProviderOutput{out}, nil
}

// setCloudProvider creates the reserved credential or replaces its fields. One
// that was revoked, which is final, makes room for a new one with its links.
func (a *API) setCloudProvider(ctx context.Context, in NewCloudProvider) error {
	fields := map[string]string{comfyCloudKey: in.APIKey, comfyCloudFallback: strconv.FormatBool(in.CloudFallback)}
	c, err := a.comfyCloud(ctx)
	var none *Problem
	switch {
	case errors.As(err, &none) && none.Status == http.StatusNotFound:
		_, err = a.createCredential(ctx, NewCredential{Name: ComfyCloud, Provider: comfyCloudProvider, Fields: fields})
	case err != nil:
	case c.Status == auth.StatusRevoked:
		err = a.renewCloudProvider(ctx, &c, fields)
	default:
		_, err = a.updateCredential(ctx, c.ID, CredentialPatch{Fields: fields})
	}
	return err
}

func (a *API) renewCloudProvider(ctx context.Context, c *auth.Credential, fields map[string]string) error {
	if _, _, _, err := split(a.providers[c.Provider], fields); err != nil {
		return err // before anything is gone
	}
	st, err := a.o.Store.State(ctx)
	if err != nil {
		return a.public(err)
	}
	in := NewCredential{Name: ComfyCloud, Provider: comfyCloudProvider, Fields: fields}
	for _, l := range st.Links {
		if l.CredentialID == c.ID {
			in.Keys = append(in.Keys, l.KeyID)
		}
	}
	if err := a.o.Store.DeleteCredential(ctx, c.TeamID, c.ID, a.event(ctx, auth.ActionCredentialDelete)); err != nil {
		return a.public(err)
	}
	_, err = a.createCredential(ctx, in)
	return err
}

// keepsReserved refuses to give the reserved name to a credential of another
// provider, or another name to the one that has it.
func keepsReserved(was, name, provider string) error {
	if name == ComfyCloud && provider != comfyCloudProvider || was == ComfyCloud && name != ComfyCloud && provider == comfyCloudProvider {
		return problem(http.StatusConflict, "reserved", fmt.Sprintf("the name %q is reserved for the team's key for Comfy Cloud", ComfyCloud), "Choose another name; to be rid of that key, delete it.")
	}
	return nil
}
