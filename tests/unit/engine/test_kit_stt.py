"""The conformance kit for STT engines: it passes a good engine and catches each way to be a bad one."""

from dataclasses import replace

import numpy as np
import pytest

from speechhub.engine import (
    Audio,
    Call,
    EngineLoadError,
    EngineSpec,
    Hypothesis,
    LiveSession,
    ModelFile,
    ModelSpec,
    RequestCancelledError,
    Segment,
    Slot,
    SttCapabilities,
    SttEngine,
    TranscribeRequest,
    Transcript,
    Word,
)
from speechhub.engine.testing import STT_CHECKS, check_stt_engine, leaving
from speechhub.engine.testing.description import DESCRIPTION_CHECKS
from speechhub.engine.testing.recording import murmur

ABLE = SttCapabilities(
    max_batch=4,
    longest_input_s=40,
    segment_timestamps=True,
    word_timestamps=True,
    language_detection=True,
    translation=True,
    streaming=True,
    live_sessions=True,
    prompt=True,
    hotwords=True,
    temperature=True,
)
WORDS = ("one", "two", "three", "four", "five")
BROKEN = []
PATIENCE_S = 30.0


class GoodStt(SttEngine):
    """Hears a word in each half second that is not silent."""

    def load(self, context):
        self.context = context

    def hear(self, request):
        audio, words = request.audio, []
        for number in range(int(audio.duration_s * 2)):
            if np.any(audio.slice_s(number / 2, number / 2 + 0.5).samples):
                text = f" {WORDS[number % len(WORDS)]}"
                words.append(Word(text=text, start_s=number / 2, end_s=number / 2 + 0.5))
        segments = tuple(
            Segment(
                text=word.text,
                start_s=word.start_s,
                end_s=word.end_s,
                words=(word,) if request.word_timestamps else (),
            )
            for word in words
        )
        return Transcript(
            text="".join(segment.text for segment in segments).strip(),
            language=request.language or "en",
            duration_s=audio.duration_s,
            segments=segments,
        )

    def transcribe(self, batch, call):
        transcripts = []
        for request in batch:
            call.raise_if_cancelled()
            transcripts.append(self.hear(request))
            call.report(len(transcripts) / len(batch))
        return transcripts

    def stream(self, request, call):
        whole = self.hear(request)
        for number, segment in enumerate(whole.segments):
            call.raise_if_cancelled()
            yield segment.text if number else segment.text.lstrip()
        return whole

    def begin(self, request):
        return GoodSession(self)


class GoodSession(LiveSession):
    """Hears all of the utterance again at each piece; only the last word may still change."""

    def __init__(self, engine):
        self.engine, self.heard = engine, []

    def so_far(self):
        samples = np.concatenate([np.zeros(0, np.float32), *self.heard])
        whole = self.engine.hear(TranscribeRequest(audio=Audio(samples=samples, sample_rate=self.rate)))
        return Hypothesis(text=whole.text, stable_chars=len(whole.text.rpartition(" ")[0]))

    rate = 16_000

    def feed(self, audio, call):
        call.raise_if_cancelled()
        self.rate = audio.sample_rate
        self.heard.append(audio.samples)
        return self.so_far()

    def finish(self, call):
        call.raise_if_cancelled()
        return self.so_far()


class Unsettled(GoodSession):
    """Promises no text."""

    def so_far(self):
        return replace(super().so_far(), stable_chars=0)


class SimpleStt(GoodStt):
    """Can do next to nothing, and says so."""

    stream = SttEngine.stream
    begin = SttEngine.begin

    def hear(self, request):
        whole = super().hear(request)
        return Transcript(text=whole.text, duration_s=whole.duration_s)


def breaks(check, says, **capabilities):
    """Put an engine on the list of those that *check* must catch, with a message that has *says* in it."""

    def register(kind):
        BROKEN.append(pytest.param(kind, replace(ABLE, **capabilities), check, says, id=kind.__name__))
        return kind

    return register


def changed(whole, **fields):
    """Return a transcript with the fields of its first segment changed."""
    if not whole.segments:
        return whole
    first, *rest = whole.segments
    return replace(whole, segments=(replace(first, **fields), *rest))


