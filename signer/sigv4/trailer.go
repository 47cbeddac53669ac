package sigv4

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/weighbridge/weighbridge/signer/s3err"
)

const (
	// maxTrailer bounds the whole trailer in bytes. A checksum takes below 120.
	maxTrailer = 2 << 10

	trailerSignature = "x-amz-trailer-signature"
)

// end reads what follows the last chunk, to the end of the body, and verifies
// it: the fields that were announced, each once and no other, their signature,
// their checksums. It returns io.EOF if all of it is good.
//
// Clients differ in the line breaks around it ("\n\r\n" after a field is
// AWS's own description), so empty lines are passed over.
func (c *chunkReader) end() error {
	signature, err := c.readTrailer()
	if err != nil {
		return err
	}
	if c.mode == PayloadChunksTrailer {
		var text strings.Builder
		for _, f := range c.trailers {
			text.WriteString(f.Name + ":" + f.Value + "\n")
		}
		sum := sha256.Sum256([]byte(text.String()))
		if !c.chain.verify("AWS4-HMAC-SHA256-TRAILER", hex.EncodeToString(sum[:]), signature) {
			return errSignature("The signature that we calculated for the trailer does not match the one in the body.", nextOrder)
		}
	}
	for _, k := range c.checks {
		i := slices.IndexFunc(c.trailers, func(f Field) bool { return f.Name == k.name })
		if i < 0 {
			return errTrailer("A checksum that x-amz-trailer announces is missing.")
		}
		want, err := base64.StdEncoding.DecodeString(c.trailers[i].Value)
		if err != nil || len(want) != k.sum.Size() {
			return errTrailer("A checksum in the trailer is not one of its kind in base64.")
		}
		if subtle.ConstantTimeCompare(want, k.sum.Sum(nil)) != 1 {
			return s3err.New(s3err.BadDigest, "The checksum in the trailer does not match the body that arrived.", nextOrder)
		}
	}
	return io.EOF
}

// readTrailer reads the fields into c.trailers, and returns their signature.
func (c *chunkReader) readTrailer() (signature string, err error) {
	for length := 0; ; {
		line, err := c.in.ReadSlice('\n')
		if length += len(line); length > maxTrailer || errors.Is(err, bufio.ErrBufferFull) {
			return "", errTrailer("The trailer is longer than 2 KiB.")
		}
		if err != nil && err != io.EOF {
			return "", cut(err)
		}
		if text := strings.TrimRight(string(line), "\r\n"); text != "" {
			name, value, ok := strings.Cut(text, ":")
			name, value = strings.ToLower(strings.Trim(name, " \t")), strings.Trim(value, " \t")
			switch {
			case !ok:
				return "", errTrailer("The trailer has a line that is no field.")
			case signature != "":
				return "", errTrailer("The trailer goes on behind its signature.")
			case name == trailerSignature && c.mode == PayloadChunksTrailer && value != "":
				signature = value
			case !slices.ContainsFunc(c.checks, func(k check) bool { return k.name == name }),
				slices.ContainsFunc(c.trailers, func(f Field) bool { return f.Name == name }):
				return "", errTrailer("The trailer has a field that x-amz-trailer does not announce, or one twice.")
			default:
				c.trailers = append(c.trailers, Field{name, value})
			}
		}
		if err == io.EOF {
			return signature, nil
		}
	}
}

func errTrailer(message string) *s3err.Error {
	return s3err.New(s3err.MalformedTrailer, message, "")
}
