"""Connections to the ports of a pod's own loopback, made inside its network namespace.

Keeps true: a port that a pod opens on 127.0.0.1 or ::1 alone is reached too; no task but the thread that makes a socket
ever is in another network namespace.
"""

import asyncio
import os
import socket

from nodeagent.runtime import syscalls

PIECE_BYTES = 32768
CONNECT_TIMEOUT_S = 10.0
_LOOPBACKS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


async def connect(netns_path: str, port: int) -> socket.socket:
    """Return a connection to `port`; an empty path is the node's own namespace. Raises the OSError of 127.0.0.1."""
    failures: list[OSError] = []
    for family, address in _LOOPBACKS:
        try:
            return await _connect(netns_path, family, address, port)
        except OSError as error:
            failures.append(error)
    raise failures[0]


async def _connect(netns_path: str, family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    connection = await asyncio.to_thread(_socket_in, netns_path, family)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await asyncio.get_running_loop().sock_connect(connection, (address, port))
    except BaseException:
        connection.close()
        raise
    return connection


def unreachable(port: int, error: OSError) -> bytes:
    """Return what a client is told of a port that can't be reached."""
    return f"port {port}: nothing in the pod accepts connections there ({error})".encode()


def _socket_in(netns_path: str, family: socket.AddressFamily) -> socket.socket:
    """Return a socket of another network namespace; only this thread visits it, and comes back."""
    made = _made_in(netns_path, family) if netns_path else socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)
    return made


def _made_in(netns_path: str, family: socket.AddressFamily) -> socket.socket:
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        away = os.open(netns_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            syscalls.join_namespaces(away, syscalls.CLONE_NEWNET)
        finally:
            os.close(away)
        try:
            return socket.socket(family, socket.SOCK_STREAM)
        finally:
            syscalls.join_namespaces(home, syscalls.CLONE_NEWNET)
    finally:
        os.close(home)