@breaks("loading", "does not implement transcribe")
class Unfinished(SttEngine):
    def load(self, context):
        pass


@breaks("loading", "RuntimeError: no weights")
class DoesNotLoad(GoodStt):
    def load(self, context):
        raise RuntimeError("no weights")


@breaks("transcript", "returned a tuple")
class NoList(GoodStt):
    def transcribe(self, batch, call):
        return tuple(super().transcribe(batch, call))


@breaks("transcript", "returned a str where a Transcript belongs")
class NoTranscript(GoodStt):
    def hear(self, request):
        return "hello"


@breaks("transcript", "strip()")
class SpaceAround(GoodStt):
    def hear(self, request):
        whole = super().hear(request)
        return replace(whole, text=f" {whole.text}")


@breaks("transcript", "length of the recording")
class DurationOfSpeech(GoodStt):
    def hear(self, request):
        return replace(super().hear(request), duration_s=1.0)


@breaks("transcript", "not an ISO 639-1 code; write 'en'")
class LanguageByName(GoodStt):
    def hear(self, request):
        return replace(super().hear(request), language="English")


@breaks("transcript", "names no language")
class NoLanguage(GoodStt):
    def hear(self, request):
        return replace(super().hear(request), language=None)


@breaks("transcript", "do not join")
class OtherSegments(GoodStt):
    def hear(self, request):
        return changed(super().hear(request), text=" eleven")


@breaks("transcript", "no segment")
class NoSegments(GoodStt):
    def hear(self, request):
        return replace(super().hear(request), segments=())


@breaks("transcript", "declare it", segment_timestamps=False, word_timestamps=False)
class UndeclaredSegments(GoodStt):
    pass


@breaks("transcript", "in order of time")
class TimesBackwards(GoodStt):
    def hear(self, request):
        whole = super().hear(request)
        times = reversed([(s.start_s, s.end_s) for s in whole.segments])
        pairs = zip(whole.segments, times, strict=True)
        return replace(
            whole, segments=tuple(replace(s, start_s=start, end_s=end) for s, (start, end) in pairs)
        )


@breaks("transcript", "none before 0")
class BeforeTheBeginning(GoodStt):
    def hear(self, request):
        return changed(super().hear(request), start_s=-0.5)


@breaks("transcript", "before the one ahead of it ends")
class Overlap(GoodStt):
    def hear(self, request):
        return changed(super().hear(request), end_s=1.0)


@breaks("transcript", "clip its times")
class BeyondTheEnd(GoodStt):
    def hear(self, request):
        whole = super().hear(request)
        return replace(
            whole, segments=tuple(replace(s, end_s=s.end_s + 30) for s in whole.segments[:1]), text="one"
        )


@breaks("transcript", "has the times nan")
class NoNumber(GoodStt):
    def hear(self, request):
        return changed(super().hear(request), start_s=float("nan"))


@breaks("transcript", "no_speech_prob is 7")
class ImpossibleProbability(GoodStt):
    def hear(self, request):
        return changed(super().hear(request), no_speech_prob=7.0)


@breaks("transcript", "names its speaker")
class UndeclaredSpeaker(GoodStt):
    def hear(self, request):
        return changed(super().hear(request), speaker="A")


@breaks("transcript", "leave them out")
class WordsUnasked(GoodStt):
    def hear(self, request):
        return super().hear(replace(request, word_timestamps=True))


@breaks("transcript", "0 to 1, not 50")
class ProgressInPercent(GoodStt):
    def transcribe(self, batch, call):
        call.raise_if_cancelled()
        call.report(50)
        return super().transcribe(batch, call)


@breaks("transcript", "read-only")
class WritesIntoTheAudio(GoodStt):
    def hear(self, request):
        request.audio.samples[:] *= 2
        return super().hear(request)


@breaks("quiet_recordings", "ZeroDivisionError")
class DividesByLoudness(GoodStt):
    def hear(self, request):
        _ = 1 / float(np.abs(request.audio.samples).max())
        return super().hear(request)


@breaks("quiet_recordings", "IndexError")
class NeedsAWord(GoodStt):
    def hear(self, request):
        whole = super().hear(request)
        _ = whole.segments[0]
        return whole


