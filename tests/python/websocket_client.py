"""A WebSocket client over HTTP/1.1: `websocket_client.py PORT CASE [CA.pem]`, over TLS with the latter. What it waits for
comes over its input."""

import asyncio
import functools
import os
import ssl
import sys

import websockets

CA = sys.argv[3:]
URL = f"{'wss' if CA else 'ws'}://127.0.0.1:{sys.argv[1]}"
TLS = ssl.create_default_context(cafile=CA[0]) if CA else None
connect = functools.partial(websockets.connect, ssl=TLS)


async def line():
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def messages():
    async with connect(f"{URL}/chat?a=b", subprotocols=["other", "chat"], max_size=1 << 24) as socket:
        assert socket.subprotocol == "chat", socket.subprotocol
        await socket.send("hello")
        assert await socket.recv() == "hello"
        large = os.urandom(5_000_000)
        await socket.send(large)
        assert await socket.recv() == large
        await (await socket.ping(b"there?"))
        for number in range(200):
            await socket.send(str(number))
        assert [await socket.recv() for _ in range(200)] == [str(number) for number in range(200)]


async def closed_by_server():
    async with connect(f"{URL}/chat") as socket:
        await socket.send("close")
        try:
            await socket.recv()
            raise AssertionError("it goes on")
        except websockets.ConnectionClosed as closed:
            assert (closed.rcvd.code, closed.rcvd.reason) == (4001, "as you wish"), closed


async def broken_by_server():
    async with connect(f"{URL}/chat") as socket:
        await socket.send("abort")
        try:
            await socket.recv()
            raise AssertionError("it goes on")
        except websockets.ConnectionClosedError as closed:
            assert closed.rcvd is None, closed


async def refused():
    try:
        async with connect(f"{URL}/refused"):
            raise AssertionError("it was granted")
    except websockets.InvalidStatus as refusal:
        assert refusal.response.status_code == 403, refusal.response
        assert b"not here" in refusal.response.body, refusal.response


async def long_lived():
    """Says when it is open, and sends on with each line of its input."""
    async with connect(f"{URL}/chat", compression=None) as socket:
        count = 0
        while True:
            await socket.send(f"message {count}")
            assert await socket.recv() == f"message {count}"
            count += 1
            print(count, flush=True)
            if await line() == "":
                return


asyncio.run(globals()[sys.argv[2]]())
print("done", flush=True)
