// Package box seals a URL into an opaque token that a worker can carry but
// neither read nor change: what a sealed URL of ours, /.weighbridge/s/<box>,
// consists of.
package box
