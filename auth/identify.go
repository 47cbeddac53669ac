package auth

import "time"

// Identify finds the key by its hash. The error is *Error with
// CodeKeyInvalid, CodeKeyExpired or CodeKeyRevoked. With the latter two the
// identity says whose key it was, for the record; every decision about it is a
// denial.
func (s *Snapshot) Identify(h KeyHash, now time.Time) (Identity, error) {
	k := s.byHash[h]
	if k == nil {
		var err error
		if k, err = previous(s.byOldHash[h], "API key", now); err != nil {
			return Identity{}, err
		}
	}
	return identify(k, "API key", now)
}

// previous is k where the secret before its last one still stands. The error
// comes without an identity: whoever holds an old secret is nobody.
func previous(k *keyEntry, what string, now time.Time) (*keyEntry, error) {
	if k == nil || now.Before(k.record.Previous.Until) {
		return k, nil
	}
	return nil, NewError(CodeKeyInvalid, "the presented "+what+" is an old secret of "+quote(k.record.Name)+", which ended at "+k.record.Previous.Until.UTC().Format(time.RFC3339), nil)
}

// IdentifyURLKey is Identify by the hash of a URL key. Whatever the scope of
// its API key, the identity may only read.
func (s *Snapshot) IdentifyURLKey(h KeyHash, now time.Time) (Identity, error) {
	k := s.byURLHash[h]
	if k == nil {
		var err error
		if k, err = previous(s.byOldURLHash[h], "URL key", now); err != nil {
			return Identity{}, err
		}
	}
	id, err := identify(k, "URL key", now)
	id.ViaURLKey = err == nil
	return id, err
}

// IdentifyID finds a key by its id: sealed boxes and default keys name keys so.
// An S3 access key is not found so: what it may touch is known to the S3
// protocol alone.
func (s *Snapshot) IdentifyID(keyID string, now time.Time) (Identity, error) {
	k := s.keys[keyID]
	if k != nil && k.record.S3 != nil {
		return Identity{}, NewError(CodeKeyInvalid, quote(k.record.Name)+" is an S3 access key, which is presented by signing requests and in no other way", nil)
	}
	return identify(k, "API key", now)
}

// Knows reports whether there is a key with this id, whatever its status.
func (s *Snapshot) Knows(keyID string) bool { return s.keys[keyID] != nil }

func identify(k *keyEntry, what string, now time.Time) (Identity, error) {
	if k == nil {
		return Identity{}, NewError(CodeKeyInvalid, "the presented "+what+" is not known", nil)
	}
	if e := k.refusal(now); e != nil {
		return Identity{TeamID: k.record.TeamID, KeyID: k.record.ID, KeyName: k.record.Name}, e
	}
	scope := k.record.Scope
	if scope == "" {
		scope = ScopeRead
	}
	return Identity{
		TeamID: k.record.TeamID, KeyID: k.record.ID, KeyName: k.record.Name,
		Scope: scope, key: k,
	}, nil
}

// refusal is why k may not be used at now, or nil.
func (k *keyEntry) refusal(now time.Time) *Error {
	switch k.record.Status(now) {
	case "active":
		return nil
	case "expired":
		return NewError(CodeKeyExpired, "the API key "+quote(k.record.Name)+" expired at "+k.record.ExpiresAt.UTC().Format(time.RFC3339), nil)
	default:
		return NewError(CodeKeyRevoked, "the API key "+quote(k.record.Name)+" was revoked at "+k.record.RevokedAt.UTC().Format(time.RFC3339), nil)
	}
}

// caller finds the key of id in s, and checks it again: an identity may be
// older than s, and its key may have ended since.
func (s *Snapshot) caller(id *Identity, now time.Time) (*keyEntry, *Error) {
	if now.IsZero() {
		return nil, NewError(CodeInternal, "the time of the request is not known, so nothing can be checked against it", nil)
	}
	k := id.key
	if k == nil || k.snapshot != s {
		if id.KeyID == "" {
			return nil, NewError(CodeKeyMissing, "no API key was presented", nil)
		}
		if k = s.keys[id.KeyID]; k == nil || k.record.TeamID != id.TeamID {
			return nil, NewError(CodeKeyInvalid, "the API key "+quote(id.KeyName)+" does not exist any more", nil)
		}
	}
	if e := k.refusal(now); e != nil {
		return nil, e
	}
	return k.ready(), nil
}
