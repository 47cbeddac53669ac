package wire

import (
	"context"
	"net"
	"time"
)

// TunnelOptions of one blind tunnel.
type TunnelOptions struct {
	Buffers *Buffers
	// Idle ends the tunnel after no byte moved in either direction. Default
	// 10 min.
	Idle time.Duration
	// OnProgress is told of bytes moved since its last call, from either of
	// two goroutines.
	OnProgress func(up, down int64)
}

// Tunnel copies bytes blindly between a worker and an upstream until both
// directions ended, one failed, or ctx ended (then both are reset). It closes
// neither connection otherwise; up and down are the bytes moved.
func Tunnel(ctx context.Context, worker, upstream net.Conn, o TunnelOptions) (up, down int64, err error) {
	panic("being written")
}
