"""Promises of an engine with live sessions."""

from collections.abc import Iterator, Sequence
from threading import Event
from typing import Final

from speechhub.domain.audio import Audio
from speechhub.domain.transcript import Hypothesis
from speechhub.engine.base import SttEngine
from speechhub.engine.options import ListenRequest
from speechhub.engine.testing.listener import SttSubject
from speechhub.engine.testing.promise import promise, promise_type
from speechhub.engine.testing.recording import repeated, silence
from speechhub.engine.testing.subject import expect_cancelled
from speechhub.engine.testing.transcript import likeness
from speechhub.errors import LiveSessionLostError

PIECE_S: Final = 0.4
"""Length of the pieces that an utterance comes in."""
LONGEST_S: Final = 8.0
"""How much of the recording under test is used."""
LONG_ENOUGH_S: Final = 2.0
"""Speech of this length must be heard before it has ended."""
ALIKE: Final = 0.5
"""How alike two texts of the same speech are at least, even with some words misheard."""
ABANDONED: Final = 10
"""How many sessions are begun and abandoned: more than an engine that never frees any can have."""
SINCE: Final = 2
"""First version of the engine API with live sessions."""


def live_declared(subject: SttSubject) -> None:
    """`begin` is overridden by engines that declare `live_sessions`, and by no others."""
    kind = type(subject.engine)
    overridden, declared = kind.begin is not SttEngine.begin, subject.capabilities.live_sessions
    promise(overridden or not declared, "live_sessions is declared, but begin() is not overridden.")
    promise(
        declared or not overridden, "begin() is overridden, but live_sessions is not declared: declare it."
    )
    if declared and subject.plan.bare_class is None:
        promise(
            subject.plan.spec.api_version >= SINCE,
            f"live_sessions is declared, but the spec has api_version={subject.plan.spec.api_version}: "
            f"set it to {SINCE}, so that older hubs refuse the engine with a clear message.",
        )
    promise(
        kind.listen is SttEngine.listen, "listen() is overridden: override begin(), the host needs listen()."
    )


def live_text(subject: SttSubject) -> None:
    """Text grows while audio comes; what was stable stays; the final text is that of the recording."""
    if not subject.capabilities.live_sessions:
        return
    audio = _utterance(subject)
    heard = list(_listen(subject, "growing", audio))
    if subject.audio_has_speech and audio.duration_s >= LONG_ENOUGH_S:
        promise(
            any(it.text for it in heard[:-1]),
            "feed() returned no text before the utterance ended: it returns all that was heard so far.",
        )
    [whole] = subject.transcribe(subject.request(audio))
    promise(
        not subject.audio_has_speech or likeness(heard[-1].text, whole.text) >= ALIKE,
        "The final text of a live session has little in common with what transcribe() returns for the same "
        "audio.",
    )


def live_quiet(subject: SttSubject) -> None:
    """Silence, a session of one piece, and one without any audio end well, even with no text."""
    if not subject.capabilities.live_sessions:
        return
    rate = subject.capabilities.sample_rate
    list(_listen(subject, "silent", silence(rate, 1.0)))
    _ask(subject, "short", repeated(subject.audio, 0.1), first=True, last=True)
    _ask(subject, "empty", silence(rate, 0.0), first=True)
    _ask(subject, "empty", silence(rate, 0.0), last=True)


def live_apart(subject: SttSubject) -> None:
    """Sessions whose pieces alternate, with recordings transcribed between them, do not hear each other."""
    if not subject.capabilities.live_sessions:
        return
    speech = _utterance(subject)
    quiet = silence(speech.sample_rate, speech.duration_s)
    alone = [
        list(_listen(subject, f"alone {number}", it))[-1].text for number, it in enumerate((speech, quiet))
    ]
    sessions = [_listen(subject, "one", speech), _listen(subject, "two", quiet)]
    together = ["", ""]
    for step, heard in enumerate(zip(*sessions, strict=True)):
        together = [it.text for it in heard]
        if step % 4 == 1:
            subject.transcribe(subject.request(quiet.slice_s(0.0, PIECE_S)))
    promise(
        min(map(likeness, together, alone)) >= ALIKE,
        "A live session hears something else when calls of others come between its pieces: keep all state of "
        "an utterance in its session.",
    )


