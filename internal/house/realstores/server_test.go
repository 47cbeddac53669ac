//go:build realclients

package realstores

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/internal/house"
	"github.com/weighbridge/weighbridge/internal/house/ready"
)

// patience bounds what a server takes to start; reaching it is a failure.
const patience = 2 * time.Minute

// programs is where setup.sh put PostgreSQL's, and shared the server of all
// tests that do not stop theirs.
var (
	programs string
	shared   *server
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(rotateVariable); dir != "" {
		if err := rotate(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	programs, _ = ready.Must("postgres")
	os.Exit(func() int {
		var err error
		if shared, err = newServer(); err != nil {
			fmt.Fprintln(os.Stderr, "PostgreSQL does not start:", err)
			return 1
		}
		defer shared.remove()
		return m.Run()
	}())
}

// server is a PostgreSQL of its own cluster.
type server struct {
	dir  string
	port int
	// password is a canary: nothing but the DSN may hold it.
	password *house.Canary
	who      *syscall.Credential
	cmd      *exec.Cmd
	ended    chan struct{}
	out      bytes.Buffer
	schemas  atomic.Int64
}

// newServer makes a cluster and starts it.
func newServer() (*server, error) {
	return makeServer(house.NewCanary("pg"), (*server).initialise)
}

// makeServer starts a server on the data that fill makes.
func makeServer(password *house.Canary, fill func(*server) error) (s *server, err error) {
	s = &server{password: password}
	defer func() {
		if err != nil {
			s.remove()
			err = fmt.Errorf("%w\n%s", err, s.out.String())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "weighbridge-pg-*"); err != nil {
		return s, err
	}
	if err := s.yield(); err != nil {
		return s, err
	}
	if err := fill(s); err != nil {
		return s, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return s, err
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return s, err
	}
	return s, s.start()
}

// initialise makes an empty cluster.
func (s *server) initialise() error {
	pw := filepath.Join(s.dir, "password")
	if err := os.WriteFile(pw, []byte(s.password.Value()), 0o644); err != nil { //nolint:gosec // of a test
		return err
	}
	init := s.command("initdb", "-D", s.data(), "-U", "weighbridge", "--auth=scram-sha-256", "--pwfile="+pw,
		"--no-sync", "--locale=C", "--encoding=UTF8")
	if err := init.Run(); err != nil {
		return err
	}
	return os.Remove(pw)
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

// yield gives the directory to an unprivileged user where we are root, as whom
// PostgreSQL does not run.
func (s *server) yield() error {
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32)
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		s.who = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: true}
		return os.Chown(s.dir, int(uid), int(gid))
	}
	return errors.New("there is no user that PostgreSQL could run as")
}

func (s *server) command(program string, args ...string) *exec.Cmd {
	// Where the link leads: the user that it runs as may not enter the checkout.
	path, err := filepath.EvalSymlinks(filepath.Join(programs, program))
	if err != nil {
		path = program // to fail by its name
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env = s.dir, []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.Stdout, cmd.Stderr = &s.out, &s.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.who}
	return cmd
}

// start starts the server on its port and waits until it answers.
func (s *server) start() error {
	s.cmd = s.command("postgres", "-D", s.data(), "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-k", s.dir,
		"-c", "max_connections=200", "-c", "shared_buffers=16MB", "-c", "log_min_messages=fatal")
	if err := s.cmd.Start(); err != nil {
		return err
	}
	cmd, ended := s.cmd, make(chan struct{})
	s.ended = ended
	go func() { _ = cmd.Wait(); close(ended) }()
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		conn, err := s.connect()
		if err == nil {
			return conn.Close(context.Background())
		}
		select {
		case <-ended:
			return errors.New("it ended")
		default:
		}
		if time.Since(begun) > patience {
			return fmt.Errorf("it does not answer: %w", err)
		}
	}
}

// kill ends the server and all that it started at once, as a crash does.
func (s *server) kill() {
	pids := children(s.cmd.Process.Pid)
	_ = s.cmd.Process.Kill()
	<-s.ended
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// children are the processes that a process started.
func children(pid int) (out []int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, f := range bytes.Fields(text) {
		if n, err := strconv.Atoi(string(f)); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// stop ends the server as an operator does: connections are broken off, and what
// was committed is kept.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGINT) // a fast shutdown
	<-s.ended
}

// copy copies the data of a server that is stopped to beside it.
func (s *server) copy(t testing.TB) (dir string) {
	t.Helper()
	dir = filepath.Join(s.dir, "copy")
	check(t, exec.Command("cp", "-a", s.data(), dir).Run())
	return dir
}

// exchange puts a copy in the place of the data, and the data in that of the
// copy.
func (s *server) exchange(t testing.TB, dir string) {
	t.Helper()
	check(t, os.Rename(s.data(), dir+".was"))
	check(t, os.Rename(dir, s.data()))
	check(t, os.Rename(dir+".was", dir))
}

func (s *server) remove() {
	if s.cmd != nil && s.cmd.Process != nil {
		s.kill()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// dsn names the database, with a search_path where schema is not empty.
func (s *server) dsn(schema string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword("weighbridge", s.password.Value()),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: "/postgres"}
	if schema != "" {
		u.RawQuery = url.Values{"search_path": {schema}}.Encode()
	}
	return u.String()
}

func (s *server) connect() (*pgx.Conn, error) {
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	return pgx.Connect(ctx, s.dsn(""))
}

// exec runs statements as the operator.
func (s *server) exec(t testing.TB, statements ...string) {
	t.Helper()
	conn, err := s.connect()
	check(t, err)
	for _, sql := range statements {
		_, err := conn.Exec(context.Background(), sql)
		check(t, err)
	}
	check(t, conn.Close(context.Background()))
}

// schema makes an empty place for one store, and names it.
func (s *server) schema(t testing.TB) auth.Secret {
	t.Helper()
	dsn, _ := s.schemaAs(t, "%s")
	return dsn
}

// schemaAs is schema with a search_path that begins with it.
func (s *server) schemaAs(t testing.TB, path string) (dsn auth.Secret, name string) {
	t.Helper()
	name = fmt.Sprintf("s%d", s.schemas.Add(1))
	s.exec(t, "CREATE SCHEMA "+name)
	return auth.NewSecret(s.dsn(fmt.Sprintf(path, name))), name
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v, want %v", what, got, want)
	}
}
