"""The mix of requests: kinds, their frequencies, and the answers that are acceptable."""

import http.client
import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import bad, good, leaving
from benchmarks.load.client import Answer, Client, WrongAnswerError

Refusal = tuple[int, str | None]
"""Status and code."""

FULL: Refusal = (503, "server_is_overloaded")
"""A full queue is an acceptable answer to any request for work."""
INVALID: Refusal = (400, "invalid_value")
MISSING: Refusal = (400, "missing_required_parameter")
TOO_SHORT: Refusal = (400, "audio_too_short")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of request."""

    ask: Callable[[Client, random.Random], Answer | None]
    """Sends one; returns a refusal, or None if the answer is right."""
    weight: int
    refusals: tuple[Refusal, ...] = ()
    """Refusals that are acceptable."""


KINDS = {
    "transcribe": Kind(ask=good.transcribe, weight=6, refusals=(FULL,)),
    "transcribe events": Kind(ask=good.transcribe_events, weight=2, refusals=(FULL,)),
    "speak": Kind(ask=good.speak, weight=6, refusals=(FULL,)),
    "speak events": Kind(ask=good.speak_events, weight=2, refusals=(FULL,)),
    "speak and hear": Kind(ask=good.speak_and_hear, weight=1, refusals=(FULL,)),
    "clone": Kind(ask=good.clone, weight=2, refusals=(FULL,)),
    "look": Kind(ask=good.look, weight=2),
    "damaged recording": Kind(ask=bad.damaged_recording, weight=2, refusals=(FULL, INVALID, TOO_SHORT)),
    "no audio": Kind(ask=bad.no_audio, weight=1, refusals=(INVALID,)),
    "unknown model": Kind(ask=bad.unknown_model, weight=1, refusals=((404, "model_not_found"),)),
    "too large": Kind(ask=bad.too_large, weight=1, refusals=((413, None),)),
    "wrong key": Kind(ask=bad.wrong_key, weight=1, refusals=((401, None), (401, "invalid_api_key"))),
    "bad value": Kind(ask=bad.bad_value, weight=1, refusals=(INVALID, MISSING)),
    "leave the upload": Kind(ask=leaving.leave_the_upload, weight=1),
    "leave the queue": Kind(ask=leaving.leave_the_queue, weight=2),
    "leave at work": Kind(ask=leaving.leave_at_work, weight=2),
    "leave the answer": Kind(ask=leaving.leave_the_answer, weight=2),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one request."""

    kind: str
    became: str
    """``well``, the status and code of a refusal, or what is wrong."""
    ok: bool
    took_s: float


class Mix:
    """Requests by number: the same number means the same request, on every machine."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._documented = documented_refusals()

    def send(self, number: int) -> Outcome:
        """Send request *number*, and judge the answer."""
        dice = random.Random(f"load {number}")
        [kind] = dice.choices(list(KINDS), [kind.weight for kind in KINDS.values()])
        return self.send_one(kind, dice)

    def send_one(self, kind: str, dice: random.Random) -> Outcome:
        """Send one request of a *kind*."""
        began = time.monotonic()
        try:
            found = KINDS[kind].ask(self._client, dice)
            became, ok = ("well", True) if found is None else self._judge(found, KINDS[kind].refusals)
        except WrongAnswerError as error:
            became, ok = f"wrong: {error}", False
        except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
            became, ok = f"broke: {type(error).__name__}: {error}", False
        return Outcome(kind=kind, became=became, ok=ok, took_s=time.monotonic() - began)

    def _judge(self, answer: Answer, will_do: tuple[Refusal, ...]) -> tuple[str, bool]:
        error = json.loads(answer.body)["error"]
        said = f"{answer.status} {error['code'] or ''}".strip()
        if (answer.status, error["type"], error["code"]) not in self._documented:
            return f"not documented: {said}", False
        if answer.status == 503 and "retry-after" not in answer.headers:
            return f"without Retry-After: {said}", False
        return said, (answer.status, error["code"]) in will_do


def documented_refusals() -> set[tuple[int, str, str | None]]:
    """Return (status, type, code) of every line in the table of docs/http-api.md."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "http-api.md").read_text("utf-8")
    lines = re.findall(r"^\| (\d{3}) \| `(\w+)` \| (?:`(\w+)`|null) \|", text, re.MULTILINE)
    return {(int(status), kind, code or None) for status, kind, code in lines}
