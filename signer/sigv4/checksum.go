package sigv4

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"hash/crc32"
	"hash/crc64"
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	// nvme is the reversed polynomial of CRC-64/NVME (NVM Express, NVM Command
	// Set Specification, "64b CRC Polynomials"), S3's default since 2024.
	nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)
)

// newChecksum makes the checksum that the trailer name carries, or nil
// (Amazon S3 User Guide, "Checking object integrity").
func newChecksum(name string) hash.Hash {
	switch name {
	case "x-amz-checksum-crc32":
		return crc32.NewIEEE()
	case "x-amz-checksum-crc32c":
		return crc32.New(castagnoli)
	case "x-amz-checksum-crc64nvme":
		return crc64.New(nvme)
	case "x-amz-checksum-sha1":
		return sha1.New()
	case "x-amz-checksum-sha256":
		return sha256.New()
	case "x-amz-checksum-sha512":
		return sha512.New()
	}
	return nil
}
