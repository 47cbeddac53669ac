"""boto3's transfer manager, all ranges side by side: prints the SHA-256 of what came."""
import hashlib, sys, tempfile, time
import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

endpoint, key, secret, size, count = sys.argv[1:6]
s3 = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1",
                  config=Config(retries={"max_attempts": 1}, max_pool_connections=int(count)))
with tempfile.NamedTemporaryFile() as f:
    began = time.monotonic()
    s3.download_file("models", "sd/model.safetensors", f.name,
                     Config=TransferConfig(multipart_threshold=int(size), multipart_chunksize=int(size), max_concurrency=int(count)))
    took = time.monotonic() - began
    print(hashlib.file_digest(open(f.name, "rb"), "sha256").hexdigest(), "%.0f MB/s" % (int(size) * int(count) / took / 1e6))
