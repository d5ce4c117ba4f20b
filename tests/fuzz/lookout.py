"""Notices whoever touches a file or an address."""

import contextlib
import ctypes
import os
import socket

_IN_ACCESS, _IN_OPEN = 0x1, 0x20


class Lookout:
    """A file and an address that nobody may touch; `touched` tells whether somebody did."""

    def __init__(self, path):
        """Watch the file *path*, which exists, and a port on the loopback interface.

        Source: inotify(7).
        """
        libc = ctypes.CDLL(None, use_errno=True)
        self._events = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self._events >= 0
        assert libc.inotify_add_watch(self._events, os.fsencode(path), _IN_ACCESS | _IN_OPEN) >= 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0)
        self.port = self._listener.getsockname()[1]

    def touched(self):
        """Return what was touched since the last time."""
        found = set()
        with contextlib.suppress(BlockingIOError):
            self._listener.accept()[0].close()
            found.add("address")
        with contextlib.suppress(BlockingIOError):
            os.read(self._events, 4096)
            found.add("file")
        return found

    def close(self):
        """Stop watching."""
        os.close(self._events)
        self._listener.close()
