"""Download a URL with httpx: fetch_httpx.py URL FILE [TOKEN]"""

import sys

import httpx

url, path, *token = sys.argv[1:]
headers = {"Authorization": "Bearer " + token[0]} if token else {}
with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=60) as answer:
    if not answer.is_success:
        sys.exit(f"{answer.status_code} {answer.reason_phrase}: {answer.read()[:500].decode(errors='replace')}")
    with open(path, "wb") as out:
        for piece in answer.iter_raw():
            out.write(piece)
