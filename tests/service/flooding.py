"""A process that floods ``cmd/door.unlock``: MQTT 3.1.1 by hand, since a library is too slow.

python -m tests.service.flooding PORT KIND RATE_HZ SECONDS QOS < tokens
"""

from __future__ import annotations

import os
import random
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TOPIC = b"edged/hq/door-1/cmd/door.unlock"
_TICK_S = 0.02


def start(
    port: int, kind: str, rate_hz: float, seconds: float, qos: int, tokens: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Flood from a process of its own; `kind` is "random", "huge" or "tokens" (in turn)."""
    argv = [sys.executable, "-m", "tests.service.flooding"]
    argv += [str(port), kind, str(rate_hz), str(seconds), str(qos)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert process.stdin
    process.stdin.write("\n".join(tokens).encode())
    process.stdin.close()
    return process


def _string(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def _packet(kind: int, body: bytes) -> bytes:
    size, left = b"", len(body)
    while True:
        left, digit = divmod(left, 128)
        size += bytes([digit | (128 if left else 0)])
        if not left:
            return bytes([kind]) + size + body


def _payloads(kind: str, tokens: list[bytes]) -> Iterator[bytes]:
    huge = b"x" * 1_000_000
    number = 0
    while True:
        number += 1
        if kind == "random":
            yield random.randbytes(random.randint(1, 300))
        else:
            yield huge if kind == "huge" else tokens[number % len(tokens)]


def main(port: int, kind: str, rate_hz: float, seconds: float, qos: int) -> None:
    tokens = sys.stdin.buffer.read().split()
    link = socket.create_connection(("127.0.0.1", port))
    name = f"flood-{os.getpid()}".encode()
    link.sendall(_packet(0x10, _string(b"MQTT") + b"\x04\x02\x00\x00" + _string(name)))
    link.recv(4)
    payloads, sent = _payloads(kind, tokens), 0
    start_s = time.monotonic()
    while (now_s := time.monotonic() - start_s) < seconds:
        due = int(now_s * rate_hz) - sent
        packets = []
        for number in range(sent, sent + min(due, 2000)):
            mid = (number % 65_535 + 1).to_bytes(2, "big") if qos else b""
            packets.append(_packet(0x30 | qos << 1, _string(TOPIC) + mid + next(payloads)))
        sent += len(packets)
        link.sendall(b"".join(packets))
        while select.select([link], [], [], 0)[0]:
            if not link.recv(1 << 16):
                return
        time.sleep(_TICK_S)
    print(f"{kind} qos={qos} sent={sent} in {time.monotonic() - start_s:.1f} s", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
