// Command weighbridge is the checkpoint that model weights cross on their way
// to a GPU: the proxy, its store, its administration and its tools, in one
// binary.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
