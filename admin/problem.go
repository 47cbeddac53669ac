package admin

import (
	"errors"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weighbridge/weighbridge/auth"
	"github.com/weighbridge/weighbridge/store"
)

// Problem is every error of the API: RFC 9457 problem details with our stable
// code and the next step. It never quotes a value that was sent: a refused
// body may hold a secret.
type Problem struct {
	Type   string `json:"type" doc:"A URN of the code (RFC 9457, section 3.1.1)."`
	Title  string `json:"title" doc:"The HTTP status in words."`
	Status int    `json:"status" doc:"The HTTP status code."`
	Code   string `json:"code" doc:"The stable code of the problem."`
	Detail string `json:"detail" doc:"What is wrong, naming the thing and the value at fault."`
	Next   string `json:"next,omitempty" doc:"What to do about it."`
	Errors []Flaw `json:"errors,omitempty" doc:"Each mistake in the request."`
	// RetryAfter is in how many seconds to ask again, where the answer's field of
	// that name says it (RFC 9110, section 10.2.3). A Client reads it; it is not
	// in the body.
	RetryAfter int `json:"-"`
}

// Flaw is one mistake in a request.
type Flaw struct {
	Location string `json:"location,omitempty" doc:"Where it is, such as body.name."`
	Message  string `json:"message" doc:"What is wrong."`
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter (RFC 9457, section 3).
func (p *Problem) ContentType(string) string { return "application/problem+json" }

var _ huma.StatusError = (*Problem)(nil)

// huma's own model quotes the offending value, which may be a secret, so its
// constructor is replaced once, before any API is made.
func init() {
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		p := &Problem{Type: problemURN + statusCode(status), Title: http.StatusText(status), Status: status, Code: statusCode(status), Detail: msg}
		for _, err := range errs {
			var d huma.ErrorDetailer
			switch {
			case err == nil:
			case errors.As(err, &d):
				p.Errors = append(p.Errors, Flaw{Location: d.ErrorDetail().Location, Message: d.ErrorDetail().Message})
			default:
				// A decoder's error may quote the input; its kind is enough.
				p.Errors = append(p.Errors, Flaw{Message: "the value cannot be read"})
			}
		}
		if len(p.Errors) > 0 {
			flaws := make([]string, len(p.Errors))
			for i, f := range p.Errors {
				flaws[i] = strings.TrimPrefix(f.Location+": ", ": ") + f.Message
			}
			p.Detail = msg + ": " + strings.Join(flaws, "; ")
		}
		return p
	}
}

func statusCode(status int) string {
	switch status {
	case http.StatusNotFound:
		return "not_found"
	case http.StatusConflict:
		return "conflict"
	case http.StatusUnprocessableEntity, http.StatusBadRequest:
		return "invalid"
	case http.StatusUnauthorized:
		return "unauthenticated"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusMethodNotAllowed:
		return "method_not_allowed"
	case http.StatusNotAcceptable:
		return "not_acceptable"
	case http.StatusPreconditionFailed:
		return "precondition_failed"
	case http.StatusTooManyRequests:
		return "too_many_requests"
	case http.StatusUnsupportedMediaType:
		return "unsupported_media_type"
	case http.StatusRequestEntityTooLarge:
		return "too_large"
	case http.StatusServiceUnavailable:
		return "unavailable"
	default:
		return "internal"
	}
}

// problemURN begins the type of every problem, which its code ends.
const problemURN = "urn:weighbridge:error:"

func problem(status int, code, detail, next string) *Problem {
	return &Problem{Type: problemURN + code, Title: http.StatusText(status), Status: status, Code: code, Detail: detail, Next: next}
}

func invalid(location, message, next string) *Problem {
	p := problem(http.StatusUnprocessableEntity, "invalid", strings.TrimPrefix(location, "body.")+": "+message, next)
	p.Errors = []Flaw{{Location: location, Message: message}}
	return p
}

