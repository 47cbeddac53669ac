package field

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/weighbridge/weighbridge/bench/internal/proc"
)

// nginx buffers, with 16 buffers of 64 KiB and nothing on disk: several times
// cheaper here than its unbuffered mode, which moves 8 KiB at a time.
func nginx(ctx context.Context, s *seat) error {
	listen, scheme, down, up := "", "http", "", ""
	if s.workerTLS {
		listen = " ssl"
		down = fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %s; ssl_protocols TLSv1.3;", s.Files.Cert, s.Files.Key)
	}
	if s.originTLS {
		scheme = "https"
		up = fmt.Sprintf("proxy_ssl_verify on; proxy_ssl_trusted_certificate %s; proxy_ssl_server_name on; proxy_ssl_name %s; proxy_ssl_protocols TLSv1.3;", s.Files.Root, Host)
	}
	file, err := s.file("nginx.conf", fmt.Sprintf(`user root;
worker_processes auto;
worker_rlimit_nofile 16384;
daemon off;
pid nginx.pid;
error_log stderr error;
events { worker_connections 8192; }
http {
	access_log off;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	keepalive_requests 100000000; keepalive_timeout 300s;
	upstream origin { server %s; keepalive 2048; keepalive_requests 100000000; }
	server {
		listen %s%s;
		%s
		location / {
			proxy_pass %s://origin;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $http_host;
			proxy_buffering on; proxy_buffers 16 64k; proxy_buffer_size 64k; proxy_busy_buffers_size 128k;
			proxy_max_temp_file_size 0;
			%s
		}
	}
}
`, s.originAddr(), s.addr, listen, down, scheme, up))
	if err != nil {
		return err
	}
	return s.launch(ctx, nil, program("nginx"), "-p", s.dir, "-c", file, "-e", "stderr")
}

// haproxy with its defaults.
func haproxy(ctx context.Context, s *seat) error {
	bind, server := "", ""
	if s.workerTLS {
		bind = " ssl crt " + s.Files.Both + " alpn http/1.1 ssl-min-ver TLSv1.3"
	}
	if s.originTLS {
		server = fmt.Sprintf(" ssl verify required ca-file %s sni str(%s) verifyhost %s ssl-min-ver TLSv1.3", s.Files.Root, Host, Host)
	}
	file, err := s.file("haproxy.cfg", fmt.Sprintf(`global
	maxconn 4096
defaults
	mode http
	timeout connect 10s
	timeout client 60s
	timeout server 60s
	http-reuse always
frontend workers
	bind %s%s
	default_backend origin
backend origin
	server origin %s%s
`, s.addr, bind, s.originAddr(), server))
	if err != nil {
		return err
	}
	return s.launch(ctx, nil, program("haproxy"), "-db", "-q", "-f", file)
}

// squidCertgen is where Debian puts squid's maker of certificates.
const squidCertgen = "/usr/lib/squid/security_file_certgen"

// squid bumps every connection; it caches and logs nothing.
func squid(ctx context.Context, s *seat) error {
	if _, err := os.Stat(squidCertgen); err != nil {
		return fmt.Errorf("squid without TLS (Debian: squid-openssl): %w", ErrMissing)
	}
	db := filepath.Join(s.dir, "certs")
	if b, err := exec.CommandContext(ctx, squidCertgen, "-c", "-s", db, "-M", "4MB").CombinedOutput(); err != nil {
		return fmt.Errorf("security_file_certgen: %w: %s", err, b)
	}
	if _, err := s.file("hosts", "127.0.0.1 "+Host+"\n"); err != nil {
		return err
	}
	file, err := s.file("squid.conf", fmt.Sprintf(`http_port %s ssl-bump generate-host-certificates=on dynamic_cert_mem_cache_size=4MB tls-cert=%s
sslcrtd_program %s -s %s -M 4MB
acl all_steps at_step SslBump1
ssl_bump bump all
tls_outgoing_options cafile=%s
http_access allow all
cache deny all
cache_mem 0 MB
access_log none
cache_log %s/cache.log
cache_store_log none
pid_filename %s/squid.pid
coredump_dir %s
hosts_file %s/hosts
pinger_enable off
visible_hostname bench
shutdown_lifetime 0 seconds
max_filedescriptors 16384
`, s.addr, s.Files.InterceptBoth, squidCertgen, db, s.Files.Root, s.dir, s.dir, s.dir, s.dir))
	if err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		// It goes on as a user of its own.
		if err := give(s.dir, "proxy"); err != nil {
			return err
		}
	}
	s.run.Plan.CA = s.Files.InterceptCert
	return s.launch(ctx, nil, program("squid"), "-N", "-f", file)
}

// give makes dir and what is in it a user's own.
func give(dir, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, uid, gid)
	})
}

// mitmproxy streams what is large and makes its own root.
func mitmproxy(ctx context.Context, s *seat) error {
	// The name is in no name server; the address is put in before it dials.
	addon, err := s.file("origin.py", `def server_connect(data):
    data.server.address = ("127.0.0.1", data.server.address[1])
`)
	if err != nil {
		return err
	}
	_, port, err := splitAddr(s.addr)
	if err != nil {
		return err
	}
	set := func(v string) []string { return []string{"--set", v} }
	args := []string{program("mitmdump"), "-q", "--listen-host", "127.0.0.1", "-p", port, "-s", addon}
	for _, v := range []string{
		"confdir=" + s.dir, "stream_large_bodies=1m", "flow_detail=0", "http2=false",
		"ssl_verify_upstream_trusted_ca=" + s.Files.Root,
	} {
		args = append(args, set(v)...)
	}
	if err := s.launch(ctx, nil, args...); err != nil {
		return err
	}
	s.run.Plan.CA = filepath.Join(s.dir, "mitmproxy-ca-cert.pem")
	return awaitFile(ctx, s.run.Process, s.run.Plan.CA)
}

func awaitFile(ctx context.Context, p *proc.Process, path string) error {
	for {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not come: %s", filepath.Base(path), p.Tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func splitAddr(addr string) (host, port string, err error) { return net.SplitHostPort(addr) }
