// Package registry has the smaller fake upstreams: generic ones for each way
// of showing a secret, an upstream that reflects everything it is sent, and
// the model services beside the Hub (Civitai, Comfy). Like the Hub they
// refuse what the real ones refuse. Each is a handler to put on an
// origin.Server under a name.
package registry
