"""A WebSocket server over HTTP/1.1 that echoes. The port is its first line of output; it ends with its input."""

import asyncio
import logging
import struct
import sys
from socket import SO_LINGER, SOL_SOCKET

import websockets

# Of broken connections, which some cases want.
logging.disable(logging.CRITICAL)


async def echo(socket):
    async for message in socket:
        if message == "close":
            await socket.close(4001, "as you wish")
        elif message == "abort":
            # A reset, not an end.
            line = socket.transport.get_extra_info("socket")
            line.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            socket.transport.abort()
        else:
            await socket.send(message)


async def main():
    def choose(_socket, offered):
        return "chat" if "chat" in offered else None

    def process(_socket, request):
        if request.path == "/refused":
            return websockets.http11.Response(403, "Forbidden", websockets.Headers(), b"not here\n")
        return None

    async with websockets.serve(
        echo, "127.0.0.1", 0, select_subprotocol=choose, process_request=process, max_size=1 << 24
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
