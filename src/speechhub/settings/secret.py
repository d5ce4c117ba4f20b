"""Text that must not be shown, and the environment variables that hold such text."""

import hmac
import re
from typing import Final

SECRET_NAME: Final = re.compile(
    r"(?:^|_)(?:API_?KEYS?|KEYS?|TOKENS?|SECRETS?|CREDENTIALS?|AUTH)(?:_|$)|PASSW", re.IGNORECASE
)
"""Names of variables that hold a secret or lead to one, such as ``HF_TOKEN`` and ``AWS_ACCESS_KEY_ID``."""
PASSWORD_IN_ADDRESS: Final = re.compile(r"://[^/\s@]+@")


def is_secret(name: str, value: str) -> bool:
    """Tell whether a variable holds a secret: by its name, or because its value is a URL with a password."""
    return bool(SECRET_NAME.search(name) or PASSWORD_IN_ADDRESS.search(value))


class Secret:
    """Text that is never printed by accident: not by `repr`, a format string or a JSON encoder."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text."""
        return self._text

    def __repr__(self) -> str:
        return "Secret()"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)