@breaks("longest_recording", "too long")
class ShorterThanDeclared(GoodStt):
    def hear(self, request):
        if request.audio.duration_s > 30:
            raise ValueError("too long")
        return super().hear(request)


@breaks("longest_recording", "too long", longest_input_s=None)
class ShorterThanAnyLength(ShorterThanDeclared):
    pass


@breaks("word_times", "no segment has words")
class NoWords(GoodStt):
    def hear(self, request):
        return super().hear(replace(request, word_timestamps=False))


@breaks("word_times", "not those of the text")
class OtherWords(GoodStt):
    def hear(self, request):
        whole = super().hear(request)
        if not whole.words:
            return whole
        return changed(whole, words=(replace(whole.words[0], text=" eleven"),))


@breaks("word_times", "A word lasts from")
class WordEndsBeforeItBegins(GoodStt):
    def hear(self, request):
        whole = super().hear(request)
        if not whole.words:
            return whole
        return changed(whole, words=(replace(whole.words[0], end_s=-1.0),))


@breaks("word_times", "probability is 100")
class WordProbability(GoodStt):
    def hear(self, request):
        whole = super().hear(request)
        if not whole.words:
            return whole
        return changed(whole, words=(replace(whole.words[0], probability=100),))


@breaks("declared_options", "NotImplementedError")
class NoPrompt(GoodStt):
    def hear(self, request):
        if request.prompt:
            raise NotImplementedError
        return super().hear(request)


@breaks("declared_options", "NotImplementedError")
class NoHotwords(GoodStt):
    def hear(self, request):
        if request.hotwords:
            raise NotImplementedError
        return super().hear(request)


@breaks("declared_options", "ZeroDivisionError")
class NoTemperatureZero(GoodStt):
    def hear(self, request):
        if request.temperature is not None:
            _ = 1 / request.temperature
        return super().hear(request)


@breaks("declared_options", "NotImplementedError")
class NoTranslation(GoodStt):
    def hear(self, request):
        if request.task == "translate":
            raise NotImplementedError
        return super().hear(request)


@breaks("spoken_language", "The request says that 'de' is spoken, the transcript says 'en'")
class DeafToLanguage(GoodStt):
    def hear(self, request):
        return replace(super().hear(request), language="en")


@breaks("batches", "1 transcripts for 4 recordings")
class FirstOnly(GoodStt):
    def transcribe(self, batch, call):
        return super().transcribe(batch[:1], call)


@breaks("batches", "length of the recording")
class Reverses(GoodStt):
    def transcribe(self, batch, call):
        return super().transcribe(batch, call)[::-1]


@breaks("batches", "not in the order")
class ReversesEqualLengths(GoodStt):
    def transcribe(self, batch, call):
        transcripts = super().transcribe(batch, call)
        same_length = len({transcript.duration_s for transcript in transcripts}) == 1
        return transcripts[::-1] if same_length else transcripts


@breaks("batches", "one prompt for all")
class OnePromptForAll(GoodStt):
    def transcribe(self, batch, call):
        if len({request.prompt for request in batch}) > 1:
            raise ValueError("one prompt for all")
        return super().transcribe(batch, call)


@breaks("standing_by", "no table")
class CannotPrepare(GoodStt):
    def prepare(self, context):
        if context.host_memory_bytes:
            raise EngineLoadError("no table")


@breaks("held_memory", "returned a int")
class HoldsANumber(GoodStt):
    def memory(self):
        return 5


@breaks("stream_joins", "is not overridden")
class DeclaresTooMuch(GoodStt):
    stream = SttEngine.stream


@breaks("stream_joins", "not declared: declare it", streaming=False)
class DeclaresTooLittle(GoodStt):
    pass


@breaks("stream_joins", "no generator")
class StreamsAList(GoodStt):
    def stream(self, request, call):
        return list(super().stream(request, call))


@breaks("stream_joins", "do not join")
class StreamsWithoutSpaces(GoodStt):
    def stream(self, request, call):
        whole = self.hear(request)
        for segment in whole.segments:
            call.raise_if_cancelled()
            yield segment.text.strip()
        return whole


