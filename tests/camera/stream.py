"""A camera on the network: MJPEG over HTTP, on loopback, that can be pulled off the wire."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2

from tests.camera.conftest import picture


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        data = cv2.imencode(".jpg", picture(3))[1].tobytes()
        head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data)
        try:
            while not self.server.pulled.wait(0.01):
                self.wfile.write(head + data + b"\r\n")
        except OSError:
            pass  # the reader went away

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True
    pulled: threading.Event


class Stream:
    def __init__(self) -> None:
        self.port = 0
        self.plug()

    def plug(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.pulled = threading.Event()
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def pull(self) -> None:
        self._server.pulled.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://admin:hunter2@127.0.0.1:{self.port}/live?pwd=hunter2"
