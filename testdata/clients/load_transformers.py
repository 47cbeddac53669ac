"""What from_pretrained loads of a model, less the PyTorch: load_transformers.py REPO DIR

Configuration, tokenizer, and the shards that the index names; DIR gets the
files as they then lie in the cache.
"""

import shutil
import sys
from pathlib import Path

from transformers import AutoConfig, AutoTokenizer
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, cached_file
from transformers.utils.hub import get_checkpoint_shard_files

repo, folder = sys.argv[1:]
config = AutoConfig.from_pretrained(repo)
tokens = AutoTokenizer.from_pretrained(repo)("weights measures")["input_ids"]
cached_file(repo, "generation_config.json")
index = cached_file(repo, SAFE_WEIGHTS_INDEX_NAME)
shards, _ = get_checkpoint_shard_files(repo, index)
assert config.n_layer == len(shards) and tokens == [1, 2], (config.n_layer, shards, tokens)
shutil.copytree(Path(index).parent, folder, dirs_exist_ok=True)
