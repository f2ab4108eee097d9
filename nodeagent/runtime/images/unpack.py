"""The worker that unpacks one layer: a process of its own, whose root is the folder it fills.

Keeps true: no name, link or device in a layer can reach outside that folder, as the worker has nothing else: it calls
chroot before the first entry. What it is fed is hashed as it comes and again as it is inflated. Whiteouts become
overlayfs' own; extended attributes that would steer overlayfs are dropped; device nodes are left out. However much a
few bytes inflate to, it takes no more memory than MEMORY_BYTES_MAX.
Reads the layer (tar, gzip or zstd) from stdin; writes the folder, and one JSON object to stdout.
Standard library only: run as `python -I -S -c "..."` by `layers`.
Source: OCI image specification, layer.md; kernel docs filesystems/overlayfs.
"""

import contextlib
import errno
import fcntl
import functools
import hashlib
import importlib
import itertools
import json
import os
import queue
import resource
import shutil
import site
import stat
import sys
import tarfile
import threading
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Protocol

MEMORY_BYTES_MAX = 1 << 30
_READ_BYTES = 1 << 18
_TAR_BYTES = 1 << 15  # tarfile copies what it has buffered for every entry.
_PIECES_MAX = 4
_ZSTD_BYTES = 1 << 10
_PIPE_BYTES = 1 << 20
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_XATTR = "SCHILY.xattr."
_XATTRS_KEPT = ("security.capability", "user.")


class HostileLayerError(ValueError):
    """A layer that no honest tool makes."""


class Decompressor(Protocol):
    """What turns stored bytes into the tar; made anew for the next member or frame."""

    def __init__(self) -> None: ...

    @property
    def eof(self) -> bool:
        """Whether the member or frame is over."""

    def inflate(self, data: bytes) -> tuple[bytes, bytes]:
        """Return a piece of the tar, and what of `data` has not been looked at yet."""


def main() -> None:
    """Fill the folder that the last argument names from stdin, and say on stdout how it went."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    with contextlib.suppress(OSError):
        fcntl.fcntl(sys.stdin.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    try:
        result = unpack(sys.stdin.buffer, sys.argv[2])
    except OSError as error:
        result = {"error": f"layer: {error}", "errno": error.errno}
    except (ValueError, EOFError, zlib.error, tarfile.TarError) as error:
        result = {"error": f"layer: {error}"}
    except (MemoryError, RecursionError) as error:
        result = {"error": f"layer: it is too much to unpack ({type(error).__name__}); build the image anew"}
    sys.stdout.write(json.dumps(result))
    sys.stdout.flush()
    os._exit(0)  # The thread may still be at it: to end it would take a library, which is not in the folder.


def unpack(source: BinaryIO, folder: str) -> dict[str, Any]:
    """Unpack a layer; return its `digest`, the `diff_id` of the tar in it, `size_bytes` and `skipped` devices."""
    stream = Stream(source)
    os.umask(0)
    os.chroot(folder)
    os.chdir("/")
    skipped = 0
    times: list[tuple[str, int]] = []
    with tarfile.open(fileobj=stream, mode="r|", bufsize=_TAR_BYTES) as archive:  # type: ignore[call-overload]
        for member in _members(archive, stream):
            skipped += not _place(archive, member, times)
    for path, when in reversed(times):
        os.utime(path, (when, when))
    stream.drain()
    return {"digest": stream.digest(), "diff_id": stream.diff_id(), "size_bytes": stream.size_bytes, "skipped": skipped}


def _members(archive: tarfile.TarFile, stream: "Stream") -> Iterator[tarfile.TarInfo]:
    """Yield the entries. A tar may end with the content of the last one, without padding and mark, as umoci's do."""
    content_end = 0
    while True:
        try:
            member = archive.next()
        except tarfile.ReadError:
            if stream.tar_bytes == content_end:
                return
            raise
        if member is None:
            return
        content_end = member.offset_data + (member.size if member.isreg() else 0)
        yield member
        archive.members = []  # type: ignore[attr-defined] # A layer of a million files must not be held in memory.


