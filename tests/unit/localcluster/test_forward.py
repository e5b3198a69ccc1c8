"""A forwarder carries bytes and each side's end, and ends both sides when one fails."""

from __future__ import annotations

import socket

from localcluster.forward import Forward, pump


class End:
    """One end of a connection, played by the test."""

    def __init__(self, *incoming: bytes, broken: bool = False) -> None:
        self._incoming = list(incoming)
        self._broken = broken
        self.sent = b""
        self.ended: list[int] = []

    def recv(self, _: int, /) -> bytes:
        return self._incoming.pop(0) if self._incoming else b""

    def sendall(self, data: bytes, /) -> None:
        if self._broken:
            raise ConnectionResetError
        self.sent += data

    def shutdown(self, how: int, /) -> None:
        self.ended.append(how)


def test_bytes_and_the_end_are_passed_on_while_the_way_back_stays_open() -> None:
    source, sink = End(b"hel", b"lo"), End()
    pump(source, sink)
    assert sink.sent == b"hello"
    assert sink.ended == [socket.SHUT_WR]
    assert source.ended == []


def test_a_failure_ends_both_sides() -> None:
    source, sink = End(b"hello"), End(broken=True)
    pump(source, sink)
    assert source.ended == [socket.SHUT_RDWR]
    assert sink.ended == [socket.SHUT_RDWR]


def test_another_target_is_another_forwarder() -> None:
    assert Forward(1, "a", 2).name != Forward(1, "a", 3).name
    assert Forward(1, "a", 2).name == Forward(1, "a", 2).name
