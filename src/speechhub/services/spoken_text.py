"""The text of one speech, as its model gets it: read into lines, put into words, cut into pieces."""

from collections.abc import Iterator, Sequence
from functools import partial

from speechhub.engine import Voice
from speechhub.pools import Pool
from speechhub.services.pieces import TextPiece
from speechhub.services.text_rules import TextRules
from speechhub.speakable import Line, has_words


class SpokenText:
    """One whole text; lives as long as its request. `read` comes first, `put_into_words` second."""

    def __init__(self, text: str, rules: TextRules, *, pool: Pool) -> None:
        """Take the text, which is not blank; nothing is read yet. The *pool* reads what takes longer."""
        self.text = text
        self.lines: Sequence[Line] = ()
        """What is said."""
        self._rules = rules
        self._pool = pool

    @property
    def has_words(self) -> bool:
        """Whether the text has a word to speak."""
        return any(has_words(line.text) for line in self.lines)

    @property
    def asked_pauses_s(self) -> float:
        """How long the pauses are that the text itself asks for, in seconds."""
        return sum(line.pause_s or 0.0 for line in self.lines if line.asked)

    async def read(self) -> None:
        """Read the text into lines, in a thread where there is more to it than a plain line."""
        if self._rules.is_quick(self.text):
            self.lines = self._rules.lines(self.text)
        else:
            self.lines = await self._pool.run(self._rules.lines, self.text)

    async def put_into_words(self, own: Sequence[Voice], voice: str | None) -> None:
        """Put into words what the engine cannot read; with `Normalization.NONE` all stays as it is.

        Args:
            own: The model's own voices.
            voice: Id of the one that speaks; None for any.
        """
        if language := self._rules.words_in(own, voice):
            self.lines = await self._pool.run(partial(self._rules.worded, self.lines, language))

    def pieces(self, *, first_alone: bool = False) -> Iterator[TextPiece]:
        """Yield the texts that the engine gets, one for each call.

        They are cut while the first are spoken: what a client sends and then leaves is not.

        Args:
            first_alone: Make the first sentence a piece of its own even for an engine that streams.
        """
        return self._rules.pieces(self.text, self.lines, first_alone=first_alone)

    def is_one_sentence(self) -> bool:
        """Tell whether all of it would be one piece, whatever the engine."""
        found = self.pieces(first_alone=True)
        next(found, None)
        return next(found, None) is None

    def pauses_s(self) -> float:
        """Return how long all pauses but the one after the last piece are at least, in seconds."""
        wanted = [piece.pause.shortest_s for piece in self.pieces()]
        return sum(wanted[:-1])
