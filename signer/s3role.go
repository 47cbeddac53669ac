package signer

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/signer/s3host"
)

// The sources of keys (AWS SDKs and Tools Reference, "Standardized credential
// providers").
const (
	s3Static      = "static"
	s3Environment = "environment"
	s3WebIdentity = "web_identity"
)

// s3Keys are what a request is signed with.
type s3Keys struct {
	ID     string
	Secret string
	Token  string
}

// exchanged reports whether the keys are not those that were entered.
func s3Exchanged(params map[string]string) bool {
	return params[s3RoleARN] != "" || params[s3Source] == s3Environment || params[s3Source] == s3WebIdentity
}

// keysOf gets the keys to sign with: those of the fields, those of the machine
// or pod, or those of a role. Temporary ones are kept and renewed ahead, one
// exchange at a time; a role's are good for what the deciding patterns name
// and for the kind of request only.
func (e *s3Engine) keysOf(ctx context.Context, d *auth.Decision, open openFields, p *s3Plan) (s3Keys, error) {
	static := d.Params[s3Source] == "" || d.Params[s3Source] == s3Static
	var own s3Keys
	if static {
		f, err := open(ctx, s3Needs[:2], s3Needs[2:])
		if err != nil {
			return s3Keys{}, err
		}
		own = s3Keys{f[s3AccessKeyID].Reveal(), f[s3SecretAccessKey].Reveal(), f[s3SessionToken].Reveal()}
	}
	if !s3Exchanged(d.Params) {
		return own, nil
	}
	if e.means == nil || e.means.tokens == nil {
		return s3Keys{}, errors.New("there are no means to exchange it")
	}
	narrowed, err := s3Narrowed(d.Params, &p.request.host)
	if err != nil {
		return s3Keys{}, err
	}
	purpose, policy := "machine", ""
	if narrowed {
		if policy, err = e.policies.of(d, p); err != nil {
			return s3Keys{}, err
		}
		purpose = policy
	}
	v, err := e.means.tokens.get(ctx, tokenKey{d.CredentialID, d.Version, purpose}, func(ctx context.Context) (token, error) {
		return e.exchange(ctx, d.Params, own, policy)
	})
	if err != nil {
		return s3Keys{}, err
	}
	return s3KeysIn(v)
}

// s3KeysIn are keys as they are kept.
func s3KeysIn(v auth.Secret) (keys s3Keys, err error) {
	if err := json.Unmarshal([]byte(v.Reveal()), &keys); err != nil {
		return s3Keys{}, errors.New("the temporary keys are not understood")
	}
	return keys, nil
}

// s3Narrowed reports whether the session is one of a role that is assumed, which
// a policy narrows. That of a pod's role may be for what no policy of ours can
// name: an access point, whose bucket is not known, or an endpoint of one's own.
func s3Narrowed(params map[string]string, at *s3host.Host) (bool, error) {
	switch named := at.Partition != "" && !at.AccessPoint; {
	case params[s3RoleARN] == "":
		return named && params[s3Source] == s3WebIdentity, nil
	case named:
		return true, nil
	case at.AccessPoint:
		return false, errors.New("a role is not assumed for an access point; name the bucket")
	}
	return false, errors.New("roles are those of Amazon")
}

// exchange asks AWS for temporary keys. policy narrows them where a role is
// assumed, and is empty for others.
func (e *s3Engine) exchange(ctx context.Context, params map[string]string, own s3Keys, policy string) (token, error) {
	role := params[s3RoleARN]
	first := policy
	if role != "" {
		first = "" // it has to assume the other
	}
	provider, err := e.source(params, own, first)
	if err != nil {
		return token{}, err
	}
	if role != "" {
		if e.means.client == nil {
			return token{}, errors.New("there is no client to reach STS with")
		}
		provider = stscreds.NewAssumeRoleProvider(e.sts(stsRegion(params, arnPartition(role)), provider), role, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "weighbridge"
			o.Policy = aws.String(policy)
			if id := params[s3ExternalID]; id != "" {
				o.ExternalID = aws.String(id)
			}
		})
	}
	got, err := provider.Retrieve(ctx)
	if err != nil {
		return token{}, s3Unexchanged(err)
	}
	text, err := json.Marshal(s3Keys{got.AccessKeyID, got.SecretAccessKey, got.SessionToken})
	if err != nil {
		return token{}, err
	}
	life := s3MachineLife
	if got.CanExpire {
		life = got.Expires.Sub(e.now())
	}
	return token{value: auth.NewSecret(string(text)), life: life}, nil
}