@breaks("stream_joins", "its pieces are text")
class StreamsSegments(GoodStt):
    def stream(self, request, call):
        whole = self.hear(request)
        call.raise_if_cancelled()
        yield from whole.segments
        return whole


@breaks("stream_joins", "returned a NoneType where a Transcript belongs")
class StreamReturnsNothing(GoodStt):
    def stream(self, request, call):
        yield from super().stream(request, call)


@breaks("stream_closes", "RuntimeError")
class StreamDoesNotClose(GoodStt):
    def stream(self, request, call):
        whole = self.hear(request)
        for number, segment in enumerate(whole.segments):
            call.raise_if_cancelled()
            try:
                yield segment.text if number else segment.text.lstrip()
            except GeneratorExit:
                yield "still here"
        return whole


@breaks("stream_closes", "AttributeError")
class UselessAfterClose(GoodStt):
    def stream(self, request, call):
        whole = self.hear(request)
        try:
            yield from super().stream(request, call)
        except GeneratorExit:
            self.hear = None
            raise AttributeError from None
        return whole


@breaks("cancellation", "transcribe went on although its call was cancelled")
class DeafToCancellation(GoodStt):
    def transcribe(self, batch, call):
        return [self.hear(request) for request in batch]


@breaks("cancellation", "raised RuntimeError instead of RequestCancelledError")
class WrapsCancellation(GoodStt):
    def transcribe(self, batch, call):
        try:
            return super().transcribe(batch, call)
        except Exception as error:
            raise RuntimeError("inference failed") from error


@breaks("cancellation", "stream went on although its call was cancelled")
class StreamDeafToCancellation(GoodStt):
    def stream(self, request, call):
        whole = self.hear(request)
        yield whole.text
        return whole


@breaks("cancellation", "RuntimeError: broken by cancellation")
class UselessAfterCancellation(GoodStt):
    dead = False

    def transcribe(self, batch, call):
        if self.dead:
            raise RuntimeError("broken by cancellation")
        try:
            return super().transcribe(batch, call)
        except RequestCancelledError:
            self.dead = True
            raise


@breaks("cancellation_half_way", "3 times after it was cancelled")
class LooksAtCancellationOnce(GoodStt):
    def transcribe(self, batch, call):
        call.raise_if_cancelled()
        transcripts = []
        for request in batch:
            transcripts.append(self.hear(request))
            call.report(len(transcripts) / len(batch))
        return transcripts


@breaks("cancellation_half_way", "stream went on after it was cancelled half-way")
class StreamLooksAtCancellationOnce(GoodStt):
    def stream(self, request, call):
        call.raise_if_cancelled()
        whole = self.hear(request)
        for number, segment in enumerate(whole.segments):
            yield segment.text if number else segment.text.lstrip()
        return whole


@breaks("cancellation_in_time", "transcribe went on for")
class EndsLate(GoodStt):
    grace_s = 0.0
    seen = False

    def transcribe(self, batch, call):
        if batch[0].audio.duration_s > 30:
            if self.seen:
                call.cancel_event.wait(PATIENCE_S)  # a step that begins before and ends after
            self.seen = True
        return super().transcribe(batch, call)


@breaks("live_declared", "begin() is not overridden")
class DeclaresSessionsOnly(GoodStt):
    begin = SttEngine.begin


@breaks("live_declared", "live_sessions is not declared", live_sessions=False)
class HidesItsSessions(GoodStt):
    pass


@breaks("live_declared", "set it to 2")
class SessionsForAnOldHub(GoodStt):
    api_version = 1


@breaks("live_declared", "listen() is overridden")
class KeepsItsOwnSessions(GoodStt):
    def listen(self, request, call):
        return Hypothesis(text="")


SPEECH = murmur(16_000, 3.0)
"""A recording that an author passes, and in which `GoodStt` hears words."""


def with_session(check, says, **attributes):
    """Put a session on the list, and with it an engine that has such sessions."""

    def register(kind):
        attributes["begin"] = lambda self, request: kind(self)
        engine = type(f"Has{kind.__name__}", (GoodStt,), attributes)
        globals()[engine.__name__] = engine
        breaks(check, says)(engine)
        return kind

    return register


