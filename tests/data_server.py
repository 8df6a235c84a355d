"""An HTTP server on loopback that behaves well or badly, as a test asks."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves `contents`: path -> bytes. `asked` lists the paths that were asked for.

    cut_to    paths of which only so many bytes come before the connection closes
    together  a barrier at which requests wait for each other, so that they overlap
    """

    def __init__(
        self,
        contents: Mapping[str, bytes],
        cut_to: Mapping[str, int] | None = None,
        together: threading.Barrier | None = None,
    ) -> None:
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.removeprefix("/")
                server.asked.append(path)
                if path not in contents:
                    self.send_error(404)
                    return
                if together is not None:
                    together.wait(timeout=60)
                content = contents[path]
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: (cut_to or {}).get(path)])

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._http.server_port}/"

    def run(self) -> None:
        self._http.serve_forever(poll_interval=0.01)

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@contextmanager
def serving(
    contents: Mapping[str, bytes],
    cut_to: Mapping[str, int] | None = None,
    together: threading.Barrier | None = None,
) -> Iterator[Server]:
    """A running server, stopped at the end of the block."""
    server = Server(contents, cut_to, together)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


def dead_address() -> str:
    """An address that refuses connections."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"
