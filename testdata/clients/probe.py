"""Make one request and say what came back: probe.py CLIENT METHOD URL [TOKEN]

CLIENT is requests, urllib or aiohttp. Redirects are followed; the status, the
header fields and the first bytes of the last answer are printed.
"""

import asyncio
import sys

client, method, url, *token = sys.argv[1:]
headers = {"Authorization": "Bearer " + token[0]} if token else {}


def show(status, fields, body):
    print(status)
    for name, value in fields:
        print(f"{name}: {value}")
    print(body[:1000].decode(errors="replace"))


def by_requests():
    import requests

    answer = requests.request(method, url, headers=headers, allow_redirects=True, timeout=60)
    show(answer.status_code, answer.headers.items(), answer.content)


def by_urllib():
    import urllib.error
    import urllib.request

    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers), timeout=60)
    except urllib.error.HTTPError as error:
        answer = error
    show(answer.status, answer.headers.items(), answer.read())


async def by_aiohttp():
    import aiohttp

    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.request(method, url, headers=headers, allow_redirects=True) as answer:
            show(answer.status, answer.headers.items(), await answer.read())


if client == "aiohttp":
    asyncio.run(by_aiohttp())
else:
    {"requests": by_requests, "urllib": by_urllib}[client]()
