"""Messages between two processes: a JSON header and the raw bytes of arrays. Nothing in them can run.

A message is ``length of the header (8 bytes, little-endian), header, arrays one after the other``. The header is
``{"kind": text, "body": any JSON value, "arrays": [[name, dtype, shape], ...]}``.
"""

from __future__ import annotations

import json
import math
import re
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MOST_HEADER = 256 * 2**20
KINDS = "biufcMmUS"
"""Kinds of dtype that travel: those whose values are in the array itself. Objects are not."""
_LENGTH = struct.Struct("<Q")
_PLAIN = re.compile(rf"[<>|=]?[{KINDS}]\d{{1,10}}(\[\w{{1,9}}\])?")


class ChannelError(Exception):
    """What came is no message, or the other side is gone."""


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """One message: what it is, a JSON value, and arrays by name."""

    kind: str
    body: Any = None
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def send(sock: socket.socket, message: Message) -> None:
    """Send a message.

    Raises
    ------
    TypeError
        If the body is not JSON, or an array holds objects.
    OSError
        If the other side is gone.
    """
    import numpy as np

    arrays = {name: np.ascontiguousarray(array) for name, array in message.arrays.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in KINDS:
            raise TypeError(f"array {name!r}: expected numbers or texts of a fixed length. Received: {array.dtype}.")
    # ascontiguousarray gives a scalar one axis: the shape is that of the array as it was given.
    listed = [[name, array.dtype.str, np.shape(message.arrays[name])] for name, array in arrays.items()]
    header = json.dumps({"kind": message.kind, "body": message.body, "arrays": listed}).encode()
    sock.sendall(_LENGTH.pack(len(header)) + header)
    for array in arrays.values():
        if array.nbytes:
            sock.sendall(array.reshape(-1).view(np.uint8).data)


def receive(sock: socket.socket, most_bytes: int | None = None) -> Message:
    """Return the next message.

    Parameters
    ----------
    sock : socket
        A blocking one, perhaps with a timeout.
    most_bytes : int, optional
        What arrays may hold, all together.

    Raises
    ------
    ChannelError
        If the other side is gone, or sends what is no message.
    TimeoutError
        If the socket's timeout passes.
    """
    (length,) = _LENGTH.unpack(_exactly(sock, _LENGTH.size))
    if length > MOST_HEADER:
        raise ChannelError(f"a header of {length:,} bytes")
    try:
        header = json.loads(bytes(_exactly(sock, length)))
        kind, body = header["kind"], header["body"]
        entries = [
            (str(name), str(dtype), tuple(int(size) for size in shape)) for name, dtype, shape in header["arrays"]
        ]
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise ChannelError(f"a header that is none: {type(error).__name__}") from error
    arrays: dict[str, NDArray[Any]] = {}
    left = math.inf if most_bytes is None else most_bytes
    for name, dtype, shape in entries:
        arrays[name] = _array(sock, dtype, shape, left)
        left -= arrays[name].nbytes
    return Message(str(kind), body, arrays)


def _array(sock: socket.socket, dtype: str, shape: tuple[int, ...], left: float) -> NDArray[Any]:
    import numpy as np

    if not _PLAIN.fullmatch(dtype):  # NumPy reads more than names of types
        raise ChannelError("an array of no known type")
    try:
        kind = np.dtype(dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise ChannelError("an array of no known type") from error
    if kind.kind not in KINDS or kind.hasobject or any(size < 0 for size in shape):
        raise ChannelError(f"an array of {kind}")
    if math.prod(shape) * kind.itemsize > left:
        raise ChannelError(f"arrays of more than {left:,.0f} bytes")
    array = np.empty(shape, dtype=kind)
    if array.nbytes:
        _fill(sock, array.reshape(-1).view(np.uint8).data)
    return array


def _exactly(sock: socket.socket, count: int) -> bytearray:
    buffer = bytearray(count)
    _fill(sock, memoryview(buffer))
    return buffer


def _fill(sock: socket.socket, view: memoryview[Any]) -> None:
    filled = 0
    while filled < len(view):
        count = sock.recv_into(view[filled:])
        if count == 0:
            raise ChannelError("the other side is gone")
        filled += count
