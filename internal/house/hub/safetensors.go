package hub

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/weighbridge/weighbridge/internal/house/origin"
)

// Tensor is one tensor of F32 values for Safetensors.
type Tensor struct {
	Name  string
	Shape []int
}

// Safetensors builds a real safetensors file (its format specification: eight
// bytes of little-endian header length, a JSON header padded with spaces to a
// multiple of eight, then the data without gaps in the order of the header).
// The values are small random numbers, the same for the same seed.
func Safetensors(seed uint64, tensors ...Tensor) (origin.Content, error) {
	var header bytes.Buffer
	header.WriteString(`{"__metadata__":{"format":"pt"}`)
	end := 0
	for _, t := range tensors {
		n := 4
		for _, d := range t.Shape {
			n *= d
		}
		row, err := json.Marshal(map[string]any{"dtype": "F32", "shape": t.Shape, "data_offsets": []int{end, end + n}})
		if err != nil {
			return nil, fmt.Errorf("describing tensor %s: %w", t.Name, err)
		}
		name, err := json.Marshal(t.Name)
		if err != nil {
			return nil, fmt.Errorf("naming tensor %s: %w", t.Name, err)
		}
		fmt.Fprintf(&header, ",%s:%s", name, row)
		end += n
	}
	header.WriteByte('}')
	for header.Len()%8 != 0 {
		header.WriteByte(' ')
	}
	out := make([]byte, 0, 8+header.Len()+end)
	out = binary.LittleEndian.AppendUint64(out, uint64(header.Len()))
	out = append(out, header.Bytes()...)
	values := rand.New(rand.NewPCG(seed, 0))
	for range end / 4 {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits((values.Float32()-0.5)/16))
	}
	return origin.Bytes(out), nil
}
