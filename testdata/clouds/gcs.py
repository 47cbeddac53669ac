"""Google's client for Python, without a credential.

gcs.py get URL BUCKET KEY FILE   download an object
gcs.py list URL BUCKET           list a bucket's objects

URL is where Cloud Storage is asked for.
"""

import sys

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

verb, url, bucket, *args = sys.argv[1:]
client = storage.Client(project="none", credentials=AnonymousCredentials(), client_options={"api_endpoint": url})
if verb == "get":
    client.bucket(bucket).blob(args[0]).download_to_filename(args[1])
elif verb == "list":
    for found in client.list_blobs(bucket):
        print(found.name)
