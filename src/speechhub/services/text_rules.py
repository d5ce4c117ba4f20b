"""Rules by which texts are read into lines, put into words and cut into pieces for one model. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from speechhub.engine import TextPart, Voice
from speechhub.services.models import TtsModel
from speechhub.services.pieces import PieceRules, TextPiece, pieces
from speechhub.services.segmentation import language_of, piece_chars
from speechhub.services.wording import spoken_language, worded
from speechhub.speakable import Line, Normalization, is_plain, read


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRules:
    """What holds for every text of one request."""

    model: TtsModel
    language: str | None = None
    """Of the texts, as a code; None leaves it to each text and the model."""
    interval_ms: int | None = None
    """Pause between sentences, in milliseconds; None leaves it to the voice."""
    normalization: Normalization = Normalization.AUTO
    """What is taken for markup."""

    @property
    def mode(self) -> Normalization:
        """What is taken for markup here; nothing for an engine that reads it itself."""
        if self.normalization is Normalization.AUTO and TextPart.MARKUP in self.model.capabilities.normalizes:
            return Normalization.NONE
        return self.normalization

    def is_quick(self, text: str) -> bool:
        """Return whether *text* is read in no time."""
        return self.mode is Normalization.NONE or is_plain(text)

    def lines(self, text: str) -> Sequence[Line]:
        """Return what a person would say for *text*."""
        return list(read(text, self.mode, annotations=self.model.capabilities.annotations))

    def words_in(self, own: Sequence[Voice], voice: str | None) -> str | None:
        """Return the language in whose words lines are put; None where they stay as they are.

        Args:
            own: The model's own voices.
            voice: Id of the one that speaks; None for any.
        """
        if self.normalization is Normalization.NONE:
            return None
        return spoken_language(self.language, self.model.languages, own, voice)

    def worded(self, lines: Sequence[Line], language: str) -> Sequence[Line]:
        """Return *lines* with what the engine cannot read in words of *language*."""
        return worded(lines, language, self.model.capabilities.normalizes)

    def pieces(
        self, text: str, lines: Sequence[Line], *, first_alone: bool = False, each_alone: bool = False
    ) -> Iterator[TextPiece]:
        """Yield the texts that the engine gets, one for each call.

        Args:
            text: Where the *lines* come from.
            lines: What is said.
            first_alone: Make the first sentence a piece of its own even for an engine that streams.
            each_alone: Make every sentence a piece of its own.
        """
        capabilities, interval_ms = self.model.capabilities, self.interval_ms
        limit_chars = piece_chars(text)
        rules = PieceRules(
            language=self.language or language_of(text, self.model.languages),
            limit_chars=min(capabilities.longest_input_chars or limit_chars, limit_chars),
            first_alone=first_alone or not capabilities.streaming,
            each_alone=each_alone or (interval_ms is not None and not capabilities.silence_interval),
            interval_s=None if interval_ms is None else interval_ms / 1000,
        )
        return pieces(lines, rules)
