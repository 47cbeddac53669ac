"""Download a URL with aiohttp: fetch_aiohttp.py URL FILE [TOKEN]

aiohttp reads the proxy from the environment only with trust_env.
"""

import asyncio
import sys

import aiohttp


async def main(url, path, *token):
    headers = {"Authorization": "Bearer " + token[0]} if token else {}
    async with aiohttp.ClientSession(trust_env=True) as session, session.get(url, headers=headers) as answer:
        if not answer.ok:
            sys.exit(f"{answer.status} {answer.reason}: {(await answer.text())[:500]}")
        with open(path, "wb") as out:
            async for piece in answer.content.iter_chunked(1 << 20):
                out.write(piece)


asyncio.run(main(*sys.argv[1:]))
