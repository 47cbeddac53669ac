"""Azure's client for Python.

blob.py get URL FILE            download a blob
blob.py list URL                list a container's blobs
blob.py containers URL           list the containers of an account, and the properties of one
blob.py sas ACCOUNT KEY CONTAINER   make a container's SAS with read and list
"""

import datetime
import sys

from azure.storage.blob import BlobClient, BlobServiceClient, ContainerClient, ContainerSasPermissions, generate_container_sas

verb, *args = sys.argv[1:]
if verb == "get":
    with BlobClient.from_blob_url(args[0]) as blob, open(args[1], "wb") as out:
        # Small parts, so that the download is one of many ranges.
        blob._config.max_single_get_size = 256 * 1024
        blob._config.max_chunk_get_size = 256 * 1024
        blob.download_blob(max_concurrency=4).readinto(out)
elif verb == "list":
    with ContainerClient.from_container_url(args[0]) as container:
        for found in container.list_blobs():
            print(found.name)
elif verb == "containers":
    with BlobServiceClient(args[0]) as service:
        for found in service.list_containers():
            print(found.name, service.get_container_client(found.name).get_container_properties().name)
elif verb == "sas":
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    print(generate_container_sas(args[0], args[2], account_key=args[1], permission=ContainerSasPermissions(read=True, list=True), expiry=end))