class Stream:
    """The layer as a tar, hashed before and after inflation by a thread that runs ahead of who reads."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._outer, self._inner = hashlib.sha256(), hashlib.sha256()
        self._pieces: queue.Queue[bytes | BaseException] = queue.Queue(_PIECES_MAX)
        self._pending, self._taken = b"", 0
        self._is_over = False
        self.size_bytes = self.tar_bytes = 0
        self._first = next(self._stored(), b"")
        self._inflater = decompressor(self._first[:4])  # Made before chroot, as it may need a package.
        threading.Thread(target=self._produce, daemon=True).start()

    def read(self, count: int) -> bytes:
        """Return at most `count` bytes of the tar, none at its end."""
        if self._taken == len(self._pending) and not self._is_over:
            piece = self._pieces.get()
            if isinstance(piece, BaseException):
                raise piece
            self._pending, self._taken, self._is_over = piece, 0, not piece
        piece = self._pending[self._taken : self._taken + count]
        self._taken += len(piece)
        return piece

    def drain(self) -> None:
        """Read what follows the tar's end: it is part of both digests."""
        while self.read(_READ_BYTES):
            pass

    def digest(self) -> str:
        """Return the digest of the stored bytes."""
        return f"sha256:{self._outer.hexdigest()}"

    def diff_id(self) -> str:
        """Return the digest of the tar."""
        return f"sha256:{self._inner.hexdigest()}"

    def _produce(self) -> None:
        try:
            for piece in inflated(itertools.chain([self._first], self._stored()), self._inflater):
                self._inner.update(piece)
                self.tar_bytes += len(piece)
                self._pieces.put(piece)
            self._pieces.put(b"")
        except BaseException as error:  # noqa: BLE001 - it is raised where the next piece is read.
            self._pieces.put(error)

    def _stored(self) -> Iterator[bytes]:
        while data := self._source.read(_READ_BYTES):
            self._outer.update(data)
            self.size_bytes += len(data)
            yield data


def inflated(stored: Iterable[bytes], inflater: Decompressor | None) -> Iterator[bytes]:
    """Yield the tar that `stored` is or holds, across the seams of several gzip members or zstd frames; no empty piece.

    Raises EOFError where what is compressed ends too early.
    """
    if inflater is None:
        yield from filter(None, stored)
        return
    for data in stored:
        rest = data
        while rest:
            if inflater.eof:
                inflater = type(inflater)()
            piece, rest = inflater.inflate(rest)
            if piece:
                yield piece
    if not inflater.eof:
        raise EOFError("its compressed data ends too early; fetch it again")


