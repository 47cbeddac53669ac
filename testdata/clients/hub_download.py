"""Download files of a repository one by one: hub_download.py REPO[@REVISION] DIR FILE..."""

import sys

from huggingface_hub import hf_hub_download

repo, folder, *files = sys.argv[1:]
repo, _, revision = repo.partition("@")
for name in files:
    print(hf_hub_download(repo, name, revision=revision or None, local_dir=folder))
