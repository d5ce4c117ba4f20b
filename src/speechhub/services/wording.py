"""Numbers, abbreviations and notation of what is said, in words where the engine does not read them. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from speechhub.domain.voice import Voice
from speechhub.engine import TextPart
from speechhub.speakable import Line
from speechhub.speakable.annotations import Annotations
from speechhub.speakable.wording import in_words


def spoken_language(
    wanted: str | None, known: Sequence[str], voices: Sequence[Voice], voice: str | None
) -> str | None:
    """Return the language whose words a voice speaks, as a code; None where nothing tells it.

    A guess would have a French voice say English words.

    Args:
        wanted: What the request says.
        known: Languages of the model.
        voices: The model's own.
        voice: Id of the one that speaks; None for any.
    """
    if wanted:
        return wanted
    spoken = {found.languages for found in voices if voice in (found.id, None)}
    languages = spoken.pop() if len(spoken) == 1 else ()
    only = next((some for some in (languages, known) if len(some) == 1), ())
    return only[0].partition("-")[0] if only else None


def worded(lines: Sequence[Line], language: str | None, reads: Collection[TextPart]) -> Sequence[Line]:
    """Return *lines* in the words that a person reads; the engine's own *reads* stay as they are written."""
    return [replace(line, text=_in_words(line.text, language, reads)) for line in lines]


def _in_words(text: str, language: str | None, reads: Collection[str]) -> str:
    hidden = Annotations()
    return hidden.show(in_words(hidden.hide(text), language, reads))
