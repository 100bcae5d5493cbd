"""One OPC UA session as one process: python3 bridge.py ENDPOINT, JSON lines on stdin and stdout.

It connects, says `{"id":0}`, and then answers each `{"id":1,"read":[["ns=2;s=Counter",13]]}` with
`{"id":1,"values":[{"value":..,"status":"Good","sourceTimestamp":..,"serverTimestamp":..}]}`: one entry per item, bad
ones carry the OPC UA name of what is wrong. The process lives exactly as long as its session: when that cannot be
opened or is lost, its last words are `{"lost":"why"}` and it ends with 1. It ends with 0 at the end of its stdin, and
with 1 when nobody reads its stdout: so it does not survive the worker that started it.
"""

import asyncio
import base64
import json
import logging
import math
import os
import signal
import sys
from datetime import datetime, timezone

from asyncua import Client, ua
from asyncua.ua.ua_binary import struct_to_binary

TIMEOUT = 4.0  # seconds for each step of connecting, and for each read
LINE_BYTES = 16 * 1024 * 1024  # the longest request, as on the sidecar's socket


async def main(endpoint: str) -> int:
    # Ctrl-C reaches the whole terminal: the worker finishes its request, then closes our stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable(logging.ERROR)  # what goes wrong is said in the reply

    requests = asyncio.StreamReader(limit=LINE_BYTES)
    protocol = asyncio.StreamReaderProtocol(requests)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)

    client = Client(endpoint, timeout=TIMEOUT)
    session = asyncio.create_task(serve(client, requests))

    async def on_lost(why: Exception) -> None:  # also between two requests: asyncua asks the server once a second
        session.cancel()

    client.connection_lost_callback = on_lost
    return await session


async def serve(client: Client, requests: asyncio.StreamReader) -> int:
    try:
        await client.connect()
        say({"id": 0})
        while line := await requests.readline():
            request = json.loads(line)
            say({"id": request["id"], "values": await read(client, request["read"])})
    except BrokenPipeError:
        return 1
    except (Exception, asyncio.CancelledError) as why:  # what is wrong with one item only is in its status
        silent = isinstance(why, asyncio.TimeoutError)
        say({"lost": f"no answer within {TIMEOUT:g} seconds" if silent else str(why) or "the connection was lost"})
        return 1
    try:
        await asyncio.wait_for(client.disconnect(), 1.0)
    except Exception:
        pass  # the server ends the session by its own timeout
    return 0


async def read(client: Client, items: list) -> list:
    """Reads all items in one OPC UA request; an item that cannot be asked for is answered here."""
    asked = [ask(node, attribute) for node, attribute in items]
    parameters = ua.ReadParameters(NodesToRead=[item for item in asked if isinstance(item, ua.ReadValueId)])
    answers = iter(await client.uaclient.session.read(parameters) if parameters.NodesToRead else [])
    return [answer(next(answers)) if isinstance(item, ua.ReadValueId) else answer(None, item) for item in asked]


def ask(node: str, attribute: int) -> "ua.ReadValueId | str":
    try:
        ua.AttributeIds(attribute)
    except ValueError:
        return "BadAttributeIdInvalid"
    try:
        item = ua.ReadValueId(NodeId=ua.NodeId.from_string(node), AttributeId=attribute)
        struct_to_binary(item)  # finds the namespace 99999999 before it costs the session
        return item
    except Exception:
        return "BadNodeIdInvalid"


def answer(read: "ua.DataValue | None", status: str = "") -> dict:
    return {
        "value": plain(read.Value.Value) if read and read.Value else None,
        "status": read.StatusCode.name if read else status,
        "sourceTimestamp": plain(read.SourceTimestamp) if read else None,
        "serverTimestamp": plain(read.ServerTimestamp) if read else None,
    }


def plain(value: object) -> object:
    """An OPC UA value as JSON: times in UTC, bytes in base64, NaN and the infinities as strings, ids as text."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, ua.LocalizedText):
        return value.Text
    return value.to_string() if hasattr(value, "to_string") else str(value)


def say(reply: dict) -> None:
    data = json.dumps(reply).encode() + b"\n"
    while data:
        data = data[os.write(1, data):]


sys.exit(asyncio.run(main(sys.argv[1])))
