package admin

// Once is the client with a key under which what it sends happens once,
// however often it is sent (Idempotency-Key).
func (c *Client) Once(key string) *Client {
	once := *c
	once.once = key
	return &once
}

// ETag is the client that puts the ETag of each answer into to: the state of
// the thing that the answer shows, empty where it shows none.
func (c *Client) ETag(to *string) *Client {
	seen := *c
	seen.etag = to
	return &seen
}

// IfMatch is the client for changes of a thing that was seen in the state of an
// ETag: where somebody else has changed it since, they are refused with 412
// (RFC 9110, section 13.1.1). Empty is any state.
func (c *Client) IfMatch(etag string) *Client {
	only := *c
	only.match = etag
	return &only
}
