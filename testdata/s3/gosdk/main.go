// Command gosdk is the AWS SDK for Go v2 as a worker uses it: it reads, lists,
// downloads in ranges side by side, presigns and writes through the endpoint
// that it is pointed at, and prints as JSON what came of it.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: gosdk ENDPOINT ACCESS-KEY-ID SECRET")
	}
	c := s3.New(s3.Options{
		BaseEndpoint: &os.Args[1], Region: "us-east-1", UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(os.Args[2], os.Args[3], ""),
	})
	out, err := work(context.Background(), c)
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		log.Fatal(err)
	}
}

var (
	models = aws.String("models")
	object = aws.String("sd/a b+c.txt")
)

func work(ctx context.Context, c *s3.Client) (map[string]any, error) {
	out := map[string]any{}
	for _, step := range []func(context.Context, *s3.Client, map[string]any) error{reads, lists, downloads, presigns, writes} {
		if err := step(ctx, c, out); err != nil {
			return out, err
		}
	}
	return out, nil
}

func get(ctx context.Context, c *s3.Client, in *s3.GetObjectInput) (string, error) {
	a, err := c.GetObject(ctx, in)
	if err != nil {
		return "", err
	}
	defer func() { _ = a.Body.Close() }()
	b, err := io.ReadAll(a.Body)
	return string(b), err
}

func reads(ctx context.Context, c *s3.Client, out map[string]any) (err error) {
	if out["get"], err = get(ctx, c, &s3.GetObjectInput{Bucket: models, Key: object}); err != nil {
		return err
	}
	if out["range"], err = get(ctx, c, &s3.GetObjectInput{Bucket: models, Key: object, Range: aws.String("bytes=2-4")}); err != nil {
		return err
	}
	head, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: models, Key: object})
	if err != nil {
		return err
	}
	out["head"] = *head.ContentLength
	_, err = get(ctx, c, &s3.GetObjectInput{Bucket: models, Key: object, IfNoneMatch: head.ETag})
	out["unchanged"] = code(err)
	_, err = get(ctx, c, &s3.GetObjectInput{Bucket: models, Key: aws.String("sd/none")})
	out["missing"] = code(err)
	_, err = get(ctx, c, &s3.GetObjectInput{Bucket: models, Key: aws.String("other/secret")})
	out["denied"] = code(err)
	if _, err := c.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: models}); err != nil {
		return err
	}
	_, err = c.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: models})
	return err
}

// code is that of an error of S3, or the text of any other.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

func lists(ctx context.Context, c *s3.Client, out map[string]any) error {
	buckets, err := c.ListBuckets(ctx, &s3.ListBucketsInput{})
	if err != nil {
		return err
	}
	names := []string{}
	for _, b := range buckets.Buckets {
		names = append(names, *b.Name)
	}
	out["buckets"] = names
	keys := []string{}
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: models, Prefix: aws.String("sd/"), MaxKeys: aws.Int32(1)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	slices.Sort(keys)
	out["pages"] = keys
	return nil
}

// downloads gets a large object in ranges, sixteen at a time.
func downloads(ctx context.Context, c *s3.Client, out map[string]any) error {
	f, err := os.CreateTemp("", "gosdk-*")
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	manager := transfermanager.New(c, func(o *transfermanager.Options) { o.Concurrency, o.PartSizeBytes = 16, 5<<20 })
	if _, err := manager.DownloadObject(ctx, &transfermanager.DownloadObjectInput{Bucket: models, Key: aws.String("sd/big.bin"), WriterAt: f}); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, 1<<40)); err != nil {
		return err
	}
	out["big"] = hex.EncodeToString(sum.Sum(nil))
	return nil
}

func presigns(ctx context.Context, c *s3.Client, out map[string]any) error {
	r, err := s3.NewPresignClient(c).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: models, Key: object})
	if err != nil {
		return err
	}
	for name, url := range map[string]string{"presigned": r.URL, "tampered": strings.Replace(r.URL, "b%2Bc", "b%2Bd", 1)} {
		a, err := http.Get(url) //nolint:gosec,noctx // of a test
		if err != nil {
			return err
		}
		b, err := io.ReadAll(a.Body)
		_ = a.Body.Close()
		if err != nil {
			return err
		}
		if out[name] = string(b); a.StatusCode != 200 {
			out[name] = a.StatusCode
		}
	}
	return nil
}

func writes(ctx context.Context, c *s3.Client, out map[string]any) (err error) {
	put := func(key, content string) error {
		_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: models, Key: &key, Body: strings.NewReader(content), Metadata: map[string]string{"a": "b"}})
		return err
	}
	if err = put("sd/go", "from go"); err != nil {
		return err
	}
	if out["put"], err = get(ctx, c, &s3.GetObjectInput{Bucket: models, Key: aws.String("sd/go")}); err != nil {
		return err
	}
	out["write denied"] = code(put("other/go", "x"))
	if _, err = c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: models, Key: aws.String("sd/copy"), CopySource: aws.String("models/sd/go")}); err != nil {
		return err
	}
	_, err = c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: models, Key: aws.String("sd/stolen"), CopySource: aws.String("models/other/secret")})
	out["copy denied"] = code(err)
	content := bytes.Repeat([]byte("0123456789abcdef"), 11<<20/16)
	manager := transfermanager.New(c, func(o *transfermanager.Options) { o.PartSizeBytes, o.MultipartUploadThreshold = 5<<20, 5<<20 })
	if _, err = manager.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: models, Key: aws.String("sd/up"), Body: bytes.NewReader(content)}); err != nil {
		return err
	}
	up, err := get(ctx, c, &s3.GetObjectInput{Bucket: models, Key: aws.String("sd/up")})
	if err != nil {
		return err
	}
	out["up"] = up == string(content)
	gone, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: models, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("sd/go")}, {Key: aws.String("sd/copy")}, {Key: aws.String("sd/up")},
	}}})
	if err != nil {
		return err
	}
	out["deleted"] = len(gone.Deleted)
	_, err = c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("another")})
	out["bucket denied"] = code(err)
	return nil
}
