// Package config is weighbridge's configuration: one documented struct,
// [Config], read from a YAML file, the environment and the command line, in
// that order of growing strength.
//
// Loading is strict. An unknown key, a wrong type, a value out of range or a
// name that nothing bears is a mistake, and every mistake is reported at once
// with its place: file, line and column, or the variable, or the flag. A
// configuration with a mistake is not used at all.
//
// The package knows no provider by name: what a provider's fields are called
// arrives as data ([auth.Schema]). It opens no listener and no store; it reads
// the configuration file and the files that hold secrets, nothing else.
package config
