//go:build realclients

package portal

import (
	"time"

	"github.com/weighbridge/weighbridge/admin"
	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
)

// furnish makes one of everything that the default team can have, and uses it.
func (s *site) furnish(name string) admin.Key {
	s.t.Helper()
	key := s.HubWorker(name)
	s.reveal(key.Key)
	s.reveal(key.URLKey)
	ctx, api := s.t.Context(), s.API()
	storage := s.secret("storage-secret-")
	_, err := api.CreateCredential(ctx, admin.NewCredential{Name: name + "-bucket", Provider: "s3", NoValidate: true,
		Fields: map[string]string{"accessKeyId": "AKIAEXAMPLEEXAMPLE00", "secretAccessKey": storage.Value()}, Patterns: []string{"s3://acme-models/*"}})
	s.must(err)
	s3, err := api.CreateS3Key(ctx, admin.NewS3Key{Name: name + "-s3", Buckets: []string{"acme-models"}, Credentials: []string{name + "-bucket"}})
	s.must(err)
	s.secretOf(s3.SecretAccessKey)
	s.user("token@example.com", "", auth.RoleMember)
	tok, err := api.CreateToken(ctx, admin.NewToken{Name: name, ExpiresAt: time.Now().Add(72 * time.Hour), User: "token@example.com"})
	s.must(err)
	s.secretOf(tok.Token)
	_, err = api.CreateTeam(ctx, admin.NewTeam{Name: name + "s"})
	s.must(err)
	_, err = api.SetComfyCloud(ctx, admin.NewCloudProvider{APIKey: s.secret("comfyui-").Value()})
	if err != nil {
		s.t.Log(err) // the cloud cannot be asked
	}
	if err := s.download(key.Key); err != nil {
		s.t.Fatal(err)
	}
	return key
}

// reveal adds an API key or a URL key that was shown.
func (s *site) reveal(key string) {
	if key != "" {
		s.seen.Add(house.CanaryOf(key))
	}
}

// secretOf adds one that the API has shown.
func (s *site) secretOf(value string) {
	c := house.CanaryOf(value)
	s.Watch.Add(c)
	s.seen.Add(c)
}
