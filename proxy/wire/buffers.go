package wire

// DefaultBudget is how much memory the full-size buffers of all streams
// together may take, in bytes.
const DefaultBudget = 64 << 20

// Buffers lends the buffers of streaming bodies: pooled, and under a budget
// beyond which streams get smaller ones. All methods may be used by any
// number of goroutines.
type Buffers struct{}

// NewBuffers makes a pool with a budget in bytes; zero or less means
// DefaultBudget.
func NewBuffers(budget int64) *Buffers { return &Buffers{} }

// Lent is the number of bytes that are lent at the moment. It is zero when
// nothing streams.
func (b *Buffers) Lent() int64 { panic("being written") }