// s3Unexchanged is the error where AWS gave no keys: by its code alone, since
// its words name accounts. What it refuses, AccessDenied for a role that may
// not be assumed included, speaks against the credential.
func s3Unexchanged(err error) error {
	var refused interface{ ErrorCode() string }
	if !errors.As(err, &refused) {
		return &obstacle{why: "its keys could not be exchanged", cause: err}
	}
	code := refused.ErrorCode()
	_, refuted := s3Refuting[code]
	why := "its keys could not be exchanged: AWS says " + cutWords(code)
	if code == "AccessDenied" {
		why, refuted = why+", so the role may not be assumed by them", true
	}
	return &obstacle{why: why, cause: err, refuted: refuted}
}

// s3MachineLife is how long keys are used that do not say when they end, before
// they are looked up again.
const s3MachineLife = 5 * time.Minute

// source finds the keys that a role is assumed with, or that are used as they
// are: the fields', or the environment's variables, the container's endpoint
// and the machine's metadata service in this order, or those of the role that a
// pod's token stands for, narrowed by policy where it is not empty.
func (e *s3Engine) source(params map[string]string, own s3Keys, policy string) (aws.CredentialsProvider, error) {
	env := e.means.getenv
	switch params[s3Source] {
	case s3WebIdentity:
		file, role := env("AWS_WEB_IDENTITY_TOKEN_FILE"), env("AWS_ROLE_ARN")
		if file == "" || role == "" {
			return nil, errors.New("AWS_WEB_IDENTITY_TOKEN_FILE or AWS_ROLE_ARN is not set where weighbridge runs")
		}
		if e.means.client == nil {
			return nil, errors.New("there is no client to reach STS with")
		}
		return stscreds.NewWebIdentityRoleProvider(e.sts(stsRegion(params, arnPartition(role)), aws.AnonymousCredentials{}), role, webToken{e.means, file}, func(o *stscreds.WebIdentityRoleOptions) {
			o.RoleSessionName = "weighbridge"
			if policy != "" {
				o.Policy = aws.String(policy)
			}
		}), nil
	case s3Environment:
		if id, secret := env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY"); id != "" && secret != "" {
			return credentials.NewStaticCredentialsProvider(id, secret, env("AWS_SESSION_TOKEN")), nil
		}
		if e.means.machine == nil {
			return nil, errors.New("there is no client to reach the machine's metadata service with")
		}
		endpoint := env("AWS_CONTAINER_CREDENTIALS_FULL_URI")
		if path := env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); path != "" {
			endpoint = "http://169.254.170.2" + path // the task metadata endpoint of ECS
		}
		if endpoint != "" {
			return endpointcreds.New(endpoint, func(o *endpointcreds.Options) {
				o.HTTPClient = e.means.machine
				o.AuthorizationToken = env("AWS_CONTAINER_AUTHORIZATION_TOKEN")
				if file := env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); file != "" {
					o.AuthorizationTokenProvider = endpointcreds.TokenProviderFunc(func() (string, error) {
						b, err := e.means.readFile(file)
						return strings.TrimSpace(string(b)), err
					})
				}
			}), nil
		}
		return ec2rolecreds.New(func(o *ec2rolecreds.Options) {
			o.Client = imds.New(imds.Options{HTTPClient: e.means.machine})
		}), nil
	}
	return credentials.NewStaticCredentialsProvider(own.ID, own.Secret, own.Token), nil
}

// webToken reads a pod's token each time: it is renewed on disk.
type webToken struct {
	means *means
	file  string
}

// GetIdentityToken implements stscreds.IdentityTokenRetriever.
func (w webToken) GetIdentityToken() ([]byte, error) { return w.means.readFile(w.file) }

// sts is the Security Token Service of a region.
func (e *s3Engine) sts(region string, with aws.CredentialsProvider) *sts.Client {
	return sts.New(sts.Options{Region: region, Credentials: with, HTTPClient: e.means.client})
}

// arnPartition is the partition in an ARN ("Amazon Resource Names", format);
// empty where it is none.
func arnPartition(arn string) string {
	rest, ok := strings.CutPrefix(arn, "arn:")
	if !ok {
		return ""
	}
	partition, _, _ := strings.Cut(rest, ":")
	return partition
}

// stsRegion is the region whose Security Token Service is asked about what is of
// a partition: that of the field, or where it is of another partition or not
// given, the partition's own. What is of one partition nobody knows in another:
// keys would be called wrong there that are not.
func stsRegion(params map[string]string, partition string) string {
	if region := params[s3Region]; s3host.PartitionOf(region) == partition && region != "" {
		return region
	}
	if region := s3host.Fallback(partition); region != "" {
		return region
	}
	return s3host.Fallback("aws")
}