// invalidFields says of each field of a credential what is wrong with it, where
// err knows, and quotes no value.
func invalidFields(err error) *Problem {
	p := invalid("body.fields", err.Error(), "")
	if e, ok := err.(interface {
		All() iter.Seq2[string, string]
	}); ok {
		p.Errors = nil
		for field, message := range e.All() {
			p.Errors = append(p.Errors, Flaw{Location: "body.fields." + field, Message: message})
		}
	}
	return p
}

// past refuses an end that has gone by.
func past(t time.Time) *Problem {
	return invalid("body.expires_at", t.UTC().Format(time.RFC3339)+" lies in the past", "Give a time to come.")
}

// badPattern says what is wrong with a pattern or route, which is written by
// an operator and quoted by the error as far as it may be shown.
func badPattern(location string, err error) *Problem {
	var ae *auth.Error
	if errors.As(err, &ae) {
		return invalid(location, ae.Reason, ae.Next)
	}
	return invalid(location, err.Error(), "")
}

// public maps an error of the layers below to its public face. What it does
// not know is an internal error of which nothing is shown; that, and what the
// store cannot do now, goes to the log, at which the answer points.
func (a *API) public(err error) error {
	face := faceOf(err)
	if p, ok := face.(*Problem); ok && p.Status >= http.StatusInternalServerError && a.o.Log != nil {
		a.o.Log(err)
	}
	return face
}

// problemOf is public as what is written.
func (a *API) problemOf(err error) *Problem {
	var p *Problem
	if !errors.As(a.public(err), &p) {
		p = problem(http.StatusInternalServerError, "internal", "an internal error", "Look at the log of weighbridge.")
	}
	return p
}

// codeOutcomeUnknown says that an act may have been done.
const codeOutcomeUnknown = "outcome_unknown"

// faceOf is what callers are told of err, whose cause may be private.
func faceOf(err error) error {
	var p *Problem
	var ae *auth.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		return p
	case errors.Is(err, store.ErrNotFound):
		return problem(http.StatusNotFound, "not_found", err.Error(), "List what there is with `weighbridge credential list` or `weighbridge key list`.")
	case errors.Is(err, store.ErrExists):
		return problem(http.StatusConflict, "exists", err.Error(), "Choose another name, or update the existing one.")
	case errors.Is(err, store.ErrReadOnly):
		return problem(http.StatusConflict, "read_only", err.Error(), "It comes from the configuration file: change it there and reload.")
	case errors.Is(err, store.ErrConflict):
		return ofStore(http.StatusConflict, "conflict", err, "Look at what there is now, and decide again.")
	case errors.Is(err, store.ErrInvalid):
		return ofStore(http.StatusUnprocessableEntity, "invalid", err, "Correct what it names, and send it again.")
	case errors.Is(err, store.ErrUnknown):
		return problem(http.StatusServiceUnavailable, codeOutcomeUnknown, err.Error(), "Look whether it is done before you send it again.")
	case errors.Is(err, store.ErrUnavailable):
		return problem(http.StatusServiceUnavailable, "unavailable", err.Error(), "Nothing was changed. Look at the log of weighbridge.")
	case errors.As(err, &ae):
		return problem(ae.HTTPStatus(), string(ae.Code), ae.Reason, ae.NextStep())
	default:
		return problem(http.StatusInternalServerError, "internal", "an internal error", "Look at the log of weighbridge.")
	}
}

// ofStore is a problem of which the store says what it is and, as some do, what
// to do about it; next where it does not.
func ofStore(status int, code string, err error, next string) *Problem {
	detail := err.Error()
	if e, ok := errors.AsType[*store.Error](err); ok && e.Next != "" {
		if what, whole := strings.CutSuffix(detail, "; "+e.Next); whole {
			detail, next = what, strings.ToUpper(e.Next[:1])+e.Next[1:]+"."
		}
	}
	return problem(status, code, detail, next)
}
