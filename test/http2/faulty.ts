/**
 * What a client may get wrong, and what only looks as if it were wrong: tables by the rules of RFC 9113 and RFC 7541, for
 * tests of one rule after another and for those that hold the engine against another.
 */
import {
  ACK,
  block,
  data,
  END_HEADERS,
  END_STREAM,
  type Fields,
  frame,
  get,
  headers,
  PADDED,
  PRIORITY,
  ping,
  post,
  reset,
  settings,
  windowUpdate,
  word,
} from "./wire.ts";

/** A request whose body is still coming, on stream 1. */
export const OPEN = headers(1, post(), END_HEADERS);
export const WHOLE = headers(1, get());
const PRIO = Buffer.from([0, 0, 0, 0, 16]);

/** Requests that are none (RFC 9113, sections 8.1 to 8.3). */
export const MALFORMED: Record<string, Fields> = {
  "no :method": get().filter(([name]) => name !== ":method"),
  "no :scheme": get().filter(([name]) => name !== ":scheme"),
  "no :path": get().filter(([name]) => name !== ":path"),
  "an empty :path": get(""),
  "an empty :method": [[":method", ""], ...get().slice(1)],
  "a :path that is no path": get("http://tally.test/"),
  "a :path with a blank": get("/a b"),
  "a :path with the end of a request line": get("/ HTTP/1.1"),
  "a :method with a blank": [[":method", "GET /"], ...get().slice(1)],
  "a :scheme with a slash": [...get().filter(([name]) => name !== ":scheme"), [":scheme", "http://evil"]],
  "an :authority with a blank": [...get().filter(([name]) => name !== ":authority"), [":authority", "a b"]],
  "an :authority with somebody in it": [
    ...get().filter(([name]) => name !== ":authority"),
    [":authority", "me@tally.test"],
  ],
  "a host with a path": [...get().filter(([name]) => name !== ":authority"), ["host", "tally.test/evil"]],
  ":method twice": [[":method", "GET"], ...get()],
  ":path twice": [[":path", "/"], ...get()],
  ":authority twice": [[":authority", "tally.test"], ...get()],
  "a pseudo-header of an answer": [[":status", "200"], ...get()],
  "an unknown pseudo-header": [...get(), [":unknown", "x"]],
  "a pseudo-header behind a field": [["accept", "a"], ...get()],
  "a pseudo-header of nothing": [[":", "x"], ...get()],
  "extended CONNECT, which is not offered": [[":protocol", "websocket"], ...get()],
  "a CONNECT with a path": [[":method", "CONNECT"], ...get().slice(1)],
  "a CONNECT to nowhere": [[":method", "CONNECT"]],
  "a host that is not :authority": get("/", ["host", "evil.test"]),
  "two hosts": get("/", ["host", "tally.test"], ["host", "tally.test"]),
  connection: get("/", ["connection", "close"]),
  "keep-alive": get("/", ["keep-alive", "1"]),
  "proxy-connection": get("/", ["proxy-connection", "close"]),
  "transfer-encoding": get("/", ["transfer-encoding", "chunked"]),
  "upgrade to h2c": get("/", ["upgrade", "h2c"]),
  "te that is not trailers": get("/", ["te", "trailers, deflate"]),
  "a name in capitals": get("/", ["Accept", "a"]),
  "a name with a blank": get("/", ["a b", "c"]),
  "a name with a colon": get("/", ["a:b", "c"]),
  "an empty name": get("/", ["", "c"]),
  "a name with an end of line": get("/", ["a\r\nb", "c"]),
  "a value with CR": get("/", ["a", "b\rc"]),
  "a value with LF": get("/", ["a", "b\nc"]),
  "a value with NUL": get("/", ["a", "b\0c"]),
  "a value with a blank before it": get("/", ["a", " b"]),
  "a value with a blank behind it": get("/", ["a", "b\t"]),
  "a content-length that is no number": get("/", ["content-length", "+1"]),
  "a content-length that is a list": get("/", ["content-length", "0, 0"]),
  "a content-length beyond all numbers": get("/", ["content-length", "1".repeat(16)]),
  "two content-lengths": get("/", ["content-length", "0"], ["content-length", "0"]),
  "a content-length without a body": get("/", ["content-length", "1"]),
};

