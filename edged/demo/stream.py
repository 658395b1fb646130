"""The synthetic camera as a network camera: Motion JPEG over HTTP on loopback."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import cv2

from edged.demo.scenes import EMPTY, Lobby, Scene

if TYPE_CHECKING:
    from typing import Self

RATE_HZ = 15.0
_BOUNDARY = "frame"


class CameraStream:
    """Serves the current scene to whoever connects; `show` changes it."""

    def __init__(self) -> None:
        self._scene = EMPTY
        self._closed = threading.Event()
        stream = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
                self.end_headers()
                stream.serve(self.wfile)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where a camera driver finds the stream."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/camera.mjpg"

    def show(self, scene: Scene) -> None:
        """What the camera sees from now on."""
        self._scene = scene

    def serve(self, sink: Any) -> None:
        """Write frames at the camera's rate until the reader goes away."""
        lobby = Lobby()
        start = time.monotonic()
        frame = 0
        while not self._closed.wait(max(0.0, start + frame / RATE_HZ - time.monotonic())):
            frame += 1
            image = lobby.draw(self._scene, frame / RATE_HZ)
            jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
            head = (
                f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            )
            try:
                sink.write(head.encode() + jpeg + b"\r\n")
            except OSError:
                return
