package workerenv

import (
	"fmt"
	"net/url"

	"github.com/weighbridge/weighbridge/auth"
)

// S3Options say where weighbridge is and which S3 access key the worker has.
type S3Options struct {
	// ProxyURL is scheme://host:port of the proxy listener as the worker
	// reaches it.
	ProxyURL    string
	AccessKeyID string
	Secret      auth.Secret
}

// S3Region is what S3 clients may take for their region: any does, and many
// refuse to start without one.
const S3Region = "us-east-1"

// S3Variables lists what the worker must export so that the S3 clients of AWS,
// and those that read the same variables, take weighbridge for their S3. Other
// services of AWS are left alone.
func S3Variables(o S3Options) ([]Var, error) {
	endpoint, err := s3Endpoint(o)
	if err != nil {
		return nil, err
	}
	return append(s3Keys(o),
		Var{"AWS_ENDPOINT_URL_S3", endpoint, "boto3, the aws CLI and the SDKs of AWS", false},
		Var{"AWS_DEFAULT_REGION", S3Region, "any region does", false},
		Var{"S3_ENDPOINT_URL", endpoint, "s5cmd", false},
		Var{"MLFLOW_S3_ENDPOINT_URL", endpoint, "MLflow", false},
	), nil
}

// RcloneVariables make weighbridge a remote of rclone, called weighbridge.
func RcloneVariables(o S3Options) ([]Var, error) {
	endpoint, err := s3Endpoint(o)
	if err != nil {
		return nil, err
	}
	return []Var{
		{"RCLONE_CONFIG_WEIGHBRIDGE_TYPE", "s3", "", false},
		{"RCLONE_CONFIG_WEIGHBRIDGE_PROVIDER", "Other", "", false},
		{"RCLONE_CONFIG_WEIGHBRIDGE_ENDPOINT", endpoint, "", false},
		{"RCLONE_CONFIG_WEIGHBRIDGE_ACCESS_KEY_ID", o.AccessKeyID, "", false},
		{"RCLONE_CONFIG_WEIGHBRIDGE_SECRET_ACCESS_KEY", o.Secret.Reveal(), "", true},
	}, nil
}

func s3Keys(o S3Options) []Var {
	return []Var{
		{"AWS_ACCESS_KEY_ID", o.AccessKeyID, "", false},
		{"AWS_SECRET_ACCESS_KEY", o.Secret.Reveal(), "", true},
	}
}

func s3Endpoint(o S3Options) (string, error) {
	u, err := proxyURL(o.ProxyURL)
	if err != nil {
		return "", err
	}
	if !auth.IsS3AccessKeyID(o.AccessKeyID) {
		return "", fmt.Errorf("%q is not an S3 access key of weighbridge's", o.AccessKeyID)
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String(), nil
}
