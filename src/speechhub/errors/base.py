"""What all errors have in common."""


class SpeechhubError(Exception):
    """Base of all errors raised on purpose."""

    code: str | None = None
    """Stable identifier for programs; None where OpenAI's API has none either."""

    @property
    def message(self) -> str:
        """What went wrong and what to do about it, safe to show to a client."""
        return str(self)
