//go:build !linux

package wire

import "errors"

type pipe struct{}

type splicer struct{ turn *turn }

var errNoSplice = errors.New("wire: splice is not supported here")

func newSplicer(_, _ *Conn, _ *Buffers) *splicer { return nil }

func (s *splicer) close() {}

func (s *splicer) step(int64) (int64, bool, error) { return 0, true, errNoSplice }
