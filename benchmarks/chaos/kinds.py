"""The mix of requests: kinds, their frequencies, and the refusals that a kind causes itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.chaos import asks
from benchmarks.chaos.judge import Refusal
from benchmarks.load import bad, good
from benchmarks.load.client import Answer

INVALID: Refusal = (400, "invalid_value")
MISSING: Refusal = (400, "missing_required_parameter")
UNSUPPORTED: Refusal = (400, "unsupported_value")
TOO_SHORT: Refusal = (400, "audio_too_short")
PIN: Refusal = (503, "engine_pinned")
NOWHERE: tuple[Refusal, ...] = (
    (404, None),
    (403, "model_not_deletable"),
    (405, None),
    (404, "voice_not_found"),
    (404, "consent_not_found"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of request."""

    ask: Callable[[Any, Any], Answer | None]
    """Sends one; returns the last answer if it is a refusal, None if all answers are right."""
    weight: int
    refusals: tuple[Refusal, ...] = ()
    """Refusals that the request causes itself, without any fault."""
    may_succeed: bool = True


def kinds(voices: asks.VoiceAsks) -> dict[str, Kind]:
    """Return all kinds by name."""
    refused = {"may_succeed": False}
    return {
        "transcribe": Kind(ask=good.transcribe, weight=5),
        "transcribe events": Kind(ask=good.transcribe_events, weight=2),
        "transcribe with times": Kind(ask=asks.formats, weight=2),
        "translate": Kind(ask=asks.translate, weight=2),
        "recording in JSON": Kind(ask=asks.json_upload, weight=2),
        "long recording": Kind(ask=asks.long_recording, weight=2),
        "webservice": Kind(ask=asks.webservice, weight=1),
        "speak": Kind(ask=good.speak, weight=6),
        "speak events": Kind(ask=good.speak_events, weight=2),
        "speak and hear": Kind(ask=good.speak_and_hear, weight=1),
        "read slowly": Kind(ask=asks.slow_reader, weight=2),
        "clone": Kind(ask=good.clone, weight=1),
        "voices": Kind(ask=voices.cycle, weight=3, refusals=((409, "consent_in_use"),)),
        "bad voice": Kind(
            ask=voices.bad_voice,
            weight=1,
            refusals=(INVALID, MISSING, TOO_SHORT, (404, "consent_not_found")),
            **refused,
        ),
        "look": Kind(ask=asks.look, weight=4),
        "operate": Kind(ask=asks.operate, weight=2),
        "impatient": Kind(ask=asks.impatient, weight=1, refusals=((503, "request_timeout"),)),
        "damaged recording": Kind(ask=bad.damaged_recording, weight=2, refusals=(INVALID, TOO_SHORT)),
        "no audio": Kind(ask=bad.no_audio, weight=1, refusals=(INVALID, MISSING), **refused),
        "unknown model": Kind(
            ask=bad.unknown_model, weight=1, refusals=((404, "model_not_found"),), **refused
        ),
        "unknown voice": Kind(ask=asks.unknown_voice, weight=1, refusals=(INVALID, UNSUPPORTED), **refused),
        "too large": Kind(ask=asks.too_large, weight=1, refusals=((413, None),), **refused),
        "wrong key": Kind(
            ask=bad.wrong_key, weight=1, refusals=((401, None), (401, "invalid_api_key")), **refused
        ),
        "bad value": Kind(ask=bad.bad_value, weight=1, refusals=(INVALID, MISSING), **refused),
        "odd body": Kind(
            ask=asks.odd_body,
            weight=1,
            refusals=(INVALID, MISSING, TOO_SHORT, (400, None), (415, None)),
            **refused,
        ),
        "nowhere": Kind(ask=asks.nowhere, weight=1, refusals=NOWHERE, **refused),
        "stalled upload": Kind(
            ask=asks.stalled_upload, weight=1, refusals=((408, "upload_timeout"),), **refused
        ),
        **{name: Kind(ask=ask, weight=2) for name, ask in asks.LEAVING.items()},
    }
