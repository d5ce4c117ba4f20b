"""Has the pretended binding there before speechhub looks for the real driver's library."""

import pynvml  # noqa: F401
