// Package origin is the ground of every fake upstream of the test kit: one TLS
// listener on loopback that serves many host names, each with a certificate
// of its own name from a private root, and that records every request as it
// arrived.
//
// It verifies what a real upstream cannot: that the server name of the TLS
// handshake and the Host of every request inside agree, and that a signed URL
// came back byte for byte. It knows no product, no provider and no testing
// package, so that `weighbridge demo` can use it as well as any test.
package origin
