"""Within a pack host that no listener watches: an audit hook of Python's tells the service what the pack tries.

Second best. Code that goes round Python (``ctypes``, an extension) is stopped by the same walls, but no longer heard.
"""

import os
import socket
import sys

_WHAT = {
    "socket.__new__": "network", "socket.connect": "network", "socket.bind": "network", "socket.getaddrinfo": "network",
    "socket.gethostbyname": "network", "socket.sendto": "network",
    "subprocess.Popen": "process", "os.exec": "process", "os.fork": "process", "os.forkpty": "process", "os.posix_spawn": "process",
    "os.spawn": "process", "os.system": "process", "os.kill": "process", "os.killpg": "process", "pty.spawn": "process",
    "os.chmod": "file", "os.chown": "file", "os.utime": "file", "os.truncate": "file", "os.setxattr": "file",
    "ctypes.dlopen": "other",
}  # fmt: skip


def watch(handover: socket.socket, *, network: bool) -> None:
    """Tell of tries over ``handover``, a line each, from now on. There is no way to take a hook back."""
    handover.setblocking(False)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        what = _WHAT.get(event)
        # An event loop makes itself a pair of sockets.
        ours = event == "socket.__new__" and len(arguments) > 1 and arguments[1] == socket.AF_UNIX
        if what is None or ours or (network and what == "network") or (event == "os.kill" and arguments[:1] == (os.getpid(),)):
            return
        try:
            handover.send(f"{what} {event}\n".encode())
        except OSError:  # full: the service is behind, and has heard enough
            return

    sys.addaudithook(hook)
