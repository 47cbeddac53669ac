package s3err

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/weighbridge/weighbridge/auth"
)

func TestAppendXML(t *testing.T) {
	e := &Error{Code: AuthHeaderMalformed, Message: "The region is <wrong> & \"odd\".", Next: "Sign for the region.", Region: "eu-west-1", Cause: errors.New("a private cause")}
	got := string(AppendXML([]byte("before"), e, Where{Resource: "/b/a\x00<k>?X-Amz-Signature=s", RequestID: "req", HostID: "host"}))
	want := `before<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<Error><Code>AuthorizationHeaderMalformed</Code><Message>The region is &lt;wrong&gt; &amp; &#34;odd&#34;. Sign for the region.</Message>` +
		`<Region>eu-west-1</Region><Resource>/b/a` + "\uFFFD" + `&lt;k&gt;</Resource><RequestId>req</RequestId><HostId>host</HostId></Error>`
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	var doc struct {
		XMLName                                    xml.Name `xml:"Error"`
		Code, Message, Resource, RequestId, HostId string
	}
	if err := xml.Unmarshal([]byte(strings.TrimPrefix(got, "before")), &doc); err != nil || doc.Code != "AuthorizationHeaderMalformed" {
		t.Errorf("%+v, %v", doc, err)
	}
	if got := string(AppendXML(nil, New(NoSuchKey, "m", ""), Where{})); strings.Contains(got, "Region") || !strings.Contains(got, "<Message>m</Message>") {
		t.Error(got)
	}
}

func TestEveryCodeHasAStatus(t *testing.T) {
	for code, status := range statuses {
		if got := New(code, "", "").HTTPStatus(); got != status || http.StatusText(status) == "" || status < 400 {
			t.Errorf("%s: %d", code, got)
		}
	}
	if got := New("NoSuchCode", "", "").HTTPStatus(); got != 500 {
		t.Errorf("an unknown code: %d", got)
	}
	if got := (&Error{Code: AccessDenied, Status: 405}).HTTPStatus(); got != 405 {
		t.Errorf("a status of its own: %d", got)
	}
}

// Every code of the house has a meaning in S3's words, with what a client
// should do preserved: retry 5xx, give up on 4xx.
func TestAs(t *testing.T) {
	if As(nil) != nil {
		t.Error("nil is an error")
	}
	inner := New(InvalidURI, "m", "n")
	if got := As(fmt.Errorf("x: %w", auth.NewError(auth.CodeBadTarget, "r", inner))); got != inner {
		t.Errorf("%v", got)
	}
	if got := As(io.ErrUnexpectedEOF); got.Code != InternalError || strings.Contains(got.Error(), "EOF") || !errors.Is(got, io.ErrUnexpectedEOF) {
		t.Errorf("%v", got)
	}
	for _, info := range auth.Codes() {
		e := auth.NewError(info.Code, "the reason", errors.New("the private cause"))
		got := As(e)
		status := got.HTTPStatus()
		if status == 401 || status == 407 || status/100 != e.HTTPStatus()/100 {
			t.Errorf("%s: status %d", info.Code, status)
		}
		if _, known := statuses[got.Code]; !known || (got.Code == InternalError) != (info.Code == auth.CodeInternal) {
			t.Errorf("%s: code %s", info.Code, got.Code)
		}
		if doc := string(AppendXML(nil, got, Where{})); !strings.Contains(doc, "the reason") || strings.Contains(doc, "private cause") || !errors.Is(got, e) {
			t.Errorf("%s: %s", info.Code, doc)
		}
	}
}