/** What ends the connection, and by which code. */
export const CONNECTION_ERRORS: Record<string, readonly [code: string, ...frames: Buffer[]]> = {
  "a frame of 16,385 bytes": ["FRAME_SIZE_ERROR", OPEN, data(1, Buffer.alloc(16_385))],
  "a frame of 16,385 bytes of no known type": ["FRAME_SIZE_ERROR", frame(0xef, 0, 0, Buffer.alloc(16_385))],
  "DATA of no stream": ["PROTOCOL_ERROR", data(0, "x")],
  "DATA of an idle stream": ["PROTOCOL_ERROR", data(1, "x")],
  "DATA of a stream that a server opens": ["PROTOCOL_ERROR", WHOLE, data(2, "x")],
  "DATA with more padding than it has": [
    "PROTOCOL_ERROR",
    OPEN,
    frame("DATA", PADDED, 1, Buffer.from("\x03abc").subarray(0, 3)),
  ],
  "padded DATA without its length": ["FRAME_SIZE_ERROR", OPEN, frame("DATA", PADDED, 1)],
  "DATA of a stream that both have ended": ["STREAM_CLOSED", WHOLE, data(1, "x", END_STREAM)],
  "HEADERS of no stream": ["PROTOCOL_ERROR", headers(0, get())],
  "HEADERS of a stream that a server opens": ["PROTOCOL_ERROR", headers(2, get())],
  "HEADERS of an older stream": ["PROTOCOL_ERROR", headers(5, get()), headers(3, get())],
  "HEADERS of a stream that both have ended": ["STREAM_CLOSED", WHOLE, headers(1, get())],
  "HEADERS with more padding than they have": [
    "PROTOCOL_ERROR",
    frame("HEADERS", END_HEADERS | PADDED, 1, Buffer.from("\x05\x82")),
  ],
  "HEADERS with a priority that is cut": [
    "FRAME_SIZE_ERROR",
    frame("HEADERS", END_HEADERS | PRIORITY, 1, Buffer.alloc(4)),
  ],
  "HEADERS that cannot be decoded": [
    "COMPRESSION_ERROR",
    frame("HEADERS", END_HEADERS, 1, Buffer.from([0x80])),
  ],
  "a header block with another frame in it": ["PROTOCOL_ERROR", frame("HEADERS", 0, 1, block(get())), ping()],
  "a header block with a frame of no known type in it": [
    "PROTOCOL_ERROR",
    frame("HEADERS", 0, 1, block(get())),
    frame(0xef, 0, 0),
  ],
  "a header block with HEADERS in it": [
    "PROTOCOL_ERROR",
    frame("HEADERS", 0, 1, block(get())),
    headers(3, get()),
  ],
  "CONTINUATION of another stream": [
    "PROTOCOL_ERROR",
    frame("HEADERS", 0, 1, block(get())),
    frame("CONTINUATION", END_HEADERS, 3),
  ],
  "CONTINUATION of nothing": ["PROTOCOL_ERROR", WHOLE, frame("CONTINUATION", END_HEADERS, 1)],
  "PRIORITY of an idle stream on itself": [
    "PROTOCOL_ERROR",
    frame("PRIORITY", 0, 1, Buffer.concat([word(1), Buffer.from([16])])),
  ],
  "PRIORITY of four octets of an idle stream": ["FRAME_SIZE_ERROR", frame("PRIORITY", 0, 1, Buffer.alloc(4))],
  "PRIORITY of four octets of a stream that a server opens": [
    "FRAME_SIZE_ERROR",
    headers(5, get()),
    frame("PRIORITY", 0, 2, Buffer.alloc(4)),
  ],
  "PRIORITY of no stream": ["PROTOCOL_ERROR", frame("PRIORITY", 0, 0, PRIO)],
  "RST_STREAM of no stream": ["PROTOCOL_ERROR", reset(0, 8)],
  "RST_STREAM of an idle stream": ["PROTOCOL_ERROR", reset(1, 8)],
  "RST_STREAM of three octets": ["FRAME_SIZE_ERROR", OPEN, frame("RST_STREAM", 0, 1, Buffer.alloc(3))],
  "SETTINGS of a stream": ["PROTOCOL_ERROR", frame("SETTINGS", 0, 1)],
  "SETTINGS of five octets": ["FRAME_SIZE_ERROR", frame("SETTINGS", 0, 0, Buffer.alloc(5))],
  "an ACK of settings with some": ["FRAME_SIZE_ERROR", frame("SETTINGS", ACK, 0, Buffer.alloc(6))],
  "ENABLE_PUSH of 2": ["PROTOCOL_ERROR", settings([2, 2])],
  "INITIAL_WINDOW_SIZE of 2^31": ["FLOW_CONTROL_ERROR", settings([4, 2 ** 31])],
  "MAX_FRAME_SIZE below 16,384": ["PROTOCOL_ERROR", settings([5, 16_383])],
  "MAX_FRAME_SIZE of 2^24": ["PROTOCOL_ERROR", settings([5, 2 ** 24])],
  "INITIAL_WINDOW_SIZE that overflows a stream's window": [
    "FLOW_CONTROL_ERROR",
    OPEN,
    windowUpdate(1, 2 ** 31 - 1 - 65_535),
    settings([4, 65_536]),
  ],
  PUSH_PROMISE: ["PROTOCOL_ERROR", OPEN, frame("PUSH_PROMISE", END_HEADERS, 1, word(2))],
  "PING of a stream": ["PROTOCOL_ERROR", frame("PING", 0, 1, Buffer.alloc(8))],
  "PING of seven octets": ["FRAME_SIZE_ERROR", frame("PING", 0, 0, Buffer.alloc(7))],
  "GOAWAY of a stream": ["PROTOCOL_ERROR", frame("GOAWAY", 0, 1, Buffer.alloc(8))],
  "GOAWAY of seven octets": ["FRAME_SIZE_ERROR", frame("GOAWAY", 0, 0, Buffer.alloc(7))],
  "WINDOW_UPDATE of three octets": ["FRAME_SIZE_ERROR", frame("WINDOW_UPDATE", 0, 0, Buffer.alloc(3))],
  "WINDOW_UPDATE of an idle stream": ["PROTOCOL_ERROR", windowUpdate(1, 1)],
  "WINDOW_UPDATE of the connection by nothing": ["PROTOCOL_ERROR", windowUpdate(0, 0)],
  "a window of the connection beyond 2^31-1": ["FLOW_CONTROL_ERROR", windowUpdate(0, 2 ** 31 - 65_535)],
};

