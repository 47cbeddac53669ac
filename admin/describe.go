package admin

import (
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// bearer is the name of the one way to say who calls.
const bearer = "bearer"

// describe completes the document by what holds for every operation: what it
// takes to call it, the team it is about, and the one shape of its errors. It
// is said once, in the table of authorizations, and so is never wrong here.
func (a *API) describe() {
	doc := a.doc.OpenAPI()
	doc.Info.Description = "The administrative side of weighbridge. Callers show an access token (wbt_…) or the JWT of a session as a " +
		"bearer token; over admin.sock in the data directory they need neither. Whatever belongs to another team is not found."
	doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{bearer: {
		Type: "http", Scheme: "bearer", Description: "An access token (wbt_…), or the JWT of a session.",
	}}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				describe(doc, op)
			}
		}
	}
}

var problemType = reflect.TypeFor[Problem]()

func describe(doc *huma.OpenAPI, op *huma.Operation) {
	n := authorizations[op.OperationID]
	statuses := []int{http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusServiceUnavailable}
	if n != needNobody {
		op.Security = []map[string][]string{{bearer: {}}}
		statuses = append(statuses, http.StatusUnauthorized, http.StatusForbidden)
	}
	if op.RequestBody != nil {
		statuses = append(statuses, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if n.ofTeam() {
		statuses = append(statuses, http.StatusNotFound)
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: teamHeader, In: "header", Schema: &huma.Schema{Type: "string", Format: "uuid"},
			Description: "The team that the request is about, by id. A user must say it; an access token is of one team, and whatever is sent with it is ignored.",
		})
	}
	op.Description += "Takes: " + n.words() + "."
	face := doc.Components.Schemas.Schema(problemType, true, "")
	problem := func() *huma.MediaType { return &huma.MediaType{Schema: face} }
	for _, status := range statuses {
		code := strconv.Itoa(status)
		if op.Responses[code] == nil {
			op.Responses[code] = &huma.Response{Description: http.StatusText(status), Content: map[string]*huma.MediaType{"application/problem+json": problem()}}
		}
	}
	// The server's own answer, before a request is one: its shape is not ours.
	op.Responses[strconv.Itoa(http.StatusRequestHeaderFieldsTooLarge)] = &huma.Response{
		Description: "The request line and the header have more than 32 KiB.",
		Content:     map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: "string"}}},
	}
	op.Responses["default"] = &huma.Response{Description: "Error", Content: map[string]*huma.MediaType{"application/problem+json": problem()}}
}

// words say what n is, for people.
func (n need) words() string {
	if n&inPerson != 0 {
		return (n &^ inPerson).words() + "; no access token"
	}
	switch n {
	case needNobody:
		return "no caller"
	case needCaller:
		return "any caller"
	case needSession:
		return "a user in person"
	case needViewer, needMember:
		return "the role " + string(n.role()) + " in the team, or more"
	case needOwner:
		return "the role owner in the team"
	case needOperator:
		return "who runs weighbridge: an owner of the default team, or admin.sock"
	case needSocket:
		return "admin.sock"
	default:
		return "nobody"
	}
}
