// Command oras pulls what a tag of a registry names, with the library of the
// ORAS project, and prints the digest of each layer once it was verified.
//
//	oras REGISTRY/REPOSITORY TAG
//
// It knows of no secret: the environment names a proxy that does.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/registry/remote"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: oras REGISTRY/REPOSITORY TAG")
	}
	if err := pull(context.Background(), os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func pull(ctx context.Context, name, tag string) error {
	from, err := remote.NewRepository(name)
	if err != nil {
		return err
	}
	to := memory.New()
	root, err := oras.Copy(ctx, from, tag, to, tag, oras.DefaultCopyOptions)
	if err != nil {
		return err
	}
	text, err := content.FetchAll(ctx, to, root)
	if err != nil {
		return err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	for _, layer := range m.Layers {
		fmt.Println(layer.Digest, layer.Size)
	}
	return nil
}
