// Command fakes3 serves rclone's gofakes3 from memory, with its verifier of
// signatures, until its standard input ends. It prints the address that it
// listens on.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: fakes3 ACCESS-KEY-ID SECRET")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s3 := gofakes3.New(s3mem.New(), gofakes3.WithV4Auth(map[string]string{os.Args[1]: os.Args[2]}))
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println(l.Addr())
	log.Fatal(http.Serve(l, s3.Server())) //nolint:gosec // of a test
}
