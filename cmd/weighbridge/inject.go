package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/importer"
	"github.com/weighbridge/weighbridge/internal/inject"
	"github.com/weighbridge/weighbridge/signer"
)

// Bounds of the webhook's server. An API server waits for 30 s at most
// (timeoutSeconds of a webhook).
const (
	injectTimeout = 10 * time.Second
	injectIdle    = 2 * time.Minute
)

func (a *app) injectCommand() *cobra.Command {
	var listen, certFile, keyFile, podFile string
	var delay time.Duration
	var o inject.Options
	c := &cobra.Command{
		Use: "inject --image IMAGE --tls-cert FILE --tls-key FILE | --pod FILE", Short: "Serve the admission webhook that gives pods their own weighbridge", Args: noArgs,
		Long: "Answers AdmissionReviews on /mutate: a pod with the label " + inject.Label + ": \"true\" gets\n" +
			"a native sidecar, an init step that writes the CA bundle, and the variables that its\n" +
			"containers need (docs/kubernetes.md). The certificate is read again for each handshake.\n" +
			"After SIGTERM reviews are answered for --drain-delay while /readyz says 503; a second signal\n" +
			"stops at once.\n" +
			"The names of the ConfigMap and the Secrets are those in the pod's own namespace; a pod's\n" +
			"annotations weighbridge.dev/config, weighbridge.dev/credentials and weighbridge.dev/ca say others,\n" +
			"weighbridge.dev/port another port than 8080 for the sidecar, and weighbridge.dev/direct what its\n" +
			"containers reach without it (NO_PROXY).\n\n" +
			"With --pod nothing is served: the pods of a manifest, and those that its workloads make, are\n" +
			"written with the label and with what the webhook would add, for clusters without it.",
		Example: "  weighbridge inject --image registry.example.com/weighbridge:0.1.0 --pod comfyui.yaml > comfyui-with-sidecar.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			if tag := o.Image[strings.LastIndexByte(o.Image, '/')+1:]; !strings.ContainsAny(tag, ":@") || strings.HasSuffix(tag, ":latest") {
				return usage("--image: name a version or a digest, so that every pod gets the same program")
			}
			o.Placeholder = signer.PlaceholderToken
			i, err := inject.New(o)
			if err != nil {
				return usage("--config-map, --credentials, --ca, --image-pull-secret: %w", err)
			}
			if podFile != "" {
				return a.injectFile(i, podFile)
			}
			pair := &servingPair{certFile: certFile, keyFile: keyFile}
			if _, err := pair.get(nil); err != nil {
				return usage("--tls-cert, --tls-key: %w", err)
			}
			log, flush := a.logger(config.Log{Level: "info", Format: "auto"})
			defer flush()
			return serveInject(c.Context(), log, listen, delay, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get}, i.Handler())
		},
	}
	c.Flags().StringVar(&listen, "listen", ":8443", "address of the webhook: host:port")
	c.Flags().DurationVar(&delay, "drain-delay", 0, "how long after SIGTERM reviews are still answered, while /readyz says 503")
	c.Flags().StringVar(&certFile, "tls-cert", "", "certificate chain (PEM) of the webhook's service name")
	c.Flags().StringVar(&keyFile, "tls-key", "", "its private key (PEM)")
	c.Flags().StringVar(&podFile, "pod", "", "manifest (YAML; - is standard input) whose pods are written with a sidecar, instead of serving")
	c.Flags().StringVar(&o.Image, "image", "", "image of the sidecar, by version or digest")
	c.Flags().StringVar(&o.ConfigMap, "config-map", "", "ConfigMap with weighbridge.yaml (default weighbridge)")
	c.Flags().StringVar(&o.Credentials, "credentials", "", "Secret with the files that the configuration names (default weighbridge-credentials)")
	c.Flags().StringVar(&o.CA, "ca", "", "Secret with tls.crt and tls.key of the root (default weighbridge-ca)")
	c.Flags().StringSliceVar(&o.PullSecrets, "image-pull-secret", nil, "Secret of a pod's own namespace by which the kubelet pulls the image (repeatable)")
	c.Flags().StringVar(&o.MemoryLimit, "memory-limit", "", "memory limit of a sidecar (default 256Mi)")
	c.Flags().StringVar(&o.CPULimit, "cpu-limit", "", "CPU limit of a sidecar (default 2)")
	must(c.MarkFlagRequired("image"))
	c.MarkFlagsOneRequired("tls-cert", "pod")
	c.MarkFlagsRequiredTogether("tls-cert", "tls-key")
	c.MarkFlagsMutuallyExclusive("tls-cert", "pod")
	must(c.MarkFlagFilename("pod"))
	must(c.MarkFlagFilename("tls-cert"))
	must(c.MarkFlagFilename("tls-key"))
	return c
}

// injectFile writes the manifest of a file as it is with the sidecar.
func (a *app) injectFile(i *inject.Injector, file string) error {
	in, err := a.importFile(file)
	if err != nil {
		return usage("--pod: %w", err)
	}
	if len(in) > importer.MaxText {
		return usage("--pod: the manifest is longer than %s", size(importer.MaxText))
	}
	out, warnings, err := i.Manifest(in)
	if err != nil {
		return fmt.Errorf("--pod: %w", err)
	}
	for _, one := range warnings {
		_, _ = fmt.Fprintln(a.stderr, "weighbridge: "+one)
	}
	_, err = a.stdout.Write(out)
	return err
}

// serveInject serves until a signal or ctx ends it; after a signal it serves on
// for delay and says on /readyz that it goes.
func serveInject(ctx context.Context, log zerolog.Logger, addr string, delay time.Duration, t *tls.Config, h http.Handler) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	var leaving atomic.Bool
	mux := http.NewServeMux()
	mux.Handle("/", h)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if leaving.Load() {
			http.Error(w, string(auth.CodeDraining), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ready\n")
	})
	srv := &http.Server{Handler: mux, TLSConfig: t, ReadTimeout: injectTimeout, WriteTimeout: injectTimeout, IdleTimeout: injectIdle}
	served := make(chan error, 1)
	go func() { served <- srv.ServeTLS(l, "", "") }()
	log.Info().Str("webhook", l.Addr().String()).Str("version", buildVersion()).Msg("serving")
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	case s := <-signals:
		leaving.Store(true)
		log.Info().Str("signal", s.String()).Str("drain_delay", delay.String()).Msg("leaving")
		if linger(delay, signals) {
			log.Warn().Msg("second signal: stopping at once")
			_ = srv.Close()
		}
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), injectTimeout)
	defer cancel()
	if err := srv.Shutdown(ending); err != nil {
		return err
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// servingPair is a certificate in files that are renewed. Handshakes are few:
// the API server keeps its connections.
type servingPair struct {
	certFile, keyFile string
	last              atomic.Pointer[tls.Certificate]
}

// get reads the files. Where they do not fit, as between the two writes of a
// renewal, the last pair that did is shown.
func (p *servingPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err == nil {
		p.last.Store(&pair)
		return &pair, nil
	}
	if last := p.last.Load(); last != nil {
		return last, nil
	}
	return nil, fmt.Errorf("the webhook's certificate: %w", err)
}
