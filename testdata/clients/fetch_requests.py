"""Download a URL with requests: fetch_requests.py URL FILE [TOKEN]"""

import sys

import requests

url, path, *token = sys.argv[1:]
headers = {"Authorization": "Bearer " + token[0]} if token else {}
with requests.get(url, headers=headers, stream=True, timeout=60) as answer:
    if not answer.ok:
        sys.exit(f"{answer.status_code} {answer.reason}: {answer.text[:500]}")
    with open(path, "wb") as out:
        for piece in answer.iter_content(1 << 20):
            out.write(piece)