/** What ends a stream alone. Stream 1 is open, and its body comes whole. */
export const STREAM_ERRORS: Record<string, readonly [code: string, ...frames: Buffer[]]> = {
  "DATA behind the end": ["STREAM_CLOSED", data(1, "x", END_STREAM), data(1, "y")],
  "DATA beyond its window": [
    "FLOW_CONTROL_ERROR",
    ...Array.from({ length: 9 }, () => data(1, Buffer.alloc(16_000))),
  ],
  "HEADERS that depend on themselves": [
    "PROTOCOL_ERROR",
    frame(
      "HEADERS",
      END_HEADERS | END_STREAM | PRIORITY,
      1,
      Buffer.concat([word(1), Buffer.from([16]), block([["a", "b"]])]),
    ),
  ],
  "PRIORITY on itself": [
    "PROTOCOL_ERROR",
    frame("PRIORITY", 0, 1, Buffer.concat([word(1), Buffer.from([16])])),
  ],
  "PRIORITY of four octets": ["FRAME_SIZE_ERROR", frame("PRIORITY", 0, 1, Buffer.alloc(4))],
  "WINDOW_UPDATE by nothing": ["PROTOCOL_ERROR", windowUpdate(1, 0)],
  "a window beyond 2^31-1": ["FLOW_CONTROL_ERROR", windowUpdate(1, 2 ** 31 - 65_535)],
  "a body that somebody wants to be shorter": [
    "PROTOCOL_ERROR",
    headers(1, [["content-length", "9"]], END_HEADERS),
  ],
};

/** What is taken as if it were not there, or is answered as it should be. */
export const HARMLESS: Record<string, readonly [told: string[], ...frames: Buffer[]]> = {
  "a frame of no known type": [[], frame(0xef, 0xff, 7, Buffer.from("x"))],
  "flags of no known meaning": [["PING ACK"], frame("PING", 0xfe, 0, Buffer.alloc(8))],
  "PRIORITY of an idle stream": [[], frame("PRIORITY", 0, 9, PRIO)],
  "PRIORITY of a closed stream": [["HEADERS 1 END"], WHOLE, frame("PRIORITY", 0, 1, PRIO)],
  "a PING with the same data back": [["PING ACK"], ping("abcdefgh")],
  "an ACK of a PING that nobody sent": [[], frame("PING", ACK, 0, Buffer.alloc(8))],
  GOAWAY: [[], frame("GOAWAY", 0, 0, Buffer.alloc(20))],
  "settings of no known meaning": [["SETTINGS ACK"], settings([0xff, 1], [9, 0], [8, 1])],
  "empty SETTINGS": [["SETTINGS ACK"], settings()],
  "HEADERS with priority and padding": [
    ["HEADERS 1 END"],
    frame(
      "HEADERS",
      END_HEADERS | END_STREAM | PRIORITY | PADDED,
      1,
      Buffer.concat([Buffer.from([3]), PRIO, block(get()), Buffer.alloc(3)]),
    ),
  ],
  "a header block in pieces, some empty": [
    ["HEADERS 1 END"],
    frame("HEADERS", END_STREAM, 1),
    frame("CONTINUATION", 0, 1, block(get()).subarray(0, 5)),
    frame("CONTINUATION", 0, 1),
    frame("CONTINUATION", END_HEADERS, 1, block(get()).subarray(5)),
  ],
  "WINDOW_UPDATE of a stream that has closed": [["HEADERS 1 END"], WHOLE, windowUpdate(1, 5)],
  "RST_STREAM of a stream that has closed": [["HEADERS 1 END"], WHOLE, reset(1, 8)],
  "the reserved bit of a stream": [
    ["HEADERS 1 END"],
    frame("HEADERS", END_HEADERS | END_STREAM, 0x8000_0001, block(get())),
  ],
  "a stream that others were skipped for": [["HEADERS 9 END"], headers(9, get())],
  "the last of all streams": [["HEADERS 2147483647 END"], headers(0x7fff_ffff, get())],
};
