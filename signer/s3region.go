package signer

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/weighbridge/weighbridge/signer/s3host"
)

// regionPatience bounds the question where a bucket is: a worker waits for it.
const regionPatience = 10 * time.Second

// askRegion asks S3 in which region the bucket of a plan is, by a HeadBucket
// without any credential: S3 says it in a header even where it refuses
// (Amazon S3 API Reference, HeadBucket, "x-amz-bucket-region"). It is asked
// where an answer led elsewhere and named no region; empty is that S3 did not
// say.
func (e *s3Engine) askRegion(ctx context.Context, p *s3Plan) string {
	if e.means == nil || e.means.client == nil || p.request.bucket == "" || p.request.host.AccessPoint {
		return ""
	}
	host, prefix, err := p.request.host.Upstream(p.request.bucket, p.region, s3host.Path)
	if err != nil {
		return ""
	}
	at := p.target
	at.Host, at.Path, at.RawQuery, at.HasQuery = host, prefix, "", false
	if prefix == "" {
		at.Path = "/"
	}
	ctx, cancel := context.WithTimeout(ctx, regionPatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, at.String(), nil)
	if err != nil {
		return ""
	}
	r.Header.Set("User-Agent", "weighbridge")
	once := *e.means.client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a, err := once.Do(r)
	if err != nil {
		return ""
	}
	_ = a.Body.Close()
	return strings.TrimSpace(a.Header.Get("X-Amz-Bucket-Region"))
}