def live_ends(subject: SttSubject) -> None:
    """A session that is finished or abandoned holds nothing: others can follow, as many as come."""
    if not subject.capabilities.live_sessions:
        return
    audio = _utterance(subject)
    expected = list(_listen(subject, "before", audio))[-1].text
    piece = audio.slice_s(0.0, PIECE_S)
    for number in range(ABANDONED):
        _ask(subject, f"abandoned {number}", piece, first=True)
        _ask(subject, f"abandoned {number}", silence(audio.sample_rate, 0.0), abandon=True)
    for lost in ("before", "abandoned 0", "never begun"):
        try:
            _ask(subject, lost, piece)
        except LiveSessionLostError:
            continue
        raise AssertionError(f"A request for a session that was {lost} did not raise LiveSessionLostError.")
    again = list(_listen(subject, "after", audio))[-1].text
    promise(
        likeness(again, expected) >= ALIKE,
        f"After {ABANDONED} abandoned sessions, another one hears something else: close() must free what a "
        "session holds.",
    )


def live_cancellation(subject: SttSubject) -> None:
    """A cancelled piece ends with RequestCancelledError, and so does its session; the engine still works."""
    if not subject.capabilities.live_sessions:
        return
    cancelled = Event()
    cancelled.set()
    audio = _utterance(subject)
    request = ListenRequest(session="cancelled", audio=audio, first=True)
    expect_cancelled(lambda: subject.engine.listen(request, subject.call(cancelled)), "feed")
    _ask(subject, "cancelled at its end", audio, first=True)
    request = ListenRequest(session="cancelled at its end", audio=audio.slice_s(0.0, 0.0), last=True)
    expect_cancelled(lambda: subject.engine.listen(request, subject.call(cancelled)), "finish")
    list(_listen(subject, "after cancellation", audio))


LIVE_CHECKS: Final = (live_declared, live_text, live_quiet, live_apart, live_ends, live_cancellation)


def _utterance(subject: SttSubject) -> Audio:
    longest_s = min(LONGEST_S, subject.capabilities.longest_input_s or LONGEST_S)
    return subject.audio.slice_s(0.0, min(subject.audio.duration_s, longest_s))


def _pieces(audio: Audio) -> Sequence[Audio]:
    count = max(1, round(audio.duration_s / PIECE_S))
    return [audio.slice_s(number * PIECE_S, (number + 1) * PIECE_S) for number in range(count - 1)] + [
        audio.slice_s((count - 1) * PIECE_S, audio.duration_s)
    ]


def _listen(subject: SttSubject, session: str, audio: Audio) -> Iterator[Hypothesis]:
    """Have a session hear *audio* piece by piece; yield its answers, held against their promises."""
    promised = ""
    pieces = _pieces(audio)
    for number, piece in enumerate(pieces):
        heard = _ask(subject, session, piece, first=number == 0, last=number == len(pieces) - 1)
        promise(
            heard.text.startswith(promised),
            "A live session changed text that was stable: the first stable_chars characters of an answer "
            "must stand in all later ones.",
        )
        promised = max(promised, heard.text[: heard.stable_chars], key=len)
        yield heard


def _ask(
    subject: SttSubject,
    session: str,
    audio: Audio,
    *,
    first: bool = False,
    last: bool = False,
    abandon: bool = False,
) -> Hypothesis:
    request = ListenRequest(session=session, audio=audio, first=first, last=last, abandon=abandon)
    heard: object = subject.engine.listen(request, subject.call())
    heard = promise_type(
        heard, Hypothesis, f"A live session returned a {type(heard).__name__} where a Hypothesis belongs."
    )
    promise_type(heard.text, str, f"Hypothesis.text is a {type(heard.text).__name__}; it is text.")
    promise(heard.text == heard.text.strip(), "Hypothesis.text begins or ends with a space: strip() it.")
    promise(
        0 <= heard.stable_chars <= len(heard.text),
        f"stable_chars is {heard.stable_chars} for a text of {len(heard.text)} characters.",
    )
    return heard
