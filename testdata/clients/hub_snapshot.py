"""Download a whole repository: hub_snapshot.py REPO DIR"""

import sys

from huggingface_hub import snapshot_download

print(snapshot_download(sys.argv[1], local_dir=sys.argv[2]))
