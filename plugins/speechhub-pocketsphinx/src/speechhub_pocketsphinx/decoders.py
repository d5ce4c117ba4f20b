"""Decoders of PocketSphinx, each of which takes one utterance at a time."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder

from speechhub.engine import Call, Word

RATE: Final = 16_000
STEP: Final = RATE // 10
"""Samples that are decoded at once. Always the same number, since the running mean of the features depends on
it: so an utterance has the same text whatever pieces it came in, and a recording has that text, too."""
FRAMES_PER_S: Final = 100
FAST: Final = {"ds": 2, "topn": 2, "maxhmmpf": 3000, "maxwpf": 5}
"""Every second frame is scored, by two densities, and the search is bounded. Measured with five sentences of
LibriVox: 0.08 of a processor's time for the audio's length instead of 0.22, and no more words misheard."""
_FILLER: Final = re.compile(r"[<\[+]")
"""First character of what stands for silence and noise: ``<sil>``, ``[NOISE]``, ``++BREATH++``."""
_VARIANT: Final = re.compile(r"\(\d+\)$")
"""Number of a pronunciation, as in ``a(2)``."""


class UtteranceDecoder:
    """One decoder, 100 MB; it takes one utterance after the other, and each as if it were the first."""

    def __init__(self, folder: Path) -> None:
        """Load the model that lies in *folder*."""
        self._decoder = Decoder(
            hmm=str(folder / "en-us"),
            lm=str(folder / "en-us.lm.bin"),
            dict=str(folder / "cmudict-en-us.dict"),
            loglevel="ERROR",
            **FAST,
        )
        self._rest = np.zeros(0, np.int16)
        self._is_open = False

    def begin(self) -> None:
        """Begin an utterance; drop one that has not ended."""
        self.drop()
        self._decoder.reinit_feat()  # else it would go on with the means and the noise of the last utterance
        self._decoder.start_utt()
        self._is_open = True

    def decode(self, samples: NDArray[np.float32], call: Call) -> None:
        """Decode the next samples of the utterance, float32 of shape (n,) at `RATE`.

        Raises:
            RequestCancelledError: The call was cancelled; the utterance is of no use any more.
        """
        pcm16 = np.rint(np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16)
        waiting = np.concatenate([self._rest, pcm16])
        whole = len(waiting) - len(waiting) % STEP
        for first in range(0, whole, STEP):
            call.raise_if_cancelled()
            self._decode(waiting[first : first + STEP])
        self._rest = waiting[whole:]

    def end(self, call: Call) -> None:
        """Decode what is left, and go over the whole utterance again."""
        call.raise_if_cancelled()
        if len(self._rest):
            self._decode(self._rest)
        self.drop()

    def drop(self) -> None:
        """End the utterance, if one has begun; `words` still tells what was heard."""
        self._rest = self._rest[:0]
        if self._is_open:
            self._is_open = False
            self._decoder.end_utt()

    def words(self) -> list[Word]:
        """Return the words that were heard in the utterance so far, or in all of it."""
        if self._decoder.hyp() is None:
            return []
        return [
            Word(
                text=f" {_VARIANT.sub('', part.word)}",
                start_s=part.start_frame / FRAMES_PER_S,
                end_s=(part.end_frame + 1) / FRAMES_PER_S,
                # While the utterance goes on, there are no probabilities.
                probability=1.0 if self._is_open else min(max(part.prob, 0.0), 1.0),
            )
            for part in self._decoder.seg()
            if not _FILLER.match(part.word)
        ]

    def _decode(self, samples: NDArray[np.int16]) -> None:
        self._decoder.process_raw(samples.tobytes(), no_search=False, full_utt=False)


class DecoderPool:
    """The decoders for utterances that are being spoken; made when they are needed, and then kept."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most
        self._made = 0
        self._free: list[UtteranceDecoder] = []

    def take(self) -> UtteranceDecoder | None:
        """Return a decoder for an utterance that begins; None if all are taken."""
        if self._free:
            return self._free.pop()
        if self._made == self._most:
            return None
        decoder = UtteranceDecoder(self._folder)
        self._made += 1
        return decoder

    def give_back(self, decoder: UtteranceDecoder) -> None:
        """Take back a decoder whose utterance is over."""
        decoder.drop()
        self._free.append(decoder)


def text_of(words: Sequence[Word]) -> str:
    """Return the text of words."""
    return "".join(word.text for word in words).strip()
