"""Compressed request bodies, as clickhouse-connect sends them.

It compresses each block of rows as a frame of its own. A decompressor that stops after the first
frame would leave out all further blocks and say nothing, so the loop here goes on to the last
byte, and a frame that isn't whole is an error.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Any, Final

__all__ = ["BadBodyError", "UnknownEncodingError", "decompressed"]


class BadBodyError(ValueError):
    """The body isn't what its encoding says, or not all of it is there."""


class UnknownEncodingError(ValueError):
    """Nothing here decompresses that."""


def _lz4() -> Any:
    import lz4.frame  # noqa: PLC0415 - only servers that get such bodies need it

    return lz4.frame.LZ4FrameDecompressor()


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415
    else:
        from backports import zstd  # noqa: PLC0415
    return zstd.ZstdDecompressor()


#: Each makes an object with `decompress`, `eof` and `unused_data`. clickhouse-connect, which
#: compresses so, brings the two packages along.
_DECOMPRESSORS: Final[dict[str, Callable[[], Any]]] = {
    "lz4": _lz4,
    "zstd": _zstd,
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "deflate": lambda: zlib.decompressobj(wbits=15),
}


def decompressed(body: bytes, encoding: str) -> bytes:
    """Return a body in the clear.

    Args:
        body: one or more compressed frames.
        encoding: the value of ``Content-Encoding``.

    Raises:
        UnknownEncodingError: the encoding isn't known, or its package isn't installed.
        BadBodyError: the body isn't whole or no such thing.
    """
    if encoding == "identity":
        return body
    if encoding not in _DECOMPRESSORS:
        raise UnknownEncodingError(f"Content-Encoding {encoding} isn't supported by the embedded server")
    parts: list[bytes] = []
    try:
        while body:
            frame = _DECOMPRESSORS[encoding]()
            parts.append(frame.decompress(body))
            if not frame.eof:
                raise BadBodyError(f"the {encoding} body ends in the middle of a frame")
            body = frame.unused_data or b""
    except ImportError as error:
        raise UnknownEncodingError(f"Content-Encoding {encoding} needs a package: {error}") from error
    except BadBodyError:
        raise
    except Exception as error:
        # Each library has errors of its own, one of them a bare RuntimeError.
        raise BadBodyError(f"the body isn't {encoding}: {error}") from error
    return b"".join(parts)