class Gzip:
    """One member of a gzip file."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    def inflate(self, data: bytes) -> tuple[bytes, bytes]:
        piece = self._inflater.decompress(data, _READ_BYTES)
        return piece, self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail


class Zstd:
    """One frame of a zstd file. A bomb is given little at once: it makes 32,000 times as much of it."""

    def __init__(self) -> None:
        self._inflater = _zstandard().ZstdDecompressor().decompressobj()

    @property
    def eof(self) -> bool:
        return bool(self._inflater.eof)

    def inflate(self, data: bytes) -> tuple[bytes, bytes]:
        piece: bytes = self._inflater.decompress(data[:_ZSTD_BYTES])
        unused = self._inflater.unused_data if self._inflater.eof else b""
        return piece, unused + data[_ZSTD_BYTES:]


@functools.cache
def _zstandard() -> Any:
    site.main()  # The packages of this environment, which -S leaves out.
    return importlib.import_module("zstandard")


def decompressor(magic: bytes) -> Decompressor | None:
    """Return what inflates data that begins with `magic`, or None for a plain tar."""
    if magic.startswith(_GZIP):
        return Gzip()
    return Zstd() if magic == _ZSTD else None


def _place(archive: tarfile.TarFile, member: tarfile.TarInfo, times: list[tuple[str, int]]) -> bool:
    """Make what `member` describes; return False for a device, which is left out."""
    path = _inside(member.name)
    parent, name = os.path.split(path)
    if not os.path.isdir(parent):
        os.makedirs(parent, mode=0o755, exist_ok=True)
    if name.startswith(_WHITEOUT):
        _white_out(parent, name)
        return True
    if member.ischr() or member.isblk():
        return False
    _clear(path, keep_folder=member.isdir())
    if member.isfile():
        _make_file(archive, member, path)
        return True
    _make(member, path)
    os.lchown(path, member.uid, member.gid)
    if not member.issym() and not member.islnk():
        os.chmod(path, member.mode & 0o7777)
    _set_attributes(path, member)
    if member.isdir():
        times.append((path, int(member.mtime)))
    elif not member.islnk():
        os.utime(path, (int(member.mtime), int(member.mtime)), follow_symlinks=False)
    return True


def _make_file(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        for data in _content(archive, member):
            written = os.write(descriptor, data)
            while written < len(data):  # A disk that is nearly full takes a part; the next call says so.
                written += os.write(descriptor, data[written:])
        os.fchown(descriptor, member.uid, member.gid)
        os.fchmod(descriptor, member.mode & 0o7777)
        _set_attributes(descriptor, member)
        os.utime(descriptor, (int(member.mtime), int(member.mtime)))
    finally:
        os.close(descriptor)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    """Yield what is in a file, past the buffers that tarfile would make for it; only one with holes needs those."""
    if member.issparse():
        content = archive.extractfile(member)
        assert content is not None
        yield from iter(lambda: content.read(_READ_BYTES), b"")
        return
    assert archive.fileobj is not None
    left = member.size
    while left:
        data = archive.fileobj.read(min(left, _READ_BYTES))
        if not data:
            raise tarfile.ReadError(f"unexpected end of data in {member.name!r}; fetch it again")
        left -= len(data)
        yield data


def _make(member: tarfile.TarInfo, path: str) -> None:
    if member.isdir():
        if not os.path.isdir(path):
            os.mkdir(path)
    elif member.issym():
        os.symlink(member.linkname, path)
    elif member.islnk():
        os.link(_inside(member.linkname), path, follow_symlinks=False)
    elif member.isfifo():
        os.mkfifo(path)
    else:
        raise HostileLayerError(f"entry {member.name!r} is of an unknown type {member.type!r}; build the image anew")


def _inside(name: str) -> str:
    """Return the absolute path of an entry in its layer; a name that climbs is refused, however harmless here."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise HostileLayerError(f"entry {name!r} leaves the image; it was not made by an honest tool")
    return "/" + "/".join(parts)


def _white_out(parent: str, name: str) -> None:
    if name == _OPAQUE:
        os.setxattr(parent, "trusted.overlay.opaque", b"y")
        return
    hidden = name[len(_WHITEOUT) :]
    if hidden in {"", ".", ".."}:
        raise HostileLayerError(f"whiteout {name!r} hides no file; it was not made by an honest tool")
    path = os.path.join(parent, hidden)
    _clear(path, keep_folder=False)
    os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))


def _clear(path: str, *, keep_folder: bool) -> None:
    """Remove what is at `path`: a later entry of a name replaces the earlier, without following any link."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        os.unlink(path)
    elif not keep_folder:
        shutil.rmtree(path)


def _set_attributes(path: str | int, member: tarfile.TarInfo) -> None:
    for key, value in member.pax_headers.items():
        name = key.removeprefix(_XATTR)
        if name == key or not name.startswith(_XATTRS_KEPT) or name.startswith("user.overlay."):
            continue
        try:
            data = value.encode("utf-8", "surrogateescape")
            if isinstance(path, int):
                os.setxattr(path, name, data)
            else:
                os.setxattr(path, name, data, follow_symlinks=False)
        except OSError as error:
            if error.errno not in {errno.ENOTSUP, errno.EPERM}:
                raise
