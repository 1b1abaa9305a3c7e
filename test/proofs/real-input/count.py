"""Counts words in a Tally server, each once, whatever happens to the server meanwhile.

    count.py HOST:PORT WORDS_FILE BATCH_WORDS THREADS

Reads one word a line, and sends them in BatchApply calls of so many increments by 1. Each call has a request id and
is sent again under the same id until it is answered. A word is any bytes; as a counter's name it is percent-encoded.

Prints a JSON object a line: {"acknowledged": words so far} after each call, {"broken": status} for each attempt that
got no answer, and {"replays": calls} at the end.
"""

import queue
import sys
import threading
import time

import grpc

from retrying import CHANNEL_OPTIONS, PASSING, tell, uuid7
from tally.v1 import counter_service_pb2 as messages
from tally.v1 import counter_service_pb2_grpc as service


def name_of(word: bytes) -> str:
    """A counter's name: printable ASCII stays, but for "%" and a leading "-"."""
    name = "".join(chr(b) if 0x21 <= b <= 0x7E and b != 0x25 else f"%{b:02X}" for b in word)
    return "%2D" + name[1:] if name.startswith("-") else name


class Counter:
    def __init__(self, address: str, batches: "queue.Queue[list[bytes]]"):
        self.stub = service.CounterServiceStub(grpc.insecure_channel(address, CHANNEL_OPTIONS))
        self.batches = batches
        self.lock = threading.Lock()
        self.acknowledged = 0
        self.replays = 0

    def work(self):
        while True:
            try:
                words = self.batches.get_nowait()
            except queue.Empty:
                return
            self.count(words)

    def count(self, words: "list[bytes]"):
        operations = [messages.Operation(name=name_of(word), increment=1) for word in words]
        request = messages.BatchApplyRequest(operations=operations, request_id=uuid7())
        answer = self.until_answered(request)
        if [outcome.name for outcome in answer.outcomes] != [operation.name for operation in operations]:
            raise AssertionError(f"expected an outcome for each of {len(words)} words, got {len(answer.outcomes)}")
        for outcome in answer.outcomes:
            if outcome.HasField("refusal") or outcome.value != outcome.previous + 1:
                raise AssertionError(f"expected an increment by 1, got {outcome}")
        with self.lock:
            self.acknowledged += len(words)
            self.replays += answer.replayed
            tell(acknowledged=self.acknowledged)

    def until_answered(self, request):
        while True:
            try:
                return self.stub.BatchApply(request, timeout=20, wait_for_ready=True)
            except grpc.RpcError as error:
                if error.code() not in PASSING:
                    raise
                tell(broken=error.code().name)
                time.sleep(0.02)


def main(address: str, path: str, batch_words: int, threads: int):
    with open(path, "rb") as file:
        words = file.read().split(b"\n")[:-1]
    batches = queue.Queue()
    for at in range(0, len(words), batch_words):
        batches.put(words[at : at + batch_words])
    counter = Counter(address, batches)
    workers = [threading.Thread(target=counter.work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if counter.acknowledged != len(words):
        raise SystemExit(f"{counter.acknowledged} of {len(words)} words were counted")
    tell(replays=counter.replays)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
