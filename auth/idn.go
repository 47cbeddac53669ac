package auth

// asciiHost is where a host in a pattern that holds characters outside ASCII
// becomes A-labels (RFC 5891). It refuses them: mapping them by hand would
// make two names of one, and the operator can look the A-label up once. On the
// wire only A-labels are accepted anyway, so nothing is lost but comfort.
func asciiHost(string) (host, mistake, fix string) {
	return "", "has a host with characters outside ASCII", "write the host in its A-label form, such as xn--bcher-kva.example for bücher.example"
}
