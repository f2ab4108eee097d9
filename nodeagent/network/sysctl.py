"""Switches of the kernel under /proc/sys/net. Each network namespace has its own; a thread sees those of its own."""

from pathlib import Path


def switch(name: str, value: str) -> None:
    """Set net/... to a value, where it differs."""
    path = Path("/proc/sys", name)
    if path.read_text().strip() != value:
        path.write_text(value)


def let_loopback_out(link: str) -> None:
    """Let node ports on 127.0.0.1 lead to pods out of this link; the loopback guard keeps others' packets out."""
    switch(f"net/ipv4/conf/{link}/route_localnet", "1")
