"""A small OPC UA plant to read from: python3 plant.py [PORT]   (0, the default: any free port)

Prints one line, `READY opc.tcp://127.0.0.1:PORT/plant`, when it listens. Ends with 0 on SIGTERM or SIGINT, and by
itself within one tick of its parent's end. Values change five times a second: the counter never repeats a number.
"""

import asyncio
import logging
import math
import os
import signal
import sys

PARENT = os.getppid()  # asked before the slow import: later it may be gone already

from asyncua import Server, ua  # noqa: E402

TICK = 0.2  # seconds between two values


async def main(port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/plant")
    server.set_server_name("rustdaemon example plant")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    namespace = await server.register_namespace("urn:rustdaemon:plant")  # the first of our own: ns=2

    async def variable(name: str, value: object, description: str):
        node = await server.nodes.objects.add_variable(ua.NodeId(name, namespace), f"{namespace}:{name}", value)
        text = ua.DataValue(ua.Variant(ua.LocalizedText(description)))
        await node.write_attribute(ua.AttributeIds.Description, text)
        return node

    counter = await variable("Counter", 0, "Counts up five times a second")
    temperature = await variable("Temperature", 20.0, "Boiler temperature in degrees Celsius")
    await variable("Name", "Boiler 7", "What the operators call it")

    async with server:
        host, port = server.bserver.hostname, server.bserver.port
        print(f"READY opc.tcp://{host}:{port}/plant", flush=True)
        count = 0
        while not stop.is_set() and os.getppid() == PARENT:
            count += 1
            await counter.write_value(count)
            await temperature.write_value(round(60 + 15 * math.sin(count / 20), 3))
            try:
                await asyncio.wait_for(stop.wait(), TICK)
            except asyncio.TimeoutError:
                pass


logging.disable(logging.ERROR)  # clients that vanish are ordinary here
asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
