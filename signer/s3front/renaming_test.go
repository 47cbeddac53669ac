package s3front

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/weighbridge/weighbridge/auth"
)

func TestListingsAreInTheWorkersWords(t *testing.T) {
	n := renaming{bucket: "models", alias: "sdx", hidden: "sd/x&l/", resource: "/sdx/k&1"}
	in := `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>models</Name><Prefix>sd/x&amp;l/</Prefix><StartAfter>sd/x&#38;l/a</StartAfter><Marker/>
<Contents><Key>sd/x&#x26;l/k&lt;1</Key><ETag>"e"</ETag><Owner><ID>sd/x&amp;l/</ID></Owner></Contents><CommonPrefixes><Prefix>sd/x&amp;l/d/</Prefix></CommonPrefixes></ListBucketResult>`
	want := `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>sdx</Name><Prefix></Prefix><StartAfter>a</StartAfter><Marker/>
<Contents><Key>k&lt;1</Key><ETag>"e"</ETag><Owner><ID>sd/x&amp;l/</ID></Owner></Contents><CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes></ListBucketResult>`
	var out bytes.Buffer
	if err := n.copy(&out, iotest.OneByteReader(strings.NewReader(in))); err != nil || out.String() != want {
		t.Errorf("%v\n got %s\nwant %s", err, out.String(), want)
	}
	for name, c := range map[string]struct{ in, want string }{
		"another key":   {"<Key>xl/k</Key>", ""},
		"a comment":     {"<!-- <Key> --><Key>sd/x&amp;l/k</Key>", ""},
		"no end":        {"<Key>sd/", ""},
		"location":      {"<Location>https://storage/models/sd/x&amp;l/k</Location>", "<Location>/sdx/k&amp;1</Location>"},
		"other buckets": {"<Bucket>other</Bucket>", "<Bucket>other</Bucket>"},
		"a large text":  {"<Data>" + strings.Repeat("x", 100_000) + "</Data>", "<Data>" + strings.Repeat("x", 100_000) + "</Data>"},
	} {
		out.Reset()
		err := n.copy(&out, strings.NewReader(c.in))
		if c.want == "" && err == nil || c.want != "" && (err != nil || out.String() != c.want) {
			t.Errorf("%s: %.200q %v", name, out.String(), err)
		}
	}
	n.encoded = true
	out.Reset()
	if err := n.copy(&out, strings.NewReader("<Key>sd%2Fx%26l%2Fk%201</Key>")); err != nil || out.String() != "<Key>k%201</Key>" {
		t.Errorf("%q %v", out.String(), err)
	}
	n.failed = true
	out.Reset()
	if err := n.copy(&out, strings.NewReader("<Error><Code>NoSuchKey</Code><Key>somewhere/else</Key><Resource>/models/sd</Resource></Error>")); err != nil ||
		out.String() != "<Error><Code>NoSuchKey</Code><Key></Key><Resource>/sdx/k&amp;1</Resource></Error>" {
		t.Errorf("%q %v", out.String(), err)
	}
	cut := errors.New("cut")
	if err := n.copy(&out, iotest.ErrReader(cut)); !errors.Is(err, cut) {
		t.Errorf("%v", err)
	}
}

func TestWhichAnswersAreRenamed(t *testing.T) {
	y := newYard(t)
	for _, c := range []struct {
		ask         ask
		status      int
		contentType string
		want        bool
	}{
		{ask{key: "alias", uri: "/sdx?list-type=2"}, 200, "application/xml", true},
		{ask{key: "alias", uri: "/mod?list-type=2"}, 200, "text/xml; charset=utf-8", true},
		{ask{key: "alias", uri: "/models?list-type=2"}, 200, "application/xml", false},
		{ask{key: "alias", uri: "/sdx/k.xml"}, 200, "application/xml", false},
		{ask{key: "alias", uri: "/sdx/k.xml"}, 404, "application/xml", true},
		{ask{key: "alias", method: "HEAD", uri: "/sdx/k.xml"}, 404, "application/xml", false},
		{ask{key: "alias", uri: "/sdx/k.xml"}, 404, "text/html", false},
	} {
		e, err := y.enter(c.ask)
		if err != nil {
			t.Fatal(err)
		}
		h := header{"Content-Type": c.contentType, "Location": "https://storage/"}
		method := c.ask.method
		if method == "" {
			method = "GET"
		}
		body, err := e.Rewrite(&auth.Answer{Request: auth.Asked{Method: method}, Status: c.status, Header: h})
		if err != nil || (body != nil) != c.want || h["Location"] != "" {
			t.Errorf("%s %s %d: %v %v", c.ask.method, c.ask.uri, c.status, body != nil, err)
		}
	}
}
