"""Which languages are spoken where a request does not say: options that engines for speech to text share."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from speechhub.engine.options import TranscribeRequest
from speechhub.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenLanguages:
    """A base for the settings of an engine: the options ``language`` and ``languages``."""

    language: str = ""
    """ISO code of the language that is spoken where a request names none; empty has the model find out."""
    languages: tuple[str, ...] = ()
    """Codes of the languages that may be spoken where a request names none; empty allows all."""

    def check_languages(self, engine: str, known: Collection[str]) -> None:
        """Refuse codes that are not among the *known*; for ``__post_init__``.

        Raises:
            ConfigurationError: There is such a code; the message names the engine.
        """
        for code in (*((self.language,) if self.language else ()), *self.languages):
            if code not in tuple(known):  # a tuple takes lists, too, which an operator may have written
                raise ConfigurationError(
                    f"Engine options language and languages of {engine} have codes out of "
                    f"{', '.join(known)}, not {code!r}."
                )

    def fill_in(self, request: TranscribeRequest, known: Collection[str]) -> TranscribeRequest:
        """Return a request with these languages, if it has none of its own.

        Args:
            request: As the hub sends it.
            known: Codes of the model that is loaded; what it does not know is left out.
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
