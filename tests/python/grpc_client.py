"""A gRPC client of bytes: `grpc_client.py TARGET CASE [CA or - [MORE…]]`."""

import os
import sys
import threading

import grpc

TARGET, CASE = sys.argv[1:3]
OPTIONS = [
    ("grpc.max_receive_message_length", 1 << 26),
    ("grpc.enable_retries", 0),
    ("grpc.ssl_target_name_override", "weir.test"),
]
if len(sys.argv) > 3 and sys.argv[3] != "-":
    credentials = grpc.ssl_channel_credentials(open(sys.argv[3], "rb").read())
    CHANNEL = grpc.secure_channel(TARGET, credentials, OPTIONS)
else:
    CHANNEL = grpc.insecure_channel(TARGET, OPTIONS[:2])

KINDS = {
    "ServerStream": CHANNEL.unary_stream,
    "FailLate": CHANNEL.unary_stream,
    "ClientStream": CHANNEL.stream_unary,
    "Echo": CHANNEL.stream_stream,
    # Of a stream, the head can be seen before the end.
    "Wait": CHANNEL.unary_stream,
}
PATIENCE = 20


def method(name):
    return KINDS.get(name, CHANNEL.unary_unary)(f"/weir.Test/{name}")


def failure(call, *arguments, **more):
    try:
        answer = call(*arguments, timeout=more.pop("timeout", PATIENCE), **more)
        list(answer) if hasattr(answer, "__next__") else None
    except grpc.RpcError as error:
        return error
    raise AssertionError(f"it succeeded: {answer!r}")


def unary():
    metadata = [("x-say", "something"), ("x-bytes-bin", b"\x00\xff\r\n")]
    answer, call = method("Unary").with_call(b"hello", metadata=metadata, timeout=PATIENCE)
    assert answer == b"hello"
    assert call.code() == grpc.StatusCode.OK
    initial = [value for key, value in call.initial_metadata() if key == "x-initial"]
    assert initial == ["one", "two"], initial
    trailing = dict(call.trailing_metadata())
    assert trailing["x-trailing"] == "something" and trailing["x-bytes-bin"] == b"\x00\xff\r\n", trailing
    assert method("Unary")(b"", timeout=PATIENCE) == b""


def large():
    message = os.urandom(20_000_000)
    assert method("Unary")(message, timeout=PATIENCE) == message
    assert method("ClientStream")(iter([message, message]), timeout=PATIENCE) == b"40000000"


def streams():
    numbers = [int(answer) for answer in method("ServerStream")(b"1000", timeout=PATIENCE)]
    assert numbers == list(range(1000))
    assert list(method("ServerStream")(b"0", timeout=PATIENCE)) == []
    assert method("ClientStream")((b"x" * 100 for _ in range(1000)), timeout=PATIENCE) == b"100000"
    # Each message waits for the echo of the one before it: both directions are open at once.
    ready, sent = threading.Semaphore(1), 0

    def messages():
        nonlocal sent
        for number in range(100):
            assert ready.acquire(timeout=PATIENCE)
            sent += 1
            yield str(number).encode()

    for number, answer in enumerate(method("Echo")(messages(), timeout=PATIENCE)):
        assert (int(answer), sent) == (number, number + 1)
        ready.release()
    assert sent == 100


def many():
    calls = [method("Unary").future(str(number).encode(), timeout=PATIENCE) for number in range(300)]
    assert [call.result() for call in calls] == [str(number).encode() for number in range(300)]


def errors():
    for code in grpc.StatusCode:
        if code == grpc.StatusCode.OK:
            continue
        error = failure(method("Fail"), f"{code.name} what went wrong: 100% ä".encode())
        assert (error.code(), error.details()) == (code, "what went wrong: 100% ä"), error
        assert ("x-trailing", "also here") in error.trailing_metadata(), error
    late = method("FailLate")(b"", timeout=PATIENCE)
    assert (next(late), next(late)) == (b"one", b"two")
    try:
        next(late)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DATA_LOSS and error.details() == "the rest is gone", error
    unknown = failure(CHANNEL.unary_unary("/weir.Test/Unknown"), b"")
    assert unknown.code() == grpc.StatusCode.UNIMPLEMENTED, unknown


def deadlines():
    left = float(method("TimeLeft")(b"", timeout=PATIENCE))
    assert PATIENCE - 10 < left <= PATIENCE + 1, left
    error = failure(method("Wait"), b"", timeout=0.3)
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    assert method("WasCancelled")(b"", timeout=PATIENCE) == b"yes"


def cancelled():
    call = method("Wait")(b"", timeout=PATIENCE)
    assert dict(call.initial_metadata())["x-initial"] == "waiting"
    call.cancel()
    assert method("WasCancelled")(b"", timeout=PATIENCE) == b"yes"


def basics():
    for case in (unary, streams, many, errors, deadlines, cancelled):
        case()


def refused():
    """What Weir answers by itself: code and words are in the arguments."""
    error = failure(method("Unary"), b"x" * int(sys.argv[5]) if len(sys.argv) > 5 else b"")
    code, _, words = sys.argv[4].partition(" ")
    assert error.code().name == code and words in error.details(), error


globals()[CASE]()
CHANNEL.close()
print("done", flush=True)
