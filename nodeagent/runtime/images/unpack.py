"""The worker that unpacks one layer: a process of its own, whose root is the folder it fills.

Keeps true: no name, link or device in a layer can reach outside that folder, as the worker has nothing else: it calls
chroot before the first entry. What it is fed is hashed as it comes and again as it is inflated. Whiteouts become
overlayfs' own; extended attributes that would steer overlayfs are dropped; device nodes are left out. However much a
few bytes inflate to, it takes no more memory than MEMORY_BYTES_MAX.
Reads the layer (tar, gzip or zstd) from stdin; writes the folder, and one JSON object to stdout.
Standard library only: run as `python -I -S -c "..."` by `layers`.
Source: OCI image specification, layer.md; kernel docs filesystems/overlayfs.
"""

import errno
import hashlib
import importlib
import json
import os
import resource
import shutil
import site
import stat
import sys
import tarfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

MEMORY_BYTES_MAX = 1 << 30
_READ_BYTES = 1 << 18
_GZIP_BYTES, _ZSTD_BYTES = 1 << 13, 1 << 10  # What a bomb is given at once: they make of it 1,000 and 32,000 times it.
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_XATTR = "SCHILY.xattr."
_XATTRS_KEPT = ("security.capability", "user.")


class HostileLayerError(ValueError):
    """A layer that no honest tool makes."""


class Decompressor(Protocol):
    """What turns stored bytes into the tar."""

    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def main() -> None:
    """Fill the folder that the last argument names from stdin, and say on stdout how it went."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    try:
        result = unpack(sys.stdin.buffer, sys.argv[2])
    except OSError as error:
        result = {"error": f"layer: {error}", "errno": error.errno}
    except (ValueError, EOFError, zlib.error, tarfile.TarError) as error:
        result = {"error": f"layer: {error}"}
    except (MemoryError, RecursionError) as error:
        result = {"error": f"layer: it is too much to unpack ({type(error).__name__}); build the image anew"}
    sys.stdout.write(json.dumps(result))


def unpack(source: BinaryIO, folder: str) -> dict[str, Any]:
    """Unpack a layer; return its `digest`, the `diff_id` of the tar in it, `size_bytes` and `skipped` devices."""
    stream = Stream(source)
    os.umask(0)
    os.chroot(folder)
    os.chdir("/")
    skipped = 0
    times: list[tuple[str, int]] = []
    with tarfile.open(fileobj=stream, mode="r|", bufsize=_READ_BYTES) as archive:  # type: ignore[call-overload]
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
    """The layer as a tar, hashed before and after inflation."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._outer, self._inner = hashlib.sha256(), hashlib.sha256()
        self._pending = self._stored = b""
        self.size_bytes = self.tar_bytes = 0
        first = self._read_source()
        self._magic = first[:4]
        self._inflater = decompressor(self._magic)
        self._stored = first

    def read(self, count: int) -> bytes:
        """Return `count` bytes of the tar, fewer only at its end."""
        while len(self._pending) < count:
            self._stored = self._stored or self._read_source()
            if not self._stored:
                self._check_end()
                break
            most = _READ_BYTES if self._inflater is None else _ZSTD_BYTES if self._magic == _ZSTD else _GZIP_BYTES
            data, self._stored = self._stored[:most], self._stored[most:]
            self._pending += self._inflate(data)
        piece, self._pending = self._pending[:count], self._pending[count:]
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

    def _read_source(self) -> bytes:
        data = self._source.read(_READ_BYTES)
        self._outer.update(data)
        self.size_bytes += len(data)
        return data

    def _inflate(self, data: bytes) -> bytes:
        out = data if self._inflater is None else self._inflate_members(data)
        self._inner.update(out)
        self.tar_bytes += len(out)
        return out

    def _inflate_members(self, data: bytes) -> bytes:
        """Inflate across the seams of a file that is several gzip members or zstd frames."""
        assert self._inflater is not None
        pieces = []
        while data:
            if self._inflater.eof:
                self._inflater = decompressor(self._magic)
                assert self._inflater is not None
            pieces.append(self._inflater.decompress(data))
            data = getattr(self._inflater, "unused_data", b"") if self._inflater.eof else b""
        return b"".join(pieces)

    def _check_end(self) -> None:
        if self._inflater is not None and not self._inflater.eof:
            raise EOFError("its compressed data ends too early; fetch it again")


def decompressor(magic: bytes) -> Decompressor | None:
    """Return what inflates data that begins with `magic`, or None for a plain tar."""
    if magic.startswith(_GZIP):
        return zlib.decompressobj(wbits=31)
    if magic == _ZSTD:
        return _zstd()
    return None


def _zstd() -> Decompressor:
    site.main()  # The packages of this environment, which -S leaves out.
    zstandard = importlib.import_module("zstandard")
    made: Decompressor = zstandard.ZstdDecompressor().decompressobj()
    return made


def _place(archive: tarfile.TarFile, member: tarfile.TarInfo, times: list[tuple[str, int]]) -> bool:
    """Make what `member` describes; return False for a device, which is left out."""
    path = _inside(member.name)
    parent, name = os.path.split(path)
    if parent != "/" or name:
        os.makedirs(parent, mode=0o755, exist_ok=True)
    if name.startswith(_WHITEOUT):
        _white_out(parent, name)
        return True
    if member.ischr() or member.isblk():
        return False
    _clear(path, keep_folder=member.isdir())
    _make(archive, member, path)
    os.lchown(path, member.uid, member.gid)
    if not member.issym() and not member.islnk():
        os.chmod(path, member.mode & 0o7777)
    _set_attributes(path, member)
    if member.isdir():
        times.append((path, int(member.mtime)))
    elif not member.islnk():
        os.utime(path, (int(member.mtime), int(member.mtime)), follow_symlinks=False)
    return True


def _make(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
    if member.isdir():
        if not os.path.isdir(path):
            os.mkdir(path)
    elif member.issym():
        os.symlink(member.linkname, path)
    elif member.islnk():
        os.link(_inside(member.linkname), path, follow_symlinks=False)
    elif member.isfifo():
        os.mkfifo(path)
    elif member.isfile():
        content = archive.extractfile(member)
        assert content is not None
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            shutil.copyfileobj(content, file, _READ_BYTES)
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


def _set_attributes(path: str, member: tarfile.TarInfo) -> None:
    for key, value in member.pax_headers.items():
        name = key.removeprefix(_XATTR)
        if name == key or not name.startswith(_XATTRS_KEPT) or name.startswith("user.overlay."):
            continue
        try:
            os.setxattr(path, name, value.encode("utf-8", "surrogateescape"), follow_symlinks=False)
        except OSError as error:
            if error.errno not in {errno.ENOTSUP, errno.EPERM}:
                raise
