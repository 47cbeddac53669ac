package keyservice

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// awsKMS is a symmetric key of AWS KMS. The associated data is its encryption
// context, so CloudTrail shows it. Source: AWS KMS API Reference, Encrypt and
// Decrypt.
type awsKMS struct {
	c        *caller
	endpoint *url.URL
	region   string
	key      string // id, alias/NAME or ARN
	creds    *awsCredentials
	signer   *v4.Signer
}

// awsContext is the one member of the encryption context.
const awsContext = "weighbridge"

func openAWS(rest string, query url.Values, o Options) (*KEK, error) {
	const wanted = "the form is awskms://KEY-ID?region=REGION, awskms://alias/NAME?region=REGION or awskms:///ARN"
	key := strings.TrimPrefix(rest, "/")
	region := query.Get("region")
	arn := strings.HasPrefix(key, "arn:")
	if arn {
		// arn:partition:kms:region:account:key/id
		parts := strings.SplitN(key, ":", 6)
		if len(parts) != 6 || parts[2] != "kms" || !word(parts[3], "-") || region != "" && region != parts[3] {
			return nil, badURI("awskms", wanted)
		}
		region = parts[3]
	}
	if !only(query, "region") || !word(key, "-_/:") {
		return nil, badURI("awskms", wanted)
	}
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if region == "" {
			region = o.Getenv(name)
		}
	}
	if !word(region, "-") {
		return nil, badURI("awskms", "it names no region, and AWS_REGION does not either")
	}
	endpoint, err := awsEndpoint(o, "kms", "KMS", region)
	if err != nil {
		return nil, err
	}
	id := "awskms:///" + key
	if !arn {
		id = "awskms://" + key + "?region=" + region
	}
	c := newCaller(o, o.Roots, false)
	return &KEK{id: id, name: "AWS KMS", svc: &awsKMS{
		c: c, endpoint: endpoint, region: region, key: key, signer: v4.NewSigner(),
		creds: newAWSCredentials(o, c, newCaller(o, o.Roots, true), region),
	}}, nil
}

// awsEndpoint is the regional endpoint of a service, or what
// AWS_ENDPOINT_URL_<SERVICE> or AWS_ENDPOINT_URL says (AWS SDKs and Tools
// Reference Guide, "Service-specific endpoints").
func awsEndpoint(o Options, host, name, region string) (*url.URL, error) {
	for _, variable := range []string{"AWS_ENDPOINT_URL_" + name, "AWS_ENDPOINT_URL"} {
		if raw := o.Getenv(variable); raw != "" && o.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") != "true" {
			return secure(raw, variable)
		}
	}
	if o.Getenv("AWS_USE_FIPS_ENDPOINT") == "true" {
		host += "-fips"
	}
	suffix := ".amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		suffix += ".cn"
	}
	return &url.URL{Scheme: "https", Host: host + "." + region + suffix}, nil
}

type awsRequest struct {
	KeyID      string            `json:"KeyId"`
	Plaintext  []byte            `json:",omitempty"`
	Ciphertext []byte            `json:"CiphertextBlob,omitempty"`
	Context    map[string]string `json:"EncryptionContext"`
}

type awsAnswer struct {
	KeyID      string `json:"KeyId"`
	Plaintext  []byte
	Ciphertext []byte `json:"CiphertextBlob"`
}

func (k *awsKMS) wrap(ctx context.Context, key, aad []byte) ([]byte, error) {
	out, err := k.ask(ctx, "Encrypt", awsRequest{KeyID: k.key, Plaintext: key, Context: awsAAD(aad)})
	if err != nil {
		return nil, err
	}
	return out.Ciphertext, nil
}

// unwrap names the key, although the ciphertext does so too: the one that is
// configured, and no other, may open it.
func (k *awsKMS) unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error) {
	out, err := k.ask(ctx, "Decrypt", awsRequest{KeyID: k.key, Ciphertext: wrapped, Context: awsAAD(aad)})
	if err != nil {
		return nil, err
	}
	return out.Plaintext, nil
}

func awsAAD(aad []byte) map[string]string {
	return map[string]string{awsContext: base64.StdEncoding.EncodeToString(aad)}
}

func (k *awsKMS) ask(ctx context.Context, act string, in awsRequest) (*awsAnswer, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	defer clear(body)
	sum := sha256.Sum256(body)
	var creds aws.Credentials
	renewed := false
	a, err := k.c.call(ctx, func(ctx context.Context) (*http.Request, error) {
		if creds, err = k.creds.get(ctx); err != nil {
			return nil, err
		}
		req, err := post(ctx, k.endpoint.JoinPath("/").String(), body)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
		req.Header.Set("X-Amz-Target", "TrentService."+act)
		return req, k.signer.SignHTTP(ctx, creds, req, hex.EncodeToString(sum[:]), "kms", k.region, k.c.o.Now())
	}, func(a *answer) *Error {
		e := awsJudge(a, creds)
		if e != nil && e.kind == denied && !renewed && strings.Contains(e.Detail, "ExpiredToken") {
			renewed, e.again = true, true
			k.creds.kept.forget()
		}
		return e
	})
	if err != nil {
		return nil, err
	}
	defer clear(a.body)
	out := &awsAnswer{}
	if e := decode(a, out); e != nil {
		return nil, e
	}
	if strings.HasPrefix(k.key, "arn:") && strings.Contains(k.key, ":key/") && out.KeyID != k.key {
		return nil, &Error{Detail: "it answered for another key than it was asked", kind: denied}
	}
	return out, nil
}

// awsJudge reads an answer (AWS KMS API Reference, "Common errors", and the
// errors of Encrypt and Decrypt).
func awsJudge(a *answer, creds aws.Credentials) *Error {
	if a.status == http.StatusOK {
		return nil
	}
	var words struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
		Upper   string `json:"Message"`
	}
	_ = json.Unmarshal(a.body, &words) // where it cannot be read there are no words
	code := words.Type[strings.LastIndexByte(words.Type, '#')+1:]
	e := &Error{Detail: said(a.status, code, words.Message+words.Upper, creds.SecretAccessKey, creds.SessionToken), kind: denied}
	switch code {
	case "InvalidCiphertextException", "IncorrectKeyException":
		e.kind = rejected
	case "ThrottlingException", "Throttling", "RequestLimitExceeded", "LimitExceededException",
		"KeyUnavailableException", "KMSInternalException", "DependencyTimeoutException":
		e.kind, e.again = unreachable, true
	case "AccessDeniedException":
		e.Next = "allow kms:Encrypt and kms:Decrypt on this key"
	default:
		if passing(a.status) {
			e.kind, e.again = unreachable, true
		}
	}
	return e
}

var errNoAWSCredentials = errors.New("no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where there is a role")