@with_session("live_text", "where a Hypothesis belongs")
class ReturnsText(GoodSession):
    def feed(self, audio, call):
        return super().feed(audio, call).text


@with_session("live_text", "begins or ends with a space")
class PadsItsText(GoodSession):
    def feed(self, audio, call):
        return Hypothesis(text=f" {super().feed(audio, call).text}")


@with_session("live_text", "stable_chars is 99 for a text of")
class PromisesMoreThanItHas(GoodSession):
    def feed(self, audio, call):
        return replace(super().feed(audio, call), stable_chars=99)


@with_session("live_text", "changed text that was stable")
class ReturnsTheNewWordsOnly(GoodSession):
    def feed(self, audio, call):
        before, now = self.so_far().text, super().feed(audio, call).text
        text = now.removeprefix(before).strip()
        return Hypothesis(text=text, stable_chars=len(text))


@with_session("live_text", "little in common", audio=SPEECH)
class ForgetsTheBeginning(Unsettled):
    def finish(self, call):
        self.heard = []
        return super().finish(call)


@with_session("live_text", "no text before the utterance ended", audio=SPEECH)
class HearsAtTheEndOnly(GoodSession):
    def feed(self, audio, call):
        super().feed(audio, call)
        return Hypothesis(text="")


@with_session("live_quiet", "IndexError")
class NeedsAudio(GoodSession):
    def finish(self, call):
        call.raise_if_cancelled()
        self.heard[0]
        return self.so_far()


@breaks("live_apart", "when calls of others come between")
class HasOneSession(GoodStt):
    def begin(self, request):
        self.session = Unsettled(self)
        engine = self

        class Shared(Unsettled):
            def feed(self, audio, call):
                return engine.session.feed(audio, call)

            def finish(self, call):
                return engine.session.finish(call)

        return Shared(self)


@breaks("live_apart", "when calls of others come between")
class ForgetsBetweenCalls(GoodStt):
    def transcribe(self, batch, call):
        self.lost = True
        return super().transcribe(batch, call)

    def begin(self, request):
        self.lost = False
        engine = self

        class Forgetful(Unsettled):
            def finish(self, call):
                self.heard = [] if engine.lost else self.heard
                return super().finish(call)

        return Forgetful(self)


@breaks("live_ends", "RuntimeError: all three are taken")
class NeverFrees(GoodStt):
    taken = 0

    def begin(self, request):
        if self.taken == 3:
            raise RuntimeError("all three are taken")
        self.taken += 1
        engine = self

        class Leaking(GoodSession):
            def finish(self, call):
                engine.taken -= 1
                return super().finish(call)

        return Leaking(self)


@with_session("live_cancellation", "feed went on although its call was cancelled")
class DeafSession(GoodSession):
    def feed(self, audio, call):
        return super().feed(audio, Call())


@with_session("live_cancellation", "finish went on although its call was cancelled")
class DeafAtTheEnd(GoodSession):
    def finish(self, call):
        return super().finish(Call())


@breaks("closing", "OSError")
class DoesNotClose(GoodStt):
    def close(self):
        raise OSError("the device is gone")


@pytest.mark.parametrize(
    ("engine", "capabilities"),
    [
        (GoodStt, ABLE),
        (SimpleStt, SttCapabilities()),
        (SimpleStt, SttCapabilities(sample_rate=8000, max_batch=2)),
    ],
)
def test_a_good_engine_passes(engine, capabilities):
    """An engine that keeps its promises passes, whether it promises much or little."""
    check_stt_engine(engine, capabilities=capabilities)


@pytest.mark.parametrize(("engine", "capabilities", "check", "says"), BROKEN)
def test_a_broken_promise_is_caught(engine, capabilities, check, says, monkeypatch):
    """The check that is meant for it catches the engine, and says what is wrong."""
    monkeypatch.setattr(leaving, "CANCEL_S", getattr(engine, "grace_s", leaving.CANCEL_S))
    spec = spec_of(engine, capabilities)

    with pytest.raises(AssertionError) as caught:
        check_stt_engine(spec, audio=getattr(engine, "audio", None), skip=("light_description",))

    first, _, rest = str(caught.value).partition("\n")
    assert first.startswith(f"broken fails {check!r}: ")
    assert says in rest


