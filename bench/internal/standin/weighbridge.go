package standin

import (
	"context"
	"errors"
	"os"
	"runtime/pprof"

	"github.com/rs/zerolog"

	"github.com/weighbridge/weighbridge/config"
	"github.com/weighbridge/weighbridge/internal/bridge"
	"github.com/weighbridge/weighbridge/signer"
)

// Weighbridge serves weighbridge as its command line does, under the CPU
// profiler: for looking into a figure, never for making one. A second profile
// beside the first holds the allocations.
func Weighbridge(ctx context.Context, file, profile string) (err error) {
	loaded, err := config.Load(config.LoadOptions{Path: file, Environ: os.Environ(), Providers: signer.Providers()})
	if err != nil {
		return err
	}
	log := zerolog.New(os.Stderr).Level(zerolog.InfoLevel).With().Timestamp().Logger()
	b, err := bridge.Open(ctx, loaded, bridge.Options{Logger: log, Version: "profiled", Environ: os.Environ()})
	if err != nil {
		return err
	}
	if err := b.Listen(ctx); err != nil {
		return errors.Join(err, b.Close())
	}
	f, err := os.Create(profile)
	if err != nil {
		return errors.Join(err, b.Close())
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(err, b.Close())
	}
	stop := context.AfterFunc(ctx, func() {
		pprof.StopCPUProfile()
		_ = f.Close()
		if m, err := os.Create(profile + ".allocs"); err == nil {
			_ = pprof.Lookup("allocs").WriteTo(m, 0)
			_ = m.Close()
		}
		_ = b.Close()
	})
	defer stop()
	return b.Serve(context.WithoutCancel(ctx))
}
