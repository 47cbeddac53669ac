//go:build realclients

package s3servers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// What a probe says of keys, before servers that verify them.
func TestS3ProbesBeforeRealServers(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.Put(t, "models", "sd/a b+c.bin", []byte("weights"))
			y := newYard(t, s, nil, "s3://models/*")
			wrong, unknown := *s, *s
			wrong.Secret, unknown.ID = auth.NewSecret(auth.NewAPIKey().Reveal()), "AKIANOBODY"
			for i, c := range []struct {
				server  *Server
				params  map[string]string
				pattern string
				status  string
				says    string
			}{
				{s, nil, "s3://models/sd/*", "valid", "models/sd/*: may be listed"},
				{s, nil, "s3://models/sd/a%20b%2Bc.bin", "valid", "may be read"},
				{s, nil, "s3://models/v*/x", "valid", "may be asked for"},
				{s, nil, "s3://models/none.bin", "valid", "there is no object"},
				{s, nil, "s3://nowhere/*", "valid", "there is no such bucket"},
				{s, map[string]string{"sampleObject": "s3://models/sd/a b+c.bin"}, "s3://models/*", "valid", "sd/a b+c.bin: may be read"},
				{&wrong, nil, "s3://models/*", "invalid", "is not the one that belongs to"},
				{&unknown, nil, "s3://models/*", "invalid", "does not know the access key id"},
				{&wrong, map[string]string{"sampleObject": "s3://models/sd/a b+c.bin"}, "s3://models/*", "invalid", "is not the one that belongs to"},
			} {
				got := y.AddCredential(y.credential(fmt.Sprint("c", i), c.server, c.params, c.pattern))
				if words := fmt.Sprintf("%+v", got.Report); got.Status != c.status || !strings.Contains(words, c.says) || strings.Contains(words, "AWS4-HMAC") {
					t.Errorf("%d: %s, want %s and %q: %s", i, got.Status, c.status, c.says, words)
				}
			}
		})
	}
}
