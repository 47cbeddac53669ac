package keyservice

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// awsCredentials finds credentials as the tools of AWS do, in this order: the
// environment, a web identity (EKS), the container's role (ECS, EKS Pod
// Identity), the machine's role (IMDSv2). Profiles are not read. Source: AWS
// SDKs and Tools Reference Guide, "Standardized credential providers".
type awsCredentials struct {
	o      Options
	c      *caller // as to the service itself
	local  *caller // to what the machine or container offers
	region string
	kept   kept[aws.Credentials]
}

// The addresses that the container and machine roles are offered at.
const (
	awsContainerHost = "169.254.170.2"
	awsPodHost       = "169.254.170.23"
	awsPodHost6      = "fd00:ec2::23"
	awsMachine       = "http://169.254.169.254/latest/"
)

func newAWSCredentials(o Options, c, local *caller, region string) *awsCredentials {
	return &awsCredentials{o: o, c: c, local: local, region: region}
}

func (p *awsCredentials) get(ctx context.Context) (aws.Credentials, error) {
	if id, secret := p.o.Getenv("AWS_ACCESS_KEY_ID"), p.o.Getenv("AWS_SECRET_ACCESS_KEY"); id != "" && secret != "" {
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: p.o.Getenv("AWS_SESSION_TOKEN")}, nil
	}
	return p.kept.get(p.o.Now(), func() (aws.Credentials, time.Time, error) {
		c, err := p.fetch(ctx)
		return c, c.Expires, err
	})
}

func (p *awsCredentials) fetch(ctx context.Context) (aws.Credentials, error) {
	switch {
	case p.o.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "":
		return p.webIdentity(ctx)
	case p.o.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != "" || p.o.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI") != "":
		return p.container(ctx)
	case p.o.Getenv("AWS_EC2_METADATA_DISABLED") != "true":
		return p.machine(ctx)
	default:
		return aws.Credentials{}, errNoAWSCredentials
	}
}

// role is the form in which container and machine give a role.
type role struct {
	AccessKeyID     string `json:"AccessKeyId" xml:"AccessKeyId"`
	SecretAccessKey string
	Token           string    `xml:"SessionToken"`
	Expiration      time.Time `xml:"Expiration"`
}

func (r *role) credentials() (aws.Credentials, error) {
	if r.AccessKeyID == "" || r.SecretAccessKey == "" || r.Expiration.IsZero() {
		return aws.Credentials{}, &Error{Detail: "what offers a role here gave no credentials", kind: denied}
	}
	return aws.Credentials{AccessKeyID: r.AccessKeyID, SecretAccessKey: r.SecretAccessKey, SessionToken: r.Token, CanExpire: true, Expires: r.Expiration}, nil
}

// identityJudge reads an answer of what gives out tokens and roles.
func identityJudge(what string) func(*answer) *Error {
	return func(a *answer) *Error {
		if a.status == http.StatusOK {
			return nil
		}
		e := &Error{Detail: fmt.Sprintf("%s answered %d", what, a.status), kind: denied}
		if passing(a.status) {
			e.kind, e.again = unreachable, true
		}
		return e
	}
}

// webIdentity exchanges a projected token at STS (AWS STS API Reference,
// AssumeRoleWithWebIdentity); the request is not signed.
func (p *awsCredentials) webIdentity(ctx context.Context) (aws.Credentials, error) {
	token, err := p.o.ReadFile(p.o.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"))
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("AWS_WEB_IDENTITY_TOKEN_FILE: %w", err)
	}
	endpoint, err := awsEndpoint(p.o, "sts", "STS", p.region)
	if err != nil {
		return aws.Credentials{}, err
	}
	session := p.o.Getenv("AWS_ROLE_SESSION_NAME")
	if session == "" {
		session = "weighbridge"
	}
	form := url.Values{
		"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {p.o.Getenv("AWS_ROLE_ARN")},
		"RoleSessionName": {session}, "WebIdentityToken": {strings.TrimSpace(string(token))},
	}.Encode()
	a, err := p.c.call(ctx, func(ctx context.Context) (*http.Request, error) {
		req, err := post(ctx, endpoint.JoinPath("/").String(), []byte(form))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return req, err
	}, identityJudge("AWS STS"))
	if err != nil {
		return aws.Credentials{}, err
	}
	var out struct {
		Result struct {
			Credentials role
		} `xml:"AssumeRoleWithWebIdentityResult"`
	}
	if err := xml.Unmarshal(a.body, &out); err != nil {
		return aws.Credentials{}, &Error{Detail: "the answer of AWS STS cannot be read", kind: denied}
	}
	return out.Result.Credentials.credentials()
}

// container asks the agent of the container for its role.
func (p *awsCredentials) container(ctx context.Context) (aws.Credentials, error) {
	target := p.o.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	if relative := p.o.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); relative != "" {
		target = "http://" + awsContainerHost + "/" + strings.TrimPrefix(relative, "/")
	}
	u, err := url.Parse(target)
	if err != nil || u.User != nil {
		return aws.Credentials{}, errors.New("AWS_CONTAINER_CREDENTIALS_FULL_URI is not a URL")
	}
	if h := u.Hostname(); u.Scheme != "https" && (u.Scheme != "http" || !loopback(h) && h != awsContainerHost && h != awsPodHost && h != awsPodHost6) {
		return aws.Credentials{}, errors.New("AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of the container's agent")
	}
	return p.give(ctx, "the container's agent", func(ctx context.Context) (*http.Request, error) {
		token := p.o.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN")
		if file := p.o.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); file != "" {
			b, err := p.o.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: %w", err)
			}
			token = strings.TrimSpace(string(b))
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err == nil && token != "" {
			req.Header.Set("Authorization", token)
		}
		return req, err
	})
}

// machine asks the machine for its role by IMDSv2, which wants a session first
// (Amazon EC2 User Guide, "Use the Instance Metadata Service").
func (p *awsCredentials) machine(ctx context.Context) (aws.Credentials, error) {
	const what = "the machine's metadata service"
	session, err := p.local.call(ctx, func(ctx context.Context) (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, awsMachine+"api/token", nil)
		if err == nil {
			req.Header.Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "300")
		}
		return req, err
	}, identityJudge(what))
	if err != nil {
		return aws.Credentials{}, errors.Join(errNoAWSCredentials, err)
	}
	get := func(path string) func(context.Context) (*http.Request, error) {
		return func(ctx context.Context) (*http.Request, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, awsMachine+"meta-data/iam/security-credentials/"+path, nil)
			if err == nil {
				req.Header.Set("X-Aws-Ec2-Metadata-Token", string(session.body))
			}
			return req, err
		}
	}
	name, err := p.local.call(ctx, get(""), identityJudge(what))
	if err != nil {
		return aws.Credentials{}, err
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(name.body)), "\n")
	return p.give(ctx, what, get(url.PathEscape(first)))
}

// give reads a role in its JSON form.
func (p *awsCredentials) give(ctx context.Context, what string, build func(context.Context) (*http.Request, error)) (aws.Credentials, error) {
	a, err := p.local.call(ctx, build, identityJudge(what))
	if err != nil {
		return aws.Credentials{}, err
	}
	var r role
	if err := json.Unmarshal(a.body, &r); err != nil {
		return aws.Credentials{}, &Error{Detail: "the answer of " + what + " cannot be read", kind: denied}
	}
	return r.credentials()
}
