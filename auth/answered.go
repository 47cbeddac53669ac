package auth

// Answered is what an upstream said when it was asked for the first byte of a
// URL. It holds no secret and no query but that of Location.
type Answered struct {
	// Failure says why there is no answer; Status is zero then.
	Failure string
	Status  int
	// Words are the upstream's own, of an answer that refuses.
	Words       string
	ContentType string
	// Size is that of the whole, -1 where the answer does not tell it.
	Size int64
	// Location is where a redirect leads, an absolute URL. It may be signed, and
	// so is not to be shown with its query.
	Location string
}
