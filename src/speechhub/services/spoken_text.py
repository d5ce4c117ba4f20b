"""The text of one speech, as its model gets it: read into lines, put into words, cut into pieces."""

from collections.abc import Iterator, Sequence
from functools import partial

from speechhub.engine import TextPart, Voice
from speechhub.pools import Pool
from speechhub.services.models import TtsModel
from speechhub.services.pieces import PieceRules, TextPiece, pieces
from speechhub.services.segmentation import language_of, piece_chars
from speechhub.services.wording import spoken_language, worded
from speechhub.speakable import Line, Normalization, has_words, is_plain, read


class SpokenText:
    """One text for one model; lives as long as its request. `read` comes first, `put_into_words` second."""

    def __init__(
        self,
        text: str,
        model: TtsModel,
        *,
        language: str | None,
        interval_ms: int | None,
        normalization: Normalization,
        pool: Pool,
    ) -> None:
        """Take the text; nothing is read yet.

        Args:
            text: Not blank.
            model: What speaks it.
            language: Of the text, as a code; None leaves it to the text and the model.
            interval_ms: Pause between sentences, in milliseconds; None leaves it to the voice.
            normalization: What is taken for markup.
            pool: Whose threads read what takes longer.
        """
        self.text = text
        self.lines: Sequence[Line] = ()
        """What is said."""
        self._model = model
        self._language = language
        self._interval_ms = interval_ms
        self._normalization = normalization
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
        capabilities, mode = self._model.capabilities, self._normalization
        if mode is Normalization.AUTO and TextPart.MARKUP in capabilities.normalizes:
            mode = Normalization.NONE
        reading = partial(read, self.text, mode, annotations=capabilities.annotations)
        if mode is Normalization.NONE or is_plain(self.text):
            self.lines = list(reading())
        else:
            self.lines = await self._pool.run(lambda: list(reading()))

    async def put_into_words(self, own: Sequence[Voice], voice: str | None) -> None:
        """Put into words what the engine cannot read; with `Normalization.NONE` all stays as it is.

        Args:
            own: The model's own voices.
            voice: Id of the one that speaks; None for any.
        """
        language = spoken_language(self._language, self._model.languages, own, voice)
        if language is None or self._normalization is Normalization.NONE:
            return
        reads = self._model.capabilities.normalizes
        self.lines = await self._pool.run(partial(worded, self.lines, language, reads))

    def pieces(self, *, first_alone: bool = False) -> Iterator[TextPiece]:
        """Yield the texts that the engine gets, one for each call.

        They are cut while the first are spoken: what a client sends and then leaves is not.

        Args:
            first_alone: Make the first sentence a piece of its own even for an engine that streams.
        """
        capabilities, interval_ms = self._model.capabilities, self._interval_ms
        limit_chars = piece_chars(self.text)
        rules = PieceRules(
            language=self._language or language_of(self.text, self._model.languages),
            limit_chars=min(capabilities.longest_input_chars or limit_chars, limit_chars),
            first_alone=first_alone or not capabilities.streaming,
            each_alone=interval_ms is not None and not capabilities.silence_interval,
            interval_s=None if interval_ms is None else interval_ms / 1000,
        )
        return pieces(self.lines, rules)

    def is_one_sentence(self) -> bool:
        """Tell whether all of it would be one piece, whatever the engine."""
        found = self.pieces(first_alone=True)
        next(found, None)
        return next(found, None) is None

    def pauses_s(self) -> float:
        """Return how long all pauses but the one after the last piece are at least, in seconds."""
        wanted = [piece.pause.shortest_s for piece in self.pieces()]
        return sum(wanted[:-1])
