"""What Python clients need who count once, whatever happens to the server meanwhile."""

import json
import os
import threading
import time

import grpc

# The server is away for about a second at a time: look for it often.
CHANNEL_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
]
# Any other status is a refusal, which has no business here.
PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,  # What a connection cut in the middle of an answer can look like.
    grpc.StatusCode.UNKNOWN,
}

printing = threading.Lock()


def tell(**what):
    """Print a JSON object on a line of its own."""
    with printing:
        print(json.dumps(what), flush=True)


def uuid7() -> str:
    """A UUID whose ids rise with time, which keeps the server's store of ids cheap."""
    digits = f"{time.time_ns() // 1_000_000:012x}7{os.urandom(2).hex()[:3]}8{os.urandom(8).hex()[:15]}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
