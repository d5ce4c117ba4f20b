"""Speech under way: the pieces of one text, spoken one by one by one voice."""

from contextlib import aclosing
from dataclasses import replace

from speechhub.engine import SynthesizeRequest
from speechhub.runner import Runner
from speechhub.services.delivery import Delivery
from speechhub.services.pieces import TextPiece
from speechhub.services.spoken import Spoken


class Speaking:
    """Has an engine speak each piece, with a call of its own, and delivers it; one for each speech."""

    def __init__(
        self, runner: Runner, model: str, request: SynthesizeRequest, delivery: Delivery, *, stretch: float
    ) -> None:
        """Begin with nothing said.

        Args:
            runner: Runs the model.
            model: Its id.
            request: What is the same for all pieces.
            delivery: Takes the audio.
            stretch: How many times as fast as it was spoken the speech is delivered.
        """
        self._runner = runner
        self._model = model
        self._request = request
        self._delivery = delivery
        self._stretch = stretch
        self._spoken = Spoken(model)
        self._before: TextPiece | None = None
        """The last piece that was spoken."""

    @property
    def spoken_s(self) -> float:
        """Length of the speech so far, as it is heard and without the joins, in seconds."""
        return self._spoken.duration_s / self._stretch

    @property
    def delivered_s(self) -> float:
        """Length of what was delivered, in seconds; less what is held back for a join."""
        return self._delivery.duration_s

    async def say(self, piece: TextPiece, *, deadline: float) -> None:
        """Speak *piece*; the first call may be refused because many wait, the others go on.

        Raises:
            SpeechTooLongError: The speech is too long.
            EngineError, UnavailableError, ModelFilesError: As `speechhub.runner.Runner.synthesize` says.
        """
        await self._delivery.begin(piece)
        if not piece.text:
            return
        follows = self._before is not None and self._before.ends_sentence
        self._before = piece
        request = replace(self._request, text=piece.text, follows_sentence=follows)
        begun = self._spoken.duration_s > 0
        work = self._runner.synthesize(self._model, request, begun=begun, deadline=deadline)
        async with aclosing(work) as speech:
            await self._delivery.take(speech, self._spoken)

    async def settle(self) -> None:
        """Deliver what is held back of the last piece, because the next one is late."""
        await self._delivery.settle()

    async def finish(self, *, has_words: bool) -> None:
        """Deliver the rest.

        Args:
            has_words: Whether there was anything to speak; if not, a short silence answers.

        Raises:
            EngineError: The engine made no sound of the whole text.
        """
        if not self._delivery.has_begun and not has_words:
            await self._delivery.be_silent(self._spoken.add_silence())
        self._spoken.finish()
        await self._delivery.finish()
