"""Download files of a repository one by one: hub_download.py REPO DIR FILE..."""

import sys

from huggingface_hub import hf_hub_download

repo, folder, *files = sys.argv[1:]
for name in files:
    print(hf_hub_download(repo, name, local_dir=folder))
