"""The conformance kit for TTS engines: it passes a good engine and catches each way to be a bad one."""

from dataclasses import replace

import numpy as np
import pytest

from speechhub.engine import (
    Audio,
    DeviceMemory,
    EmotionMode,
    EngineLoadError,
    EngineSpec,
    InvalidValueError,
    ModelSpec,
    RequestCancelledError,
    Slot,
    TtsCapabilities,
    TtsEngine,
    Voice,
)
from speechhub.engine.testing import TTS_CHECKS, check_stt_engine, check_tts_engine, leaving
from speechhub.engine.testing.description import DESCRIPTION_CHECKS

ABLE = TtsCapabilities(
    streaming=True,
    native_speed=True,
    instructions=True,
    longest_input_chars=600,
    cloning=True,
    emotions=(EmotionMode.AUDIO, EmotionMode.VECTOR, EmotionMode.TEXT),
    seed=True,
    silence_interval=True,
)
ANNA, BERT = Voice(id="anna", name="Anna", languages=("en",)), Voice(id="bert")
RATE = 16_000
BROKEN = []
PATIENCE_S = 30.0


class GoodTts(TtsEngine):
    """Hums 10 ms for each character, sentence by sentence."""

    def load(self, context):
        pass

    def voices(self):
        return (ANNA, BERT)

    def hum(self, sentence, request):
        length = round(RATE * 0.01 * len(sentence) / request.speed)
        return Audio(samples=np.full(length, 0.5, np.float32), sample_rate=RATE)

    def synthesize(self, request, call):
        for place, sentence in enumerate(request.text.split(". ")):
            call.raise_if_cancelled()
            yield self.hum(sentence, request)
            if place and request.silence_interval_ms:
                yield Audio(samples=np.zeros(16 * request.silence_interval_ms, np.float32), sample_rate=RATE)


class SimpleTts(GoodTts):
    """Has one voice, one speed, and speaks only when all is done."""

    def voices(self):
        return [Voice(id="default")]

    def synthesize(self, request, call):
        pieces = list(super().synthesize(replace(request, speed=1.0), call))
        return iter([Audio(samples=np.concatenate([p.samples for p in pieces]), sample_rate=RATE)])


def breaks(check, says, **capabilities):
    """Put an engine on the list of those that *check* must catch, with a message that has *says* in it."""

    def register(kind):
        BROKEN.append(pytest.param(kind, replace(ABLE, **capabilities), check, says, id=kind.__name__))
        return kind

    return register


class Hums(GoodTts):
    """Lets a subclass say how the samples go wrong."""

    def wrong(self, samples):
        raise NotImplementedError

    def hum(self, sentence, request):
        return Audio(samples=self.wrong(super().hum(sentence, request).samples), sample_rate=RATE)


@breaks("loading", "does not implement synthesize, voices")
class Unfinished(TtsEngine):
    def load(self, context):
        pass


@breaks("tells_voices", "KeyError")
class VoicesFail(GoodTts):
    def voices(self):
        raise KeyError("speakers")


@breaks("promised_voices", "a model needs a voice", cloning=False)
class NoVoices(GoodTts):
    def voices(self):
        return ()


@breaks("promised_voices", "Two are called 'anna'")
class VoicesWithOneId(GoodTts):
    def voices(self):
        return (ANNA, BERT, Voice(id="Anna"))


@breaks("promised_voices", "promises voice 'bert'")
class VoiceMissing(GoodTts):
    def voices(self):
        return (ANNA,)


@breaks("promised_voices", "is not a speechhub.engine.Voice")
class VoicesAreText(GoodTts):
    def voices(self):
        return ("anna", "bert")


@breaks("promised_voices", "is blank")
class BlankVoice(GoodTts):
    def voices(self):
        return (ANNA, BERT, Voice(id=""))


@breaks("promised_voices", "write 'en'")
class VoiceLanguageByName(GoodTts):
    def voices(self):
        return (replace(ANNA, languages=("English",)), BERT)


class Keeps(GoodTts):
    """Keeps a file for each reference, and wants it to be there later."""

    def load(self, context):
        self.folder, self.known = context.cache_dir, set()

    def name(self, reference):
        raise NotImplementedError

    def synthesize(self, request, call):
        if request.reference is not None and (name := self.name(request.reference)):
            if name not in self.known:
                (self.folder / name).write_bytes(b"learnt")
                self.known.add(name)
            (self.folder / name).read_bytes()
        return super().synthesize(request, call)


