"""What a browser does, with nothing but the standard library."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage, HTTPResponse, IncompleteRead
from typing import Any

import cv2
import numpy as np


@dataclass(frozen=True)
class Answer:
    status: int
    headers: HTTPMessage
    text: str


class Events:
    """An open event stream."""

    def __init__(self, response: HTTPResponse) -> None:
        self.response = response

    def next(self) -> tuple[str, Any]:
        """The next event after that of the page's version: its name and its data; ("end", None)
        when the stream has ended."""
        name, data = self._next()
        return self._next() if name == "page" else (name, data)

    def _next(self) -> tuple[str, Any]:
        name = "message"
        data = None
        while line := self.response.readline().decode().rstrip("\n"):
            key, _, value = line.partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                data = value if name == "page" else json.loads(value)
        return (name, data) if data is not None else ("end", None)

    def until(self, **wanted: object) -> dict[str, Any]:
        """The first view that has these values."""
        while True:
            name, view = self.next()
            assert name != "end", f"the stream ended before {wanted}"
            if name == "message" and view.items() >= wanted.items():
                return dict(view)

    def drain(self) -> None:
        """Read until the server has ended the stream, politely or not."""
        with suppress(ConnectionResetError, IncompleteRead):
            while self.next() != ("end", None):
                pass


class Pictures:
    """An open stream of pictures."""

    def __init__(self, response: HTTPResponse) -> None:
        self.response = response

    def next(self) -> Any:
        """The next picture, decoded: BGR uint8."""
        size = int.from_bytes(self.response.read(4), "big")
        assert size > 0
        return cv2.imdecode(np.frombuffer(self.response.read(size), np.uint8), cv2.IMREAD_COLOR)


class Browser:
    """Asks one page; `close` closes all that it opened."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._stack = ExitStack()

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        connection = self._ask(path, method, headers)
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read().decode())
        connection.close()
        return answer

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", path, body, named)
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read().decode())
        connection.close()
        return answer

    def events(self) -> Events:
        response = self._ask("/events", "GET", {}).getresponse()
        self._stack.callback(response.close)
        assert response.status == 200
        return Events(response)

    def pictures(self) -> Pictures:
        response = self._ask("/picture", "GET", {}).getresponse()
        self._stack.callback(response.close)
        assert response.status == 200
        return Pictures(response)

    def raw(self, sent: bytes = b"") -> socket.socket:
        opened = self._stack.enter_context(socket.create_connection(("127.0.0.1", self.port), 20))
        opened.sendall(sent)
        return opened

    def close(self) -> None:
        self._stack.close()

    def _ask(self, path: str, method: str, headers: dict[str, str]) -> HTTPConnection:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        self._stack.callback(connection.close)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=named)
        return connection
