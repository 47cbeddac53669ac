"""Download a URL with urllib: fetch_urllib.py URL FILE [TOKEN [AGENT]]

urllib sends the headers of the first request to every host it is redirected to.
"""

import shutil
import sys
import urllib.error
import urllib.request

url, path, *more = sys.argv[1:]
token, agent = (*more, "", "")[:2]
headers = {}
if token:
    headers["Authorization"] = "Bearer " + token
if agent:
    headers["User-Agent"] = agent
try:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        with open(path, "wb") as out:
            shutil.copyfileobj(answer, out, 1 << 20)
except urllib.error.HTTPError as error:
    sys.exit(f"{error.code} {error.reason}: {error.read(500).decode(errors='replace')}")
