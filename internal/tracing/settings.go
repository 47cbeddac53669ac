//go:build otel

package tracing

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// batchTimeout bounds what a batch may take, further tries included, unless the
// environment says otherwise (the default of OTEL_EXPORTER_OTLP_TIMEOUT).
const batchTimeout = 10 * time.Second

// settings are where spans go, and how.
type settings struct {
	url     string
	header  http.Header
	timeout time.Duration
	gzip    bool
}

// settingsOf reads the variables of OTLP's specification
// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/), nil being that
// nothing is to be sent. What is asked for and cannot be had is an error, which
// quotes no value: endpoints and headers may hold secrets.
func settingsOf(o Options) (*settings, error) {
	if strings.EqualFold(o.Getenv("OTEL_SDK_DISABLED"), "true") {
		return nil, nil
	}
	s := &settings{header: http.Header{}, timeout: batchTimeout}
	var err error
	switch {
	case o.Endpoint != "":
		s.url, err = endpoint("tracing.endpoint", o.Endpoint, true)
	case o.Getenv(varTracesEndpoint) != "":
		s.url, err = endpoint(varTracesEndpoint, o.Getenv(varTracesEndpoint), false)
	case o.Getenv(varEndpoint) != "":
		s.url, err = endpoint(varEndpoint, o.Getenv(varEndpoint), true)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	of := func(name string) (variable, value string) {
		variable = "OTEL_EXPORTER_OTLP_TRACES_" + name
		if value = o.Getenv(variable); value == "" {
			variable = "OTEL_EXPORTER_OTLP_" + name
			value = o.Getenv(variable)
		}
		return variable, value
	}
	if v, protocol := of("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return nil, fmt.Errorf("%s: spans are sent by http/protobuf alone", v)
	}
	for _, name := range []string{"CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"} {
		if v, value := of(name); value != "" {
			return nil, fmt.Errorf("%s does not count here: a root of the collector's goes into upstream.ca_file, and there are no client certificates", v)
		}
	}
	switch v, how := of("COMPRESSION"); how {
	case "", "none":
	case "gzip":
		s.gzip = true
	default:
		return nil, fmt.Errorf("%s is neither gzip nor none", v)
	}
	if v, text := of("TIMEOUT"); text != "" {
		ms, err := strconv.ParseUint(text, 10, 31)
		if err != nil || ms == 0 {
			return nil, fmt.Errorf("%s is not a number of milliseconds", v)
		}
		s.timeout = time.Duration(ms) * time.Millisecond
	}
	if v, list := of("HEADERS"); list != "" {
		if err := addHeaders(s.header, list); err != nil {
			return nil, fmt.Errorf("%s: %w", v, err)
		}
	}
	return s, nil
}

// endpoint is the URL that a setting names, with the path of traces behind a
// base.
func endpoint(setting, raw string, base bool) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return "", fmt.Errorf("%s is not a URL such as http://localhost:4318", setting)
	}
	if base {
		u = u.JoinPath("v1", "traces")
	} else if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), nil
}

// addHeaders reads name=value pairs parted by commas, values percent-encoded.
func addHeaders(h http.Header, list string) error {
	for pair := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err != nil || name == "" || strings.ContainsAny(name+value, "\r\n\x00") || strings.ContainsAny(name, " \t:") {
			return errors.New("not a list of name=value")
		}
		h.Set(name, value)
	}
	return nil
}
