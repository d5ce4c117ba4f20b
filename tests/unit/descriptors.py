"""A process that has nearly no descriptors left."""

import contextlib
import errno
import os
import resource

ENOUGH = 8
"""As many as anything here has open at a time."""


@contextlib.contextmanager
def descriptors_left(count):
    """Let this process open *count* more files, and no others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 4096), hard))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for descriptor in taken[len(taken) - count :]:
            os.close(descriptor)
        taken = taken[: len(taken) - count]
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def exhausted(error):
    """Tell whether an error is only that there were no descriptors."""
    return isinstance(error, OSError) and error.errno == errno.EMFILE
