"""A gRPC server of bytes, without generated code: `grpc_server.py [CERT KEY]`.

Its first line of output is its port. A line of its input sets the health of the service `work`; the end of its input ends
it.
"""

import sys
import threading
import time
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

CANCELLED = threading.Event()


def unary(request, context):
    context.send_initial_metadata([("x-initial", "one"), ("x-initial", "two")])
    seen = dict(context.invocation_metadata())
    context.set_trailing_metadata(
        [("x-trailing", seen.get("x-say", "")), ("x-bytes-bin", seen.get("x-bytes-bin", b""))]
    )
    return request


def fail(request, context):
    code, _, details = request.decode().partition(" ")
    context.set_trailing_metadata([("x-trailing", "also here")])
    context.abort(getattr(grpc.StatusCode, code), details)


def fail_late(request, context):
    yield b"one"
    yield b"two"
    context.abort(grpc.StatusCode.DATA_LOSS, "the rest is gone")


def server_stream(request, context):
    for number in range(int(request)):
        yield str(number).encode()


def client_stream(requests, context):
    return str(sum(len(request) for request in requests)).encode()


def echo(requests, context):
    yield from requests


def wait(request, context):
    """Until the client gives up."""
    CANCELLED.clear()
    gone = threading.Event()
    context.add_callback(gone.set)
    context.send_initial_metadata([("x-initial", "waiting")])
    gone.wait(20)
    CANCELLED.set()
    return b""


def was_cancelled(request, context):
    return b"yes" if CANCELLED.wait(10) else b"no"


def time_left(request, context):
    return str(context.time_remaining()).encode()


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "FailLate": grpc.unary_stream_rpc_method_handler(fail_late),
    "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
    "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
    "Echo": grpc.stream_stream_rpc_method_handler(echo),
    "Wait": grpc.unary_unary_rpc_method_handler(wait),
    "WasCancelled": grpc.unary_unary_rpc_method_handler(was_cancelled),
    "TimeLeft": grpc.unary_unary_rpc_method_handler(time_left),
}

options = [("grpc.max_receive_message_length", 1 << 26), ("grpc.so_reuseport", 0)]
server = grpc.server(futures.ThreadPoolExecutor(16), options=options)
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("weir.Test", METHODS)])
servicer = health.HealthServicer()
health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
servicer.set("work", health_pb2.HealthCheckResponse.SERVING)
if len(sys.argv) > 1:
    pair = (open(sys.argv[2], "rb").read(), open(sys.argv[1], "rb").read())
    port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([pair]))
else:
    port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
for line in sys.stdin:
    servicer.set("work", getattr(health_pb2.HealthCheckResponse, line.strip()))
    print("set", flush=True)
server.stop(0)
