"""boto3 as a worker uses it: reads, then writes with a key that may."""
import io, json, os, sys
import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
import urllib.request

endpoint, key, secret, big, write = sys.argv[1:6]


def client(**config):
    return boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1",
                        config=Config(retries={"max_attempts": 1}, **config))


s3 = client()
out = {}
body = s3.get_object(Bucket="models", Key="sd/a b+c.txt")["Body"].read()
out["get"] = body.decode()
out["range"] = s3.get_object(Bucket="models", Key="sd/a b+c.txt", Range="bytes=2-4")["Body"].read().decode()
out["head"] = s3.head_object(Bucket="models", Key="sd/a b+c.txt")["ContentLength"]
out["v2"] = sorted(o["Key"] for o in s3.list_objects_v2(Bucket="models", Prefix="sd/")["Contents"])
out["v1"] = sorted(o["Key"] for o in s3.list_objects(Bucket="models", Prefix="sd/")["Contents"])
pages = s3.get_paginator("list_objects_v2").paginate(Bucket="models", Prefix="sd/", PaginationConfig={"PageSize": 1})
out["pages"] = sorted(o["Key"] for p in pages for o in p["Contents"])
out["alias"] = sorted(o["Key"] for p in s3.get_paginator("list_objects_v2").paginate(Bucket="sdx", PaginationConfig={"PageSize": 1}) for o in p["Contents"])
out["buckets"] = sorted(b["Name"] for b in s3.list_buckets()["Buckets"])
s3.head_bucket(Bucket="models")
s3.get_bucket_location(Bucket="models")
try:
    s3.get_object(Bucket="models", Key="none")
except ClientError as e:
    out["missing"] = e.response["Error"]["Code"]
try:
    s3.get_object(Bucket="models", Key="other/secret")
except ClientError as e:
    out["denied"] = e.response["Error"]["Code"] + " " + str(bool(e.response["Error"]["Message"]))
url = client(signature_version="s3v4").generate_presigned_url("get_object", Params={"Bucket": "models", "Key": "sd/a b+c.txt"}, ExpiresIn=60)
out["presigned"] = urllib.request.urlopen(url).read().decode()
url = s3.generate_presigned_url("get_object", Params={"Bucket": "models", "Key": "sd/a b+c.txt"}, ExpiresIn=60)
try:
    urllib.request.urlopen(url)
except urllib.error.HTTPError as e:
    out["sigv2"] = "signature_version" in e.read().decode()
s3.download_file("models", "sd/big.bin", big, Config=TransferConfig(multipart_threshold=1 << 20, multipart_chunksize=1 << 20, max_concurrency=16))
out["big"] = os.path.getsize(big)
if write == "write":
    s3.put_object(Bucket="models", Key="sd/new", Body=b"content", Metadata={"a": "b"})
    s3.upload_file(big, "models", "sd/up.bin", Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
    s3.copy_object(Bucket="models", Key="sd/copy", CopySource={"Bucket": "models", "Key": "sd/new"})
    out["copied"] = s3.get_object(Bucket="models", Key="sd/copy")["Body"].read().decode()
    s3.download_file("models", "sd/up.bin", big + ".again")
    out["up"] = open(big, "rb").read() == open(big + ".again", "rb").read()
    m = s3.create_multipart_upload(Bucket="models", Key="sd/aborted")
    s3.upload_part(Bucket="models", Key="sd/aborted", UploadId=m["UploadId"], PartNumber=1, Body=io.BytesIO(b"x"))
    out["parts"] = len(s3.list_parts(Bucket="models", Key="sd/aborted", UploadId=m["UploadId"])["Parts"])
    s3.abort_multipart_upload(Bucket="models", Key="sd/aborted", UploadId=m["UploadId"])
    gone = s3.delete_objects(Bucket="sdx", Delete={"Objects": [{"Key": "new"}, {"Key": "copy"}]})
    out["deleted"] = sorted(d["Key"] for d in gone["Deleted"])
    s3.delete_object(Bucket="models", Key="sd/up.bin")
    try:
        s3.put_object(Bucket="models", Key="other/new", Body=b"x")
    except ClientError as e:
        out["write_denied"] = e.response["Error"]["Code"]
json.dump(out, sys.stdout, sort_keys=True)
