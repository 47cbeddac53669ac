package admin

// CodeDoc documents a code of the admin API.
type CodeDoc struct {
	Code    string
	Status  string // one or several
	Meaning string
}

// Codes are the codes of the admin API's problems, beside those of auth.Codes
// that it shares with the proxy. What to do about one stands in the answer.
func Codes() []CodeDoc {
	return []CodeDoc{
		{codeTokenRoute, "403", "The access token is bound to a route that the path does not begin with."},
		{"conflict", "409", "It does not fit what is there: something was changed meanwhile, or would lose what it needs."},
		{"credential_revoked", "409", "The credential was revoked, which is final."},
		{"exists", "409", "The name, the address or the value is taken."},
		{"forbidden", "403", "The caller's role, or its kind, may not do this."},
		{"idempotency_mismatch", "422", "Another request was sent under the same Idempotency-Key."},
		{"idempotency_running", "409", "The same request, under the same Idempotency-Key, is still under way."},
		{"idempotency_unknown", "409", "The first try under this Idempotency-Key was cut off, or its answer could not be kept: nobody knows how far it came."},
		{"invalid", "422, 400", "A value is missing or not valid; errors names the places."},
		{"key_revoked", "409", "The key was revoked, which is final."},
		{"method_not_allowed", "405", "The path takes other methods; the field Allow lists them."},
		{"no_authority", "409", "This weighbridge has no root of its own to rotate."},
		{"not_acceptable", "406", "There is no answer in a form that the field Accept allows."},
		{"not_found", "404", "It is not there, or it belongs to another team."},
		{"oidc_unavailable", "503, 404", "No OpenID provider is configured, or it cannot be asked now."},
		{codeOutcomeUnknown, "503", "The store broke off while it was made durable: it may have been done. Look before you send it again."},
		{"password_refused", "422", "The new password is too short, too long or too well known."},
		{"precondition_failed", "412", "The thing is not in the state that If-Match or If-None-Match asks for."},
		{"read_only", "409", "It comes from the configuration file and is changed there."},
		{"refresh_raced", "409", "The refresh token was used by another window this moment; what that one was given counts."},
		{"reserved", "409", "The name, or the provider, is set aside for an operation of its own."},
		{"secret_required", "409", "A change that lets a secret reach a new host has to carry the secret."},
		{"session_ended", "401", "The session has ended, or is not known."},
		{"setup_invalid", "401", "The secret of the first-run link is another, too old, or was used."},
		{"sign_in_failed", "401, 403", "E-mail address and password do not belong together, or the user may not sign in."},
		{"team_required", "400", "The operation is about one team, and X-Team-ID does not name it."},
		{"token_invalid", "401", "The access token is not known, has expired, or its user is disabled or has left the team."},
		{"too_large", "413", "The body is longer than the operation takes."},
		{"too_many_requests", "429", "Something is asked for too often."},
		{codeTooManyStreams, "429", "The caller follows as many streams as it may at a time."},
		{"unauthenticated", "401", "The request does not say who calls."},
		{"unavailable", "503", "The store, or what is asked, is out of reach now. Nothing was changed."},
		{"unsupported_media_type", "415", "The body is not of a type that the operation takes."},
		{"validation_failed", "409", "The upstream did not take the new secret; the old one goes on."},
		{"wrong_credential", "401", "An API key or an S3 access key, which are of the proxy, was shown to the API."},
	}
}
