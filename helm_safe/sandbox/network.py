"""The loopback device of the sandbox's own network namespace: up, and the home of every 10.x address (AnyIP)."""

from __future__ import annotations

import errno
import fcntl
import socket
import struct

from helm_safe.sandbox.errors import SandboxError

NODE_IP = "10.0.0.1"
METRICS_IP = "10.0.0.2"
ISTIO_IP = "10.0.0.3"
SERVICE_CIDR = "10.96.0.0/16"
POD_CIDR = "10.8.0.0/16"

_SET_FLAGS, _SET_ADDRESS, _SET_NETMASK = 0x8914, 0x8916, 0x891C
_UP_AND_RUNNING = 0x1 | 0x40


def prepare_loopback() -> None:
    """Bring loopback up and give it 10.0.0.1/8: the kernel then takes the whole network for local.

    Done with ioctls, so that no iproute2 is needed. Raises OSError outside a namespace of our own.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, _SET_FLAGS, _name("lo") + struct.pack("<h22x", _UP_AND_RUNNING))
        fcntl.ioctl(handle, _SET_ADDRESS, _name("lo:1") + _address(NODE_IP))
        fcntl.ioctl(handle, _SET_NETMASK, _name("lo:1") + _address("255.0.0.0"))
        fcntl.ioctl(handle, _SET_FLAGS, _name("lo:1") + struct.pack("<h22x", _UP_AND_RUNNING))


def _name(device: str) -> bytes:
    return device.encode().ljust(16, b"\0")


def _address(ip: str) -> bytes:
    return struct.pack("=H2x4s16x", socket.AF_INET, socket.inet_aton(ip))


def listen(port: int) -> socket.socket:
    """A listening socket on this machine's loopback; port 0 takes a free one. Raises SandboxError when it is in use."""
    handle = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        handle.bind(("127.0.0.1", port))
        handle.listen(512)
    except OSError as error:
        handle.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise SandboxError(
            f"Port {port} of 127.0.0.1 is in use by another program.",
            f"`ss -ltnp 'sport = :{port}'` tells which; end it, or bring the sandbox up again: it takes free ports.",
        ) from error
    return handle


def free_ports(count: int) -> list[int]:
    """Ports of loopback that are free now; only for the mode without a namespace of our own."""
    handles = [listen(0) for _ in range(count)]
    ports = [int(handle.getsockname()[1]) for handle in handles]
    for handle in handles:
        handle.close()
    return ports
