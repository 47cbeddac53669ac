package openid

import (
	"encoding/asn1"
	"math/big"
)

// rawSignature is an ECDSA signature as JWS has it (RFC 7518, section 3.4): r
// and s of 32 bytes each.
func rawSignature(der []byte) []byte {
	var v struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &v); err != nil {
		panic(err)
	}
	out := make([]byte, 64)
	v.R.FillBytes(out[:32])
	v.S.FillBytes(out[32:])
	return out
}
