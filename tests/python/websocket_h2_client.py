"""A WebSocket client over HTTP/2 (RFC 8441), of the libraries h2 and wsproto: `websocket_h2_client.py PORT CASE [MORE]`.
With the path of a `.pem` at the end it speaks TLS, and trusts what is in there."""

import os
import socket
import ssl
import sys

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import wsproto
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage


CA = sys.argv[-1] if sys.argv[-1].endswith(".pem") else None


class Link:
    """A connection, with a queue of events for each stream."""

    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        self.socket.settimeout(20)
        if CA:
            context = ssl.create_default_context(cafile=CA)
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")
            assert self.socket.selected_alpn_protocol() == "h2"
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(1 << 24)
        self.events = []
        self.closed = False
        self.flush()
        self.wait(None, h2.events.RemoteSettingsChanged)
        connect = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
        assert self.h2.remote_settings.get(connect) == 1, self.h2.remote_settings

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def read(self):
        data = self.socket.recv(65536)
        if not data:
            self.closed = True
            return
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self.events.append(event)
        self.flush()

    def wait(self, stream, *kinds):
        """The next event of these kinds on this stream."""
        while True:
            for place, event in enumerate(self.events):
                if isinstance(event, kinds) and stream in (None, getattr(event, "stream_id", None)):
                    return self.events.pop(place)
            assert not self.closed, f"closed while waiting for {kinds}"
            self.read()

    def connect(self, path="/chat", protocol="websocket", more=()):
        stream = self.h2.get_next_available_stream_id()
        fields = [
            (":method", "CONNECT"),
            (":protocol", protocol),
            (":scheme", "https" if CA else "http"),
            (":path", path),
            (":authority", "weir.test"),
            ("sec-websocket-version", "13"),
            *more,
        ]
        self.h2.send_headers(stream, fields)
        self.flush()
        return stream

    def head(self, stream):
        return dict(self.wait(stream, h2.events.ResponseReceived).headers)

    def send(self, stream, data):
        while data:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if room == 0:
                self.read()
                continue
            self.h2.send_data(stream, data[:room])
            data = data[room:]
            self.flush()

    def end(self, stream):
        self.h2.end_stream(stream)
        self.flush()


class Socket:
    """A WebSocket on a stream."""

    def __init__(self, link, more=()):
        self.link = link
        self.stream = link.connect(more=more)
        self.fields = link.head(self.stream)
        assert self.fields[":status"] == "200", self.fields
        for name in ("sec-websocket-accept", "upgrade", "connection", "content-length"):
            assert name not in self.fields, self.fields
        self.ws = Connection(ConnectionType.CLIENT)

    def send(self, event):
        self.link.send(self.stream, self.ws.send(event))

    def receive(self):
        """The next whole message or control frame."""
        whole = None
        while True:
            for event in self.ws.events():
                if not isinstance(event, (TextMessage, BytesMessage)):
                    return event
                whole = event.data if whole is None else whole + event.data
                if event.message_finished:
                    return whole
            got = self.link.wait(
                self.stream, h2.events.DataReceived, h2.events.StreamEnded, h2.events.StreamReset
            )
            if not isinstance(got, h2.events.DataReceived):
                return got
            if got.data:
                self.ws.receive_data(got.data)


def messages():
    link = Link()
    chat = Socket(link, more=[("sec-websocket-protocol", "other, chat")])
    assert chat.fields["sec-websocket-protocol"] == "chat", chat.fields
    chat.send(TextMessage("hello"))
    assert chat.receive() == "hello"
    large = os.urandom(3_000_000)
    chat.send(BytesMessage(large))
    assert chat.receive() == large
    chat.send(Ping(b"there?"))
    pong = chat.receive()
    assert isinstance(pong, Pong) and bytes(pong.payload) == b"there?", pong
    other = Socket(link)
    for number in range(50):
        chat.send(TextMessage(f"chat {number}"))
        other.send(TextMessage(f"other {number}"))
    for number in range(50):
        assert other.receive() == f"other {number}"
        assert chat.receive() == f"chat {number}"
    chat.send(CloseConnection(1000))
    assert isinstance(chat.receive(), CloseConnection)
    assert isinstance(chat.receive(), h2.events.StreamEnded)
    link.end(chat.stream)
    other.send(TextMessage("still here"))
    assert other.receive() == "still here"


def broken_by_server():
    link = Link()
    chat = Socket(link)
    chat.send(TextMessage("abort"))
    end = chat.receive()
    assert isinstance(end, h2.events.StreamReset) and end.error_code == h2.errors.ErrorCodes.CANCEL, end
    assert Socket(link), "the connection goes on"


def broken_by_client():
    """The server must see that nobody is there: it says so by its count of connections, which the test reads."""
    link = Link()
    chat = Socket(link)
    chat.send(TextMessage("hello"))
    assert chat.receive() == "hello"
    link.h2.reset_stream(chat.stream, h2.errors.ErrorCodes.CANCEL)
    link.flush()
    print("reset", flush=True)
    sys.stdin.readline()


def refused():
    link = Link()
    stream = link.connect(path="/refused")
    assert link.head(stream)[":status"] == "403"
    assert link.wait(stream, h2.events.DataReceived).data == b"not here\n"


def not_taken():
    """The server has no words for it."""
    link = Link()
    fields = link.head(link.connect())
    assert fields[":status"] == sys.argv[3], fields


def long_lived():
    chat = Socket(Link())
    count = 0
    while True:
        chat.send(TextMessage(f"message {count}"))
        assert chat.receive() == f"message {count}"
        count += 1
        print(count, flush=True)
        if sys.stdin.readline() == "":
            return


assert wsproto.__version__
globals()[sys.argv[2]]()
print("done", flush=True)
