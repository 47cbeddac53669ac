package auth

// inScope lets d stand where the key's scope allows the request, and asks for
// the body where only the body tells.
func (s *Snapshot) inScope(k *keyEntry, q *Question, v *sight, d Decision) Decision {
	// On a provider's own host its list counts, whatever kind of credential is
	// put on there: a generic token for the Hub opens the Hub's account too.
	judge := d.Provider
	if p := s.hosts.owner(q.Target.Host); p != nil {
		judge = p.Provider
	}
	var class Class
	if v.named != nil {
		class = v.named.Class
		if p := s.hosts.owner(q.Target.Host); p != nil {
			class = worse(class, s.classify(q, v, judge))
		}
	} else {
		class = s.classify(q, v, judge)
	}
	if q.Write {
		class = worse(class, ClassWrite)
	}
	if class == ClassBody {
		if !q.HasBody {
			d.Outcome, d.NeedBody = Deny, true
			d.Code, d.Reason = CodeScopeForbidden, "the body of the request says whether it is a read; it must be looked at first"
			return d
		}
		class = s.classifyBody(q, v, judge)
	}
	if class == ClassRead {
		return d
	}
	what := q.Method + " " + q.Target.name()
	refuse := func(reason, next string) Decision {
		d.Outcome, d.Code, d.Reason, d.Next = Deny, CodeScopeForbidden, reason, next
		d.Companion, d.Signed, d.KeepBearer = false, false, false
		return d
	}
	switch {
	case class != ClassWrite:
		return refuse(what+" is refused for every scope: it is an account endpoint, or a request that cannot be told to be a download", nextNoScope)
	case q.Identity.ViaURLKey:
		return refuse(what+" is a write, or mints write power, and a URL key may only read", nextURLKey)
	case k.record.Scope != ScopeWrite || q.Identity.Scope != ScopeWrite:
		return refuse(what+" is a write, or mints write power, and the API key "+quote(k.record.Name)+" has scope read", "")
	}
	return d
}

// The next steps of scope_forbidden where a key with scope write, which the
// code's own next step speaks of, would not help.
const (
	nextNoScope = "No key of any scope is let through here. Downloads need no such request: leave it out, or send it to the upstream directly, with a token of your own."
	nextURLKey  = "A URL key reads and nothing else, whatever the scope of its API key. Where something must be written, send an API key of scope write itself."
)

// classify asks the provider what the request would do. It sees the path in
// canonical spelling, so that no escape hides an endpoint from it; where the
// path has a second reading the worse of the two answers counts.
func (s *Snapshot) classify(q *Question, v *sight, p Provider) Class {
	if p == nil {
		return classifyMethod(q.Method)
	}
	t := v.Target
	t.Path = canonicalPath(t.Path)
	class := p.Classify(q.Method, t)
	if v.other == "" {
		return class
	}
	t.Path = canonicalPath(v.other)
	return worse(class, p.Classify(q.Method, t))
}

// classifyMethod is the rule for hosts of no provider: the safe methods of
// RFC 9110, section 9.2.1, without TRACE, are reads, everything else writes.
func classifyMethod(method string) Class {
	switch method {
	case "GET", "HEAD", "OPTIONS":
		return ClassRead
	}
	return ClassWrite
}

// worse is the class that fewer keys may use. A body that counts in one
// reading only cannot be judged.
func worse(a, b Class) Class {
	if a != b && (a == ClassBody || b == ClassBody) {
		return ClassForbidden
	}
	return min(a, b)
}

// classifyBody asks the provider by the body. A provider that wants a body
// and cannot judge one, and a body that is too long, are refused.
func (s *Snapshot) classifyBody(q *Question, v *sight, p Provider) Class {
	b, ok := p.(BodyClassifier)
	if !ok || len(q.Body) > MaxClassifyBody {
		return ClassForbidden
	}
	t := v.Target
	t.Path = canonicalPath(t.Path)
	class := b.ClassifyBody(q.Method, t, q.ContentEncoding, q.Body)
	if v.other != "" {
		t.Path = canonicalPath(v.other)
		class = worse(class, b.ClassifyBody(q.Method, t, q.ContentEncoding, q.Body))
	}
	if class == ClassBody {
		return ClassForbidden
	}
	return class
}
