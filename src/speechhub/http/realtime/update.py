"""Updates of a session object: merged by presence, checked as a whole, kept whole or not at all. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from speechhub.errors import InvalidValueError, MissingValueError
from speechhub.http.realtime.faults import InvalidParameterError
from speechhub.http.realtime.session_object import (
    ALaw,
    AudioInput,
    AudioOutput,
    MuLaw,
    NoiseReduction,
    Pcm,
    RealtimeAudio,
    SemanticVadTurns,
    ServerVadTurns,
    SessionObject,
    SpeechSession,
    Transcription,
    TranscriptionAudio,
    TranscriptionSession,
)
from speechhub.http.refusal import refusal
from speechhub.http.schemas.audio import VoiceRef

KINDS: Final[Mapping[str, type[SessionObject]]] = {
    "transcription": TranscriptionSession,
    "realtime": SpeechSession,
}
READ_ONLY: Final = ("id", "object", "expires_at", "tools", "tool_choice", "max_output_tokens", "tracing",
                    "truncation")  # fmt: skip
"""Fields that clients may write, as they copy whole objects, and that stay as they are."""
OWN_TURNS: Final = ("gpt-realtime-whisper", "gpt-live-transcribe")
"""How the names of OpenAI's models begin whose clients commit by themselves, without saying so."""
BETA_FORMATS: Final[Mapping[str, str]] = {
    "pcm16": "audio/pcm",
    "g711_ulaw": "audio/pcmu",
    "g711_alaw": "audio/pcma",
}
"""The beta's names of formats → today's types."""
BETA_FIELDS: Final[Mapping[str, str]] = {
    "input_audio_format": "format",
    "input_audio_transcription": "transcription",
    "input_audio_noise_reduction": "noise_reduction",
    "turn_detection": "turn_detection",
}
"""The beta's flat fields → fields of ``audio.input``."""
KNOWN: Final = frozenset[str]().union(
    ("type",),
    *(
        kind.__struct_fields__
        for kind in (*KINDS.values(), TranscriptionAudio, RealtimeAudio, AudioInput, AudioOutput, Pcm,
                     Transcription, NoiseReduction, ServerVadTurns, SemanticVadTurns, VoiceRef)
    ),
)  # fmt: skip
"""Names of fields, at any place of a session. Others are not looked at: a client can send any number."""
DEFAULT_MODEL: Final = "gpt-realtime"
"""What a realtime session calls its model where the client has named none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """A session object, and what of it the client has chosen."""

    session: SessionObject
    turns_given: bool = False
    """Whether the client has set turn detection; until then an update of its type begins afresh."""

    def updated(self, changes: Mapping[str, Any], *, may_switch: bool) -> "SessionState":
        """Return the state after ``session.update``.

        Args:
            changes: The event's ``session``.
            may_switch: Whether the session may still become one of the other type.

        Raises:
            RequestError: Something is wrong with *changes*; its param is a path that begins with ``session``.
        """
        kind = changes.get("type")
        if kind is None:
            raise MissingValueError("session.type", "It is 'realtime' or 'transcription'.")
        if not isinstance(kind, str) or kind not in KINDS:
            raise InvalidValueError(
                "Invalid value for 'session.type': it must be 'realtime' or 'transcription'.",
                param="session.type",
            )
        state = self if isinstance(self.session, KINDS[kind]) else self._of_kind(kind, may_switch)
        return state.merged(changes)

    def _of_kind(self, kind: str, may_switch: bool) -> "SessionState":
        if not may_switch:
            raise InvalidParameterError(
                f"This session cannot become one of type {kind!r}: audio or a response came before. Open "
                "another connection.",
                param="session.type",
            )
        return SessionState(session=new_session(kind, id=self.session.id, expires_at=self.session.expires_at))

    def merged(self, changes: Mapping[str, Any]) -> "SessionState":
        """Return the state after changes of whatever type; raises as `updated`."""
        kind = type(self.session)
        base = msgspec.to_builtins(self.session)
        heard = _part(changes, "audio", "input")
        given = "turn_detection" in heard
        turns = heard.get("turn_detection")
        if not self.turns_given and isinstance(turns, dict) and "type" in turns:
            base["audio"]["input"]["turn_detection"] = None
        wanted = {name: value for name, value in changes.items() if name not in READ_ONLY}
        merged = _without_nulls(_known_shapes(merge(base, wanted, KNOWN)))
        if not given and self._commits_by_itself(heard, merged):
            merged["audio"]["input"]["turn_detection"] = None
        try:
            session = msgspec.convert(merged, kind, strict=True)
        except msgspec.ValidationError as error:
            raise refusal("session", merged, kind, strict=True) from error
        if isinstance(session, SpeechSession) and "audio" not in session.output_modalities:
            raise InvalidValueError(
                "speechhub speaks, and writes no text: output_modalities must have 'audio'.",
                param="session.output_modalities",
            )
        return SessionState(session=session, turns_given=self.turns_given or given)

    def _commits_by_itself(self, heard: Mapping[str, Any], merged: Mapping[str, Any]) -> bool:
        """Return whether the client is one that commits by itself, and has said nothing of it."""
        model = _part(merged, "audio", "input", "transcription").get("model")
        named = "model" in _part(heard, "transcription")
        return isinstance(model, str) and model.startswith(OWN_TURNS) and (named or not self.turns_given)


def new_session(kind: str, *, id: str, expires_at: int, model: str | None = None) -> SessionObject:  # noqa: A002
    """Return the session object that a session begins with.

    Args:
        kind: One of `KINDS`.
        id: The session's.
        expires_at: When the session will end, in seconds since 1970.
        model: Of a realtime session: the model that speaks.
    """
    if kind == "transcription":
        return TranscriptionSession(id=id, expires_at=expires_at)
    return SpeechSession(id=id, expires_at=expires_at, model=model or DEFAULT_MODEL)


def merge(old: Mapping[str, Any], new: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Return *old* with *known* fields of *new*: objects key by key, unless *new* has another ``type``."""
    if "type" in new and "type" in old and new["type"] != old["type"]:
        old = {}
    merged = dict(old)
    for name in filter(known.__contains__, new):
        value = new[name]
        before = merged.get(name)
        if isinstance(value, dict):
            merged[name] = merge(before if isinstance(before, dict) else {}, value, known)
        else:
            merged[name] = value
    return merged


