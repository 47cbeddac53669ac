"""Download a repository, or what patterns name of it: hub_snapshot.py REPO DIR [PATTERN...]"""

import sys

from huggingface_hub import snapshot_download

repo, folder, *patterns = sys.argv[1:]
print(snapshot_download(repo, local_dir=folder, allow_patterns=patterns or None))