def test_every_check_catches_something():
    """No check of the kit is without an engine that it catches."""
    behaviour = set(STT_CHECKS) - {check.__name__ for check in DESCRIPTION_CHECKS}

    assert behaviour <= {param.values[2] for param in BROKEN}


def test_a_recording_of_the_author_s_own_must_be_heard():
    """An engine that hears nothing in real speech is caught; in the kit's murmur it may hear nothing."""

    class Deaf(SimpleStt):
        def hear(self, request):
            return Transcript(text="", duration_s=request.audio.duration_s)

    check_stt_engine(Deaf)
    with pytest.raises(AssertionError, match="heard nothing in the recording"):
        check_stt_engine(Deaf, audio=Audio(samples=np.ones(16_000, np.float32), sample_rate=16_000))


def test_a_check_can_be_left_out():
    """A skipped check says nothing; a check that does not exist is an error."""
    check_stt_engine(DeafToCancellation, capabilities=ABLE, skip=("cancellation", "cancellation_half_way"))

    with pytest.raises(ValueError, match="There is no check cancelation; the checks are: names, "):
        check_stt_engine(GoodStt, skip=("cancelation",))


def test_an_engine_is_closed_once_however_it_fails():
    """The kit closes what it loaded, once, after success and after failure."""
    closed = []

    class Counting(SimpleStt):
        def close(self):
            closed.append(self)

    class CountingAndBroken(Counting, SpaceAround):
        pass

    check_stt_engine(Counting)
    with pytest.raises(AssertionError):
        check_stt_engine(CountingAndBroken)

    assert [type(engine) for engine in closed] == [Counting, CountingAndBroken]


@pytest.mark.parametrize("found_by", ["path", "function"])
def test_files_come_from_where_the_author_says(tmp_path, found_by):
    """The engine gets the folder that model_dir names, and device and options as given."""
    seen = []

    class Loads(SimpleStt):
        def load(self, context):
            seen.append(context)

    globals()["Loads"] = Loads
    spec = spec_of(Loads, SttCapabilities(), files=(ModelFile(path="model.bin"),))
    model_dir = tmp_path if found_by == "path" else lambda model: tmp_path / {"m": ""}[model.id]

    check_stt_engine(
        spec, model_dir=model_dir, device="cuda:0", options={"beam_size": 2}, skip=("light_description",)
    )

    [context] = seen
    assert (context.model, context.model_dir, context.device) == ("m", tmp_path, "cuda:0")
    assert context.options == {"beam_size": 2}


def test_missing_files_are_asked_for(tmp_path):
    """A model with files needs model_dir, and it must be there."""
    spec = spec_of(SimpleStt, SttCapabilities(), files=(ModelFile(path="model.bin"),))

    with pytest.raises(AssertionError, match="pass model_dir="):
        check_stt_engine(spec, skip=("light_description",))
    with pytest.raises(AssertionError, match="is not a folder"):
        check_stt_engine(spec, model_dir=tmp_path / "gone", skip=("light_description",))


def test_arguments_that_make_no_sense_are_refused():
    """A wrong slot, an unknown model, audio at another rate: the test is at fault, not the engine."""
    spec = spec_of(SimpleStt, SttCapabilities())

    with pytest.raises(ValueError, match="has no model 'n'; its models: m"):
        check_stt_engine(spec, model="n")
    with pytest.raises(ValueError, match="a spec has its own"):
        check_stt_engine(spec, capabilities=ABLE)
    with pytest.raises(ValueError, match="resample it to the engine's 16000 Hz"):
        check_stt_engine(spec, audio=Audio(samples=np.ones(8000, np.float32), sample_rate=8000))


def spec_of(engine, capabilities, **model):
    return EngineSpec(
        name="broken",
        slot=Slot.STT,
        factory=f"{__name__}:{engine.__name__}",
        capabilities=capabilities,
        api_version=getattr(engine, "api_version", 2),
        models=(ModelSpec(id="m", languages=("en", "de"), **model),),
    )