def from_beta(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the session of ``transcription_session.update`` as that of ``session.update``."""
    heard = {ours: changes[theirs] for theirs, ours in BETA_FIELDS.items() if theirs in changes}
    turns = heard.get("turn_detection")
    if isinstance(turns, dict) and turns.get("type") is None:
        heard["turn_detection"] = {**turns, "type": "server_vad"}
    update: dict[str, Any] = {"type": "transcription", "audio": {"input": heard}}
    return update | ({"include": changes["include"]} if "include" in changes else {})


def in_beta_words(param: str | None) -> str | None:
    """Return the path of a field in ``transcription_session.update``, from that in ``session.update``."""
    for theirs, ours in BETA_FIELDS.items():
        if param and param.startswith(f"session.audio.input.{ours}"):
            return f"session.{theirs}" + param.removeprefix(f"session.audio.input.{ours}")
    return param


def as_beta(session: SessionObject) -> dict[str, Any]:
    """Return a session in the beta's words, for ``transcription_session.updated``."""
    heard = session.audio.input
    form = msgspec.to_builtins(heard.format)["type"]
    return {
        "object": session.object,
        "id": session.id,
        "expires_at": session.expires_at,
        "modalities": ["audio", "text"],
        "input_audio_format": next(old for old, new in BETA_FORMATS.items() if new == form),
        "input_audio_transcription": heard.transcription,
        "input_audio_noise_reduction": heard.noise_reduction,
        "turn_detection": heard.turn_detection,
        "include": session.include,
        "client_secret": None,
    }


def read_format(value: object, param: str) -> Pcm | MuLaw | ALaw:
    """Return the audio format that a client means, by its object or the beta's name.

    Raises:
        RequestError: It is none.
    """
    shape = _format_object(value)
    try:
        return msgspec.convert(shape, Pcm | MuLaw | ALaw, strict=True)
    except msgspec.ValidationError as error:
        raise refusal(param, shape, Pcm | MuLaw | ALaw, strict=True) from error


def _part(value: object, *names: str) -> Mapping[str, Any]:
    """Return the object at a path of *value*; an empty one if there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _known_shapes(merged: dict[str, Any]) -> dict[str, Any]:
    """Write formats and voices, which clients write in two ways, in one."""
    for side in ("input", "output"):
        part = _part(merged, "audio", side)
        if isinstance(part, dict):
            if "format" in part:
                part["format"] = _format_object(part["format"])
            voice = part.get("voice")
            if isinstance(voice, dict) and isinstance(voice.get("id"), str):
                part["voice"] = voice["id"]
    return merged


def _format_object(value: object) -> object:
    return {"type": BETA_FORMATS.get(value, value)} if isinstance(value, str) else value


def _without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is null, which means the default; only turn detection can be switched off."""
    return {
        name: _without_nulls(part) if isinstance(part, dict) else part
        for name, part in value.items()
        if part is not None or name == "turn_detection"
    }
