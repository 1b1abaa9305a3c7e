"""Callers that keep their connections, in Python's standard library alone: HTTP/1.1 as http.client speaks it, and the
frames of HTTP/2 by hand.

python3 clients.py PORT PAUSE_MAX_SECONDS SEED

Each has a counter of its own, adds 1 to it as long as stdin is open, and looks at each answer: it must be one more than
the one before. When stdin ends they end, and what they have seen is printed as one JSON object.
"""

import http.client
import json
import random
import socket
import struct
import sys
import threading
import time

PORT, PAUSE_MAX, SEED = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
AWAY = 0.02  # Until the next try to connect, in seconds.
stopped = threading.Event()


class Seen:
    """What one caller has seen."""

    def __init__(self, kind, name):
        self.kind, self.name = kind, name
        self.answered = 0
        self.faults = []
        self.resets = []

    def value(self, value):
        self.answered += 1
        if value != self.answered:
            self.faults.append(f"answer {self.answered} is {value}")

    def unanswered(self, why):
        self.faults.append(f"a call without an answer: {why}")

    def reset(self, port):
        """The first call on a connection, from this port, ended with it."""
        self.resets.append({"port": port, "ms": time.time() * 1000})


def over_http1(seen, kept, pause, rng):
    """One call after another; on one connection for as long as the server keeps it, or on a new one for each."""
    while not stopped.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        try:
            connection.connect()
        except OSError:
            time.sleep(AWAY)  # Nothing was sent.
            continue
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        port, is_first = connection.sock.getsockname()[1], True
        while not stopped.is_set():
            try:
                connection.request("POST", f"/counters/{seen.name}/increment")
                answer = connection.getresponse()
                body = answer.read()
            except ConnectionResetError as error:
                seen.reset(port) if is_first else seen.unanswered(f"{type(error).__name__} {error}")
                break
            except (OSError, http.client.HTTPException) as error:
                seen.unanswered(f"{type(error).__name__} {error}")
                break
            is_first = False
            if answer.status != 200:
                seen.faults.append(f"status {answer.status}: {body!r}")
                break
            seen.value(json.loads(body)["value"])
            if answer.will_close or not kept:
                break
            if pause:
                time.sleep(rng.random() * PAUSE_MAX)
        connection.close()


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    """A header as HPACK has it that touches no table."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
CALL = b"".join(
    literal(name, value)
    for name, value in [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/tally.v1.CounterService/Increment"),
        (b":authority", b"127.0.0.1"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    ]
)


class Http2:
    """A connection of HTTP/2 on which some calls are always in flight, each on a counter of its own."""

    def __init__(self, callers, pause, rng):
        self.callers, self.pause, self.rng = callers, pause, rng
        self.buffer = b""

    def run(self):
        while not stopped.is_set():
            try:
                self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=30)
            except OSError:
                time.sleep(AWAY)
                continue
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.flying, self.next, self.over, self.buffer = {}, 1, False, b""
            self.answers_came = False
            self.due = {caller: 0.0 for caller in self.callers}
            try:
                self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0))
                self.exchange()
            except ConnectionResetError as error:
                if self.answers_came:
                    self.lost(f"{type(error).__name__} {error}")
                else:
                    for caller in list(self.flying.values())[:1]:
                        caller.reset(self.socket.getsockname()[1])
            except OSError as error:
                self.lost(f"{type(error).__name__} {error}")
            self.socket.close()

    def lost(self, why):
        for caller in self.flying.values():
            caller.unanswered(f"HTTP/2: {why}")
        self.flying = {}

    def exchange(self):
        """Until the server ends the connection, or says that it will and everything is answered."""
        while self.flying or not (self.over or stopped.is_set()):
            now = time.monotonic()
            if not self.over and not stopped.is_set():
                for caller in [each for each, due in self.due.items() if due <= now]:
                    self.call(caller)
            self.socket.settimeout(min([30.0] + [max(due - now, 0.001) for due in self.due.values()]))
            try:
                received = self.socket.recv(65536)
            except TimeoutError:
                if self.flying and not self.due and not self.over:
                    self.lost("nothing came for 30 s")
                    return
                continue
            if not received:
                self.lost("the connection ended")
                return
            self.answers_came = True
            self.buffer += received
            while len(self.buffer) >= 9 and len(self.buffer) >= 9 + (length := self.length()):
                kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
                payload, self.buffer = self.buffer[9 : 9 + length], self.buffer[9 + length :]
                self.receive(kind, flags, stream, payload)

    def length(self):
        return int.from_bytes(self.buffer[:3], "big")

    def call(self, caller):
        name = caller.name.encode()
        message = b"\n" + bytes([len(name)]) + name  # IncrementRequest.name
        body = b"\0" + struct.pack(">I", len(message)) + message
        self.flying[self.next] = caller
        del self.due[caller]
        self.socket.sendall(frame(HEADERS, END_HEADERS, self.next, CALL) + frame(DATA, END_STREAM, self.next, body))
        self.next += 2

    def receive(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            self.socket.sendall(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.socket.sendall(frame(PING, ACK, 0, payload))
        elif kind == DATA and payload:
            self.socket.sendall(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", len(payload))))
            self.flying[stream].message = payload
        elif kind == GOAWAY:
            last, code = struct.unpack(">II", payload[:8])
            self.over = True
            if code != 0:
                self.lost(f"GOAWAY with error {code}")
            for late in [each for each in self.flying if each > last]:
                self.flying.pop(late).unanswered(f"GOAWAY names {last}, this was {late}")
        elif kind == RST_STREAM and stream in self.flying:
            self.flying.pop(stream).unanswered(f"RST_STREAM {int.from_bytes(payload, 'big')}")
        elif kind == HEADERS and flags & END_STREAM:
            caller = self.flying.pop(stream)
            message, caller.message = getattr(caller, "message", None), None
            if message is None:
                caller.faults.append("a status without a message")
            else:
                caller.value(value_in(message))
            self.due[caller] = time.monotonic() + (self.rng.random() * PAUSE_MAX if self.pause else 0)


def fields(data):
    """The fields of a message of Protobuf: numbers, and bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    found = {}
    while at < len(data):
        key = varint()
        if key & 7 == 0:
            found[key >> 3] = varint()
        else:
            length = varint()
            found[key >> 3] = data[at : at + length]
            at += length
    return found


def value_in(body):
    """Of IncrementResponse.outcome, in gRPC's frame."""
    outcome = fields(body[5:])[OUTCOME]
    return fields(outcome)[VALUE]


OUTCOME, VALUE = 1, 2


def main():
    rng = random.Random(SEED)
    everyone, threads = [], []

    def caller(kind):
        seen = Seen(kind, f"py-{len(everyone)}")
        everyone.append(seen)
        return seen

    def start(run, *args):
        threads.append(threading.Thread(target=run, args=args))
        threads[-1].start()

    for kind, count, kept, pause in [
        ("HTTP/1.1, kept", 4, True, False),
        ("HTTP/1.1, kept, pausing", 8, True, True),
        ("HTTP/1.1, a connection a call", 2, False, False),
    ]:
        for _ in range(count):
            start(over_http1, caller(kind), kept, pause, random.Random(rng.random()))
    for kind, pause in [("HTTP/2", False), ("HTTP/2, pausing", True)]:
        for _ in range(2):
            callers = [caller(kind) for _ in range(4)]
            start(Http2(callers, pause, random.Random(rng.random())).run)

    sys.stdin.read()
    stopped.set()
    for thread in threads:
        thread.join()
    print(json.dumps([vars(seen) for seen in everyone]))


main()
