"""A wall clock that can be stepped while programs run, with libfaketime; the monotonic clock is unchanged."""

from pathlib import Path

PLACES = (
    "usr/lib/*/faketime/libfaketimeMT.so.1",
    "usr/lib*/faketime/libfaketimeMT.so.1",
    "usr/local/lib/faketime/libfaketimeMT.so.1",
)
MISSING = "the library libfaketimeMT is not installed (Debian: apt install faketime)"


def library() -> Path | None:
    """Return the library, if it is installed."""
    return next((path for place in PLACES for path in sorted(Path("/").glob(place))), None)


class Clock:
    """The wall clock of programs that run with `env`."""

    def __init__(self, file: Path, preloaded: Path) -> None:
        self._file = file
        self.env = {
            "LD_PRELOAD": str(preloaded),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",  # otherwise each reading of the clock would open the file
            "FAKETIME_DISABLE_SHM": "1",  # a killed process would leave shared memory behind
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.step(0)

    def step(self, offset_s: int) -> None:
        """Set the clock to the real time plus *offset_s*; programs see it within a second."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset_s:+d}\n", "utf-8")
        new.replace(self._file)
