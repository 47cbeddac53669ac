"""Load a dataset and write its rows again: load_dataset.py REPO DIR"""

import json
import sys
from pathlib import Path

from datasets import load_dataset

repo, folder = sys.argv[1:]
for split, rows in load_dataset(repo).items():
    path = Path(folder, "data", split + ".jsonl")
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")
