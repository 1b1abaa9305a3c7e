"""Increments counters by one each, every increment once, whatever happens to the servers meanwhile.

    increment.py HOST:PORT ANSWERS_FILE WORKERS

Goes on until its standard input ends. Every second increment is of the counter "hot", the others of a thousand more.
Each has a request id and is sent again under the same id until it is answered. ANSWERS_FILE gets a line an answer: its request id, the counter's name, its etag,
its value, and "replayed" or "first".

Prints a JSON object a line: {"answered": so far} now and then, {"broken": status} for each attempt that got no answer.
"""

import asyncio
import itertools
import sys
import threading

import grpc

from retrying import CHANNEL_OPTIONS, PASSING, tell, uuid7
from tally.v1 import counter_service_pb2 as messages
from tally.v1 import counter_service_pb2_grpc as service

TELL_EVERY = 100
TIMEOUT_S = 15


async def until_answered(stub, request):
    while True:
        try:
            return await stub.Increment(request, timeout=TIMEOUT_S, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            if error.code() not in PASSING:
                raise
            tell(broken=error.code().name)
            await asyncio.sleep(0.02)


async def main(address: str, path: str, workers: int):
    stopped = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
    numbers = itertools.count()
    answered = 0

    async def work(stub, answers):
        nonlocal answered
        while not stopped.is_set():
            number = next(numbers)
            name = "hot" if number % 2 == 0 else f"cold/{number // 2 % 1000}"
            request = messages.IncrementRequest(name=name, amount=1, request_id=uuid7())
            outcome = (await until_answered(stub, request)).outcome
            replayed = "replayed" if outcome.replayed else "first"
            print(request.request_id, outcome.name, outcome.etag, outcome.value, replayed, file=answers)
            answered += 1
            if answered % TELL_EVERY == 0:
                tell(answered=answered)

    async with grpc.aio.insecure_channel(address, CHANNEL_OPTIONS) as channel:
        stub = service.CounterServiceStub(channel)
        with open(path, "w") as answers:
            await asyncio.gather(*(work(stub, answers) for _ in range(workers)))
    tell(answered=answered)


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
