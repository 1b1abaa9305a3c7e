"""Listens as systemd does for what services tell it: a JSON array of assignments a line, of each datagram."""

import array
import json
import os
import socket
import sys

listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1])
print("[]", flush=True)
while True:
    text, ancillary, _, _ = listener.recvmsg(65536, socket.CMSG_SPACE(4 * array.array("i").itemsize))
    for _, kind, data in ancillary:  # A barrier: whoever sent it waits until this is closed.
        if kind == socket.SCM_RIGHTS:
            for fd in array.array("i", data[: len(data) - len(data) % 4]):
                os.close(fd)
    told = text.decode().rstrip("\n").split("\n")
    if told != ["BARRIER=1"]:
        print(json.dumps(told), flush=True)
