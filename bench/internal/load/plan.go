// Package load is the client of a run: it downloads through one peer, compares
// every byte, and says how long that took. It runs as a process of its own for
// each measurement.
package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Kind is what is done.
type Kind string

// The kinds of work.
const (
	// Streams is Conns downloads of Bytes each, at once.
	Streams Kind = "streams"
	// Requests is the small object again and again on Conns kept
	// connections, for Time.
	Requests Kind = "requests"
	// Connects is the small object, each time on a new connection with a full
	// TLS handshake, Conns at a time, for Time.
	Connects Kind = "connects"
	// First is the time to the first byte of the small object on one kept
	// connection, for Time.
	First Kind = "first"
	// Kept is the small object once on each of Conns connections at once,
	// which then stay open until standard input ends.
	Kept Kind = "kept"
)

// Plan says what to do, and how the peer is reached.
type Plan struct {
	Kind  Kind
	Conns int
	Bytes int64         `json:",omitempty"`
	Time  time.Duration `json:",omitempty"`
	// Limit ends everything with an error.
	Limit time.Duration

	// Addr is what is dialled.
	Addr string
	// Connect is the target of CONNECT, empty for reverse mode.
	Connect string `json:",omitempty"`
	// TLS says that TLS is spoken to Addr, or inside the tunnel of CONNECT.
	TLS bool
	// CA holds the roots, PEM, and Name is who must be there.
	CA, Name string
	// Host is the Host field and Prefix what stands before each path.
	Host, Prefix string
	// Fields are further lines of each request, ConnectFields of CONNECT.
	Fields, ConnectFields []string `json:",omitempty"`
}

// Result is what was done.
type Result struct {
	Ops     int64
	Bytes   int64
	Seconds float64
	// P50 and P99 are in seconds: of the time to the first byte (First), of
	// the whole (Requests, Connects).
	P50, P99 float64 `json:",omitempty"`
	Error    string  `json:",omitempty"`
}

// Ready is what Main says when everything is connected and nothing measured
// is done yet; a line on standard input then starts it.
const Ready = "ready"

// Main reads a Plan from the first line of in, connects, says Ready, waits for
// a line, does the work, and writes a Result as one line. A Kept load keeps its
// connections until in ends.
func Main(in io.Reader, out io.Writer) error {
	var p Plan
	d := json.NewDecoder(in)
	if err := d.Decode(&p); err != nil {
		return fmt.Errorf("the plan: %w", err)
	}
	lines := newLines(io.MultiReader(d.Buffered(), in))
	stop := time.AfterFunc(p.Limit, func() {
		// Nothing else could end a read that hangs in every connection.
		_ = json.NewEncoder(out).Encode(Result{Error: "not done after " + p.Limit.String()})
		os.Exit(3)
	})
	defer stop.Stop()
	w, err := prepare(&p)
	if err != nil {
		return json.NewEncoder(out).Encode(Result{Error: err.Error()})
	}
	if _, err := fmt.Fprintln(out, Ready); err != nil {
		return err
	}
	if err := lines.next(); err != nil {
		return errors.Join(errors.New("nobody said go"), err)
	}
	r, err := w.run()
	if err != nil {
		r.Error = err.Error()
	}
	if err := json.NewEncoder(out).Encode(r); err != nil {
		return err
	}
	stop.Stop()
	if p.Kind == Kept {
		_ = lines.next()
	}
	return nil
}
