package signer

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

// The policy to copy names what the patterns name, in whatever style they are
// written, reads, and does nothing else.
func TestS3GrantNamesWhatThePatternsName(t *testing.T) {
	one := func(resource string) []string { return []string{resource} }
	for name, c := range map[string]struct {
		params   map[string]string
		patterns []string
		want     []string
	}{
		"nothing yet":            {nil, nil, one("arn:aws:s3:::BUCKET/*")},
		"half typed":             {nil, []string{"s3://", "s3://A", "://"}, one("arn:aws:s3:::BUCKET/*")},
		"by name":                {nil, []string{"s3://acme-models/*"}, one("arn:aws:s3:::acme-models/*")},
		"a prefix":               {nil, []string{"s3://acme-models/flux/*"}, one("arn:aws:s3:::acme-models/flux/*")},
		"in the host":            {nil, []string{"my-models.s3.us-east-1.amazonaws.com/*"}, one("arn:aws:s3:::my-models/*")},
		"in the path":            {nil, []string{"s3.us-west-2.amazonaws.com/my-company-models/*"}, one("arn:aws:s3:::my-company-models/*")},
		"every style of one":     {nil, []string{"s3://bkt/*", "bkt.s3.eu-west-1.amazonaws.com/*"}, one("arn:aws:s3:::bkt/*")},
		"two":                    {nil, []string{"s3://one/*", "s3://two/a*b/c"}, []string{"arn:aws:s3:::one/*", "arn:aws:s3:::two/a*"}},
		"a key that says ?":      {nil, []string{"s3://bkt/a%3Fb"}, one("arn:aws:s3:::bkt/a${?}b")},
		"China by its host":      {nil, []string{"bkt.s3.cn-north-1.amazonaws.com.cn/*"}, one("arn:aws-cn:s3:::bkt/*")},
		"China by its region":    {map[string]string{s3Region: "cn-north-1"}, nil, one("arn:aws-cn:s3:::BUCKET/*")},
		"an endpoint of its own": {map[string]string{s3Endpoint: "https://minio.example.com:9000"}, []string{"s3://bkt/*"}, one("arn:aws:s3:::bkt/*")},
		"an endpoint half typed": {map[string]string{s3Endpoint: "https://"}, []string{"s3://bkt/*"}, one("arn:aws:s3:::BUCKET/*")},
	} {
		var got struct {
			Version   string
			Statement []struct {
				Effect   string
				Action   []string
				Resource any
			}
		}
		if err := json.Unmarshal([]byte(auth.Grant(s3{}, c.params, c.patterns)), &got); err != nil || len(got.Statement) != 1 {
			t.Fatalf("%s: %v", name, err)
		}
		s := got.Statement[0]
		var resources []string
		switch r := s.Resource.(type) {
		case string:
			resources = one(r)
		case []any:
			for _, v := range r {
				resources = append(resources, v.(string))
			}
		}
		if got.Version != "2012-10-17" || s.Effect != "Allow" || !slices.Equal(s.Action, one("s3:GetObject")) || !slices.Equal(resources, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := auth.Grant(huggingFace{}, nil, []string{"huggingface.co/*"}); got != "" {
		t.Errorf("the Hub is told %s", got)
	}
}
