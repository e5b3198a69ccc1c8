"""Lead ports of the machine's loopback to addresses inside a cluster.

Separate because it is the only way from the machine to a cluster. The listening sockets are opened on the
machine and handed to a process inside, which dials with the cluster's own routes: so the machine needs no
route and no interface, and the forwarder ends with the cluster.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Protocol

from localcluster.daemons import Command, Detached, recorded, start_detached

if TYPE_CHECKING:
    from localcluster.sandbox import Sandbox

_CHUNK = 1 << 16
_BACKLOG = 512
_DIAL_SECONDS = 10


@dataclass(frozen=True)
class Forward:
    """One loopback port and where it leads."""

    port: int
    host: str
    target: int

    @property
    def name(self) -> str:
        """Return the forwarder's name; it holds the target, so that another target is another forwarder."""
        return f"forward-{self.port}-{self.host}-{self.target}"


class PortTakenError(RuntimeError):
    """A loopback port is in use."""


def ensure(sandbox: Sandbox, forward: Forward) -> Detached:
    """Start a forwarder inside the cluster unless the same one runs."""
    running = (one for one in recorded(sandbox) if one.name == forward.name and one.is_alive())
    return next(running, None) or _start(sandbox, forward)


def _start(sandbox: Sandbox, forward: Forward) -> Detached:
    with _listen(forward.port) as listener:
        descriptor = listener.fileno()
        program = (sys.executable, "-m", "localcluster.forward", str(descriptor), forward.host, str(forward.target))
        return start_detached(sandbox, Command(forward.name, program), keep=[descriptor])


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise PortTakenError(f"port {port} of 127.0.0.1 is taken: {error.strerror}") from error
    listener.listen(_BACKLOG)
    return listener


def serve(listener: socket.socket, target: tuple[str, int]) -> None:
    """Connect every caller of ``listener`` with the target, for ever.

    Two threads per connection: they wait in the kernel, and unlike event loops carry half-closed connections
    without any state of their own.
    """
    while True:
        caller, _ = listener.accept()
        Thread(target=_connect, args=(caller, target), daemon=True).start()


def _connect(caller: socket.socket, target: tuple[str, int]) -> None:
    with caller, contextlib.suppress(OSError), socket.create_connection(target, _DIAL_SECONDS) as far:
        far.settimeout(None)
        for one in (caller, far):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = Thread(target=pump, args=(far, caller), daemon=True)
        back.start()
        pump(caller, far)
        back.join()


class End(Protocol):
    """The part of a socket that copying needs."""

    def recv(self, size: int, /) -> bytes:
        """Return bytes, or none at the end."""

    def sendall(self, data: bytes, /) -> None:
        """Take bytes."""

    def shutdown(self, how: int, /) -> None:
        """End one direction or both."""


def pump(source: End, sink: End) -> None:
    """Copy one direction and pass on its end, leaving the other open; a failure ends both."""
    try:
        while chunk := source.recv(_CHUNK):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def main() -> None:
    """Serve the socket whose descriptor was handed over."""
    descriptor, host, port = sys.argv[1:]
    serve(socket.socket(fileno=int(descriptor)), (host, int(port)))


if __name__ == "__main__":
    main()
