"""Options that STT engines share: the languages that are spoken where a request names none."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from speechhub.engine.options import TranscribeRequest
from speechhub.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenLanguages:
    """A base class for an engine's settings, with the options ``language`` and ``languages``."""

    language: str = ""
    """ISO code of the language that is spoken where a request names none; empty lets the model detect it."""
    languages: tuple[str, ...] = ()
    """Codes of the languages that may be spoken where a request names none; empty allows all."""

    def check_languages(self, engine: str, known: Collection[str]) -> None:
        """Refuse codes that are not among the *known*; for ``__post_init__``.

        Raises:
            ConfigurationError: There is such a code; the message names the engine.
        """
        for code in (*((self.language,) if self.language else ()), *self.languages):
            if code not in tuple(known):  # a tuple also compares lists, which an operator may have written
                raise ConfigurationError(
                    f"Engine options language and languages of {engine} must be codes out of "
                    f"{', '.join(known)}, not {code!r}."
                )

    def fill_in(self, request: TranscribeRequest, known: Collection[str]) -> TranscribeRequest:
        """Return the request, with these languages if it names none.

        Args:
            request: As the hub sends it.
            known: Codes of the languages that the loaded model knows; others are left out.
        """
        if request.language:
            return replace(request, languages=())
        if request.languages:
            return request
        return replace(
            request,
            language=self.language if self.language in known else None,
            languages=tuple(code for code in self.languages if code in known),
        )
