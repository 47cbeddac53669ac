package signer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"

	"golang.org/x/oauth2/google"

	"github.com/weighbridge/weighbridge/auth"
)

var _ prober = gcs{}

// asks asks Google for a token, and then for an object of each pattern, which
// need not exist.
func (p gcs) asks(*auth.Inquiry) (string, string) { return google.JWTTokenURL, "" }

// sensitive implements discerning: of the file the key, and not the words that
// are in every such file.
func (gcs) sensitive(f auth.Fields) []auth.Secret {
	var file struct {
		Key string `json:"private_key"`
		ID  string `json:"private_key_id"`
	}
	if json.Unmarshal([]byte(f["serviceAccountJson"].Reveal()), &file) != nil {
		return []auth.Secret{f["serviceAccountJson"]}
	}
	out := []auth.Secret{auth.NewSecret(file.ID)}
	if block, _ := pem.Decode([]byte(file.Key)); block != nil {
		out = append(out, auth.NewSecret(base64.StdEncoding.EncodeToString(block.Bytes)))
	}
	return out
}

func (p gcs) places(q *auth.Inquiry) []place {
	list := placeList{of: p, c: &q.Credential}
	list.want(q.Resource)
	for _, text := range q.Credential.Patterns {
		pattern, err := auth.ParsePattern(text)
		if err != nil {
			continue
		}
		bucket, rest, _ := strings.Cut(strings.TrimPrefix(pattern.Path(), "/"), "/")
		of, inHost := strings.CutSuffix(pattern.Host(), "."+gcsHost)
		switch {
		case inHost && !strings.Contains(of, "*"):
		case strings.Contains(bucket, "*"), rest == "", contains(gcsReserved, bucket):
			continue // no bucket, or none of the XML API
		}
		to, exact := somewhere(pattern)
		if to != "" {
			list.add(place{url: to, name: strings.TrimPrefix(pattern.String(), gcsHost+"/"), exact: exact})
		}
	}
	return list.out
}

const gcsRenew = "Make a new key of type JSON for the service account (IAM, Service accounts, Keys), and rotate it in."

func (p gcs) probe(ctx context.Context, c *probing) auth.Report {
	t := c.trial(p)
	defer t.close()
	const asked = "POST " + google.JWTTokenURL
	pinned, problem := parseServiceAccount(c.Fields["serviceAccountJson"].Reveal())
	if problem != "" {
		return *c.unknown("", "the service account key "+problem, "")
	}
	places := p.places(c.Inquiry)
	if len(places) == 0 {
		call := &call{fields: c.Fields, now: c.now, means: &t.set.means}
		if _, err := call.googleToken(ctx, pinned, gcsReadScope); err != nil {
			r := c.unsigned(err)
			r.Asked = asked
			if r.Verdict == auth.VerdictInvalid {
				r.Next = gcsRenew
			}
			return *r
		}
		return auth.Report{Verdict: auth.VerdictValid, Asked: asked, Answer: statusText(http.StatusOK),
			Meaning: "Google gives a token to the service account; whether it may read is not known",
			Next:    "Name a bucket in a pattern, such as " + gcsHost + "/BUCKET/*, and it is tried."}
	}
	r := t.tally(ctx, places, gcsFinding)
	if r.Asked == "" { // no token
		r.Asked = asked
	}
	if r.Verdict == auth.VerdictInvalid && r.Next == "" {
		r.Next = gcsRenew
	}
	return r
}

// gcsFinding reads an answer of the XML API ("XML API errors").
func gcsFinding(a *answer, at *place) finding {
	code := readS3Error(a.body).Code
	valid := finding{verdict: auth.VerdictValid, meaning: "Cloud Storage takes the service account", fact: at.name + ": may be read"}
	switch {
	case a.status == http.StatusOK, a.status == http.StatusPartialContent, code == "InvalidRange":
	case code == "NoSuchKey" && !at.exact:
	case code == "NoSuchKey":
		valid.fact, valid.warning, valid.next = "", "there is no object "+at.name, "Compare the name with what is in the bucket."
	case code == "NoSuchBucket":
		valid.fact, valid.warning, valid.next = "", "there is no bucket for "+at.name, "Compare the bucket's name with the pattern."
	case code == "AccessDenied" && at.exact:
		valid.meaning += ", but does not let it read " + at.name
		valid.fact, valid.warning, valid.next = "", at.name+" may not be read, or does not exist", "Give the service account the role Storage Object Viewer on the bucket."
	case code == "AccessDenied":
		valid.meaning += "; whether it may read is not known"
		valid.fact, valid.warning = "", at.name+": what does not exist there may not be asked for, as it may with the role Storage Object Viewer"
		valid.next = "Give the service account the role Storage Object Viewer on the bucket."
	case a.status == http.StatusUnauthorized:
		return finding{verdict: auth.VerdictInvalid, meaning: "Cloud Storage does not take the token of the service account", next: gcsRenew}
	default:
		return finding{}
	}
	return valid
}