@breaks("stored_references", "does not begin with the digest of a stored reference")
class KeepsStrangers(Keeps):
    def name(self, reference):
        return f"{reference.digest}.pt"


@breaks("stored_references", "does not begin with the digest")
class KeepsByAnotherName(Keeps):
    def name(self, reference):
        return "latest.pt" if reference.stored else None


@breaks("stored_references", "FileNotFoundError")
class ReliesOnItsFiles(Keeps):
    def name(self, reference):
        return f"{reference.digest}.pt" if reference.stored else None


@breaks("seed", "other samples")
class ForgetsTheSeed(Hums):
    calls = 0

    def wrong(self, samples):
        self.calls += 1
        return samples * np.float32(1 - self.calls / 1000)


@breaks("silence_interval", "use request.silence_interval_ms")
class KnowsNoPause(GoodTts):
    def synthesize(self, request, call):
        return super().synthesize(replace(request, silence_interval_ms=None), call)


class Adds(GoodTts):
    """Puts something before speech that follows a sentence."""

    before = np.zeros(0, np.float32)

    def synthesize(self, request, call):
        if request.follows_sentence:
            yield Audio(samples=self.before, sample_rate=RATE)
        yield from super().synthesize(request, call)


class AddsSilence(Adds):
    before = np.zeros(RATE // 5, np.float32)


@breaks("following_sentence", "begins with 10.00 s more of silence")
class AddsTooMuchSilence(Adds):
    before = np.zeros(10 * RATE, np.float32)


@breaks("following_sentence", "speaks something else")
class AddsSound(Adds):
    before = np.full(RATE // 5, 0.5, np.float32)


@breaks("following_sentence", "nothing to hear")
class DropsWhatFollows(GoodTts):
    def synthesize(self, request, call):
        return iter(()) if request.follows_sentence else super().synthesize(request, call)


@breaks("speech", "float64")
class Doubles(Hums):
    def wrong(self, samples):
        return samples.astype(np.float64)


@breaks("speech", "int16")
class Integers(Hums):
    def wrong(self, samples):
        return (samples * 32767).astype(np.int16)


@breaks("speech", "must be a numpy array")
class AList(Hums):
    def wrong(self, samples):
        return samples.tolist()


@breaks("speech", "of shape (1, ")
class TwoDimensions(Hums):
    def wrong(self, samples):
        return samples[np.newaxis]


@breaks("speech", "beyond -1 to 1")
class TooLoud(Hums):
    def wrong(self, samples):
        return samples * 3


@breaks("speech", "not finite")
class NoNumbers(Hums):
    def wrong(self, samples):
        return samples * np.float32("nan")


@breaks("speech", "nothing to hear")
class Silent(Hums):
    def wrong(self, samples):
        return samples * 0


@breaks("speech", "nothing to hear")
class Mute(GoodTts):
    def synthesize(self, request, call):
        call.raise_if_cancelled()
        return iter(())


@breaks("speech", "yielded a ndarray where Audio belongs")
class BareSamples(GoodTts):
    def hum(self, sentence, request):
        return super().hum(sentence, request).samples


@breaks("speech", "several sample rates")
class ChangesRate(GoodTts):
    def hum(self, sentence, request):
        return replace(super().hum(sentence, request), sample_rate=RATE + len(sentence))


@breaks("speech", "whole number of hertz")
class BrokenRate(GoodTts):
    def hum(self, sentence, request):
        return replace(super().hum(sentence, request), sample_rate=22_050.0)


@breaks("speech", "0 to 1, not 100")
class ProgressInPercent(GoodTts):
    def synthesize(self, request, call):
        yield from super().synthesize(request, call)
        call.report(100)


@breaks("standing_by", "no table")
class CannotPrepare(GoodTts):
    def prepare(self, context):
        raise EngineLoadError("no table")


@breaks("held_memory", "more bytes in use than taken")
class HoldsMoreThanItTook(GoodTts):
    def memory(self):
        return DeviceMemory(allocated_bytes=2, reserved_bytes=1)


@breaks("every_voice", "KeyError")
class OneVoiceFails(GoodTts):
    def hum(self, sentence, request):
        if request.voice == "bert":
            raise KeyError("bert")
        return super().hum(sentence, request)


@breaks("every_voice", "nothing to hear for voice 'bert'")
class OneVoiceIsSilent(GoodTts):
    def hum(self, sentence, request):
        audio = super().hum(sentence, request)
        return replace(audio, samples=audio.samples * 0) if request.voice == "bert" else audio


@breaks("declared_options", "NotImplementedError")
class NoInstructions(GoodTts):
    def hum(self, sentence, request):
        if request.instructions:
            raise NotImplementedError
        return super().hum(sentence, request)


@breaks("declared_options", "KeyError")
class DoesNotKnowItsLanguage(GoodTts):
    def hum(self, sentence, request):
        if request.language:
            raise KeyError(request.language)
        return super().hum(sentence, request)


@breaks("cloning", "nothing to hear for a reference")
class RemembersTheFirstReference(GoodTts):
    first = None

    def hum(self, sentence, request):
        audio = super().hum(sentence, request)
        if request.reference is None:
            return audio
        self.first = self.first or request.reference.digest
        return replace(audio, samples=audio.samples * (request.reference.digest == self.first))


@breaks("emotions", "nothing to hear for an emotion of mode 'vector'")
class DeafToVectors(GoodTts):
    def hum(self, sentence, request):
        audio = super().hum(sentence, request)
        silent = request.emotion is not None and request.emotion.vector
        return replace(audio, samples=audio.samples * 0) if silent else audio


class OnlyClones(GoodTts):
    """Has no voice of its own."""

    def voices(self):
        return ()

    def hum(self, sentence, request):
        assert request.reference is not None
        return super().hum(sentence, request)


def test_a_model_that_clones_needs_no_voice():
    """The kit then gives it a reference for everything."""
    spec = spec_of(OnlyClones, ABLE)
    spec = replace(spec, models=(replace(spec.models[0], voices=()),))

    check_tts_engine(spec, skip=("light_description",))


@breaks("native_speed", "At speed 2.0")
class IgnoresSpeed(GoodTts):
    def hum(self, sentence, request):
        return super().hum(sentence, replace(request, speed=1.0))


@breaks("native_speed", "At speed 2.0")
class SpeedIsDuration(GoodTts):
    def hum(self, sentence, request):
        return super().hum(sentence, replace(request, speed=1 / request.speed))


@breaks("native_speed", "At speed 0.5")
class OnlyFaster(GoodTts):
    def hum(self, sentence, request):
        return super().hum(sentence, replace(request, speed=max(1.0, request.speed)))


@breaks("streaming", "came in one piece", native_speed=False)
class OnePiece(SimpleTts):
    def voices(self):
        return (ANNA, BERT)


@breaks("longest_text", "ValueError: too long")
class ShorterThanDeclared(GoodTts):
    def synthesize(self, request, call):
        if len(request.text) >= 600:
            raise ValueError("too long")
        return super().synthesize(request, call)


@breaks("longest_text", "ValueError: too long", longest_input_chars=None)
class ShorterThanAnyLength(ShorterThanDeclared):
    pass


@breaks("odd_texts", "The text '?!' made the engine raise IndexError")
class NeedsLetters(GoodTts):
    def hum(self, sentence, request):
        _ = [letter for letter in sentence if letter.isalpha()][0]  # noqa: RUF015  # the bug is the point
        return super().hum(sentence, request)


@breaks("odd_texts", "UnicodeEncodeError")
class NeedsLatinLetters(GoodTts):
    def hum(self, sentence, request):
        sentence.encode("latin-1")
        return super().hum(sentence, request)


@breaks("speech_closes", "RuntimeError")
class DoesNotClose(GoodTts):
    def synthesize(self, request, call):
        for piece in super().synthesize(request, call):
            try:
                yield piece
            except GeneratorExit:
                yield piece


@breaks("speech_closes", "nothing to hear for the text, after a speech that was closed")
class UselessAfterClose(GoodTts):
    closed = False

    def synthesize(self, request, call):
        if self.closed:
            return
        try:
            yield from super().synthesize(request, call)
        except GeneratorExit:
            self.closed = True
            raise


@breaks("cancellation", "synthesize went on although its call was cancelled")
class DeafToCancellation(GoodTts):
    def synthesize(self, request, call):
        for sentence in request.text.split(". "):
            yield self.hum(sentence, request)


@breaks("cancellation", "raised RuntimeError instead of RequestCancelledError")
class WrapsCancellation(GoodTts):
    def synthesize(self, request, call):
        try:
            yield from super().synthesize(request, call)
        except RequestCancelledError as error:
            raise RuntimeError("inference failed") from error


@breaks("cancellation", "nothing to hear for the text, after a speech that was cancelled")
class UselessAfterCancellation(GoodTts):
    dead = False

    def synthesize(self, request, call):
        self.dead = self.dead or call.cancelled
        call.raise_if_cancelled()
        if not self.dead:
            yield from super().synthesize(request, call)


@breaks("cancellation_half_way", "went on after it was cancelled half-way")
class LooksAtCancellationOnce(GoodTts):
    def synthesize(self, request, call):
        call.raise_if_cancelled()
        for sentence in request.text.split(". "):
            yield self.hum(sentence, request)


@breaks("cancellation_half_way", "raised ValueError when it was cancelled half-way")
class FailsHalfWay(GoodTts):
    def synthesize(self, request, call):
        call.raise_if_cancelled()
        for sentence in request.text.split(". "):
            if call.cancelled:
                raise ValueError("stopped")
            yield self.hum(sentence, request)


@breaks("cancellation_in_time", "synthesize went on for")
class EndsLate(GoodTts):
    grace_s = 0.0
    seen = False

    def synthesize(self, request, call):
        if len(request.text) > 200:
            if self.seen:
                call.cancel_event.wait(PATIENCE_S)  # a step that begins before and ends after
            self.seen = True
        yield from super().synthesize(request, call)


@breaks("closing", "OSError")
class CloseFails(GoodTts):
    def close(self):
        raise OSError("the device is gone")


@pytest.mark.parametrize(("engine", "capabilities"), [(GoodTts, ABLE), (SimpleTts, TtsCapabilities())])
def test_a_good_engine_passes(engine, capabilities):
    """An engine that keeps its promises passes, whether it promises much or little."""
    check_tts_engine(engine, capabilities=capabilities)


@pytest.mark.parametrize(("engine", "capabilities", "check", "says"), BROKEN)
def test_a_broken_promise_is_caught(engine, capabilities, check, says, monkeypatch):
    """The check that is meant for it catches the engine, and says what is wrong."""
    monkeypatch.setattr(leaving, "CANCEL_S", getattr(engine, "grace_s", leaving.CANCEL_S))
    spec = spec_of(engine, capabilities)

    with pytest.raises(AssertionError) as caught:
        check_tts_engine(spec, skip=("light_description",))

    first, _, rest = str(caught.value).partition("\n")
    assert first.startswith(f"broken fails {check!r}: ")
    assert says in rest


def test_every_check_catches_something():
    """No check of the kit is without an engine that it catches."""
    behaviour = set(TTS_CHECKS) - {check.__name__ for check in DESCRIPTION_CHECKS}

    assert behaviour <= {param.values[2] for param in BROKEN}


def test_odd_texts_may_be_refused():
    """InvalidValueError is an answer, too."""

    class Refuses(SimpleTts):
        def synthesize(self, request, call):
            if not any(letter.isalpha() and letter.isascii() for letter in request.text):
                raise InvalidValueError("There is no word in it.", param="input")
            return super().synthesize(request, call)

    check_tts_engine(Refuses)


def test_of_many_voices_some_are_tried():
    """A model with hundreds of voices does not take hundreds of texts."""
    spoken = set()

    class Crowd(SimpleTts):
        def voices(self):
            return [Voice(id=f"speaker-{number}") for number in range(900)]

        def hum(self, sentence, request):
            spoken.add(request.voice)
            return super().hum(sentence, request)

    check_tts_engine(Crowd)

    assert 2 <= len(spoken) <= 8


def test_the_wrong_kit_is_refused():
    """A TTS engine in check_stt_engine, or a check that does not exist, is the test's fault."""
    spec = spec_of(GoodTts, ABLE)

    with pytest.raises(ValueError, match="use check_tts_engine"):
        check_stt_engine(spec)
    with pytest.raises(ValueError, match="There is no check nonsense"):
        check_tts_engine(spec, skip=("nonsense",))


def spec_of(engine, capabilities):
    return EngineSpec(
        name="broken",
        slot=Slot.TTS,
        factory=f"{__name__}:{engine.__name__}",
        capabilities=capabilities,
        models=(ModelSpec(id="m", languages=("en",), voices=(ANNA, BERT)),),
    )
