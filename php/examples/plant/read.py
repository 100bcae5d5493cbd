"""Reads one node once, by asyncua alone, for comparison: python3 read.py ENDPOINT NODE [ATTRIBUTE]"""

import asyncio
import json
import sys

from asyncua import Client, ua


async def main(endpoint: str, node: str, attribute: int = 13) -> None:
    async with Client(endpoint) as client:
        read = await client.get_node(node).read_attribute(ua.AttributeIds(attribute), raise_on_bad_status=False)
    print(json.dumps({
        "node": node,
        "value": read.Value.Value if read.Value else None,
        "status": read.StatusCode.name,
        "sourceTimestamp": read.SourceTimestamp and read.SourceTimestamp.isoformat(),
        "serverTimestamp": read.ServerTimestamp and read.ServerTimestamp.isoformat(),
    }, default=str))


asyncio.run(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))
