"""Placeholder keys from sample configurations, which everyone can know."""

import re
from typing import Final

_KIND: Final = "(own|secret|api|admin|client|openai)*(key|token|secret|password)s?"
_SAMPLE: Final = re.compile(
    "(please)?(change|replace)(me|it|this)?(now|please|later)?"
    f"|(sk)?(insert|enter|put|paste)?(your|the)?{_KIND}(goes)?here"
    f"|(sk)?your{_KIND}"
    f"|(example|sample|dummy)({_KIND})?"
    "|(sk|key)?x{3,}"
    "|placeholder|todo|fixme|unused|any|none|null|undefined"
)
"""Compared in lower case, letters and digits only; our documentation tells clients to send ``unused`` or
``any`` to a server without keys."""
_TEMPLATE: Final = re.compile(r"<.*>|\$?\{.*\}|\$\(.*\)|`.*`|%\w+%|\$[A-Za-z_]\w*|[.…*]+")
"""A gap to fill in, or something that only a shell expands, such as ``$(openssl rand -hex 32)`` in a file."""


def is_placeholder(key: str) -> bool:
    """Tell whether a key is a placeholder from a sample."""
    return bool(_SAMPLE.fullmatch(re.sub(r"[\W_]", "", key).lower()) or _TEMPLATE.fullmatch(key))
