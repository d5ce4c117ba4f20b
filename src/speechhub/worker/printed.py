"""What a worker prints, on its way into the log."""

from structlog.typing import FilteringBoundLogger


class Printed:
    """Logs a worker's lines, and remembers the last one; lives as long as the worker."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self.log = log
        self.working = False
        """Whether the engine has its model, and with it texts and recordings of users."""
        self._last_line = ""

    def line(self, stream: str, line: str) -> None:
        """Log what came on ``stdout`` or ``stderr``."""
        self._last_line = line
        # An engine that prints at work may well print what was said; that is for debugging only.
        say = self.log.debug if self.working else self.log.info
        say("worker output", stream=stream, line=line)

    def dropped(self, stream: str, lines: int) -> None:
        """Log that there was more than is kept."""
        self.log.warning("worker output dropped", stream=stream, lines=lines)

    def with_last_line(self, message: str) -> str:
        """Add what was printed last; only before the engine has worked, so that no user text gets out."""
        return f"{message} It said: {self._last_line}" if self._last_line else message
