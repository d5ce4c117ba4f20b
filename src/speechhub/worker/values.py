"""Dataclasses of the engine API ↔ frame parts: one codec, built from the type hints, for both directions.

`pack` turns a value into something that JSON can write, and moves its arrays into raw buffers; `unpack`
reverses that. Dataclasses become lists of their fields in order, without names: hub and worker always run the
same copy of speechhub. Reading is therefore strict: an extra or missing field, or one of another type, is an
error.

Writing is lenient with numbers, because engines use numpy's where Python's belong.

Standard library and numpy only: both sides import this module.
"""

import json
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from speechhub.domain.audio import Audio, Pcm16Audio, from_pcm16
from speechhub.errors import EngineError, EngineProtocolError
from speechhub.worker.protocol import Buffer, Parts

MAX_CHUNK_SAMPLES: Final = 4 * 1024**2
"""Longer audio (16 MiB) is sent in several chunks, far below the limit of a frame."""

T = TypeVar("T")
Pack = Callable[[Any, list[Buffer]], Any]
"""Value → JSON value; arrays are appended to the list."""
Unpack = Callable[[Any, Sequence[Buffer]], Any]
"""JSON value, arrays → value."""

_PCM16: Final = "pcm16"
"""Marks audio whose array is int16."""


def pack(value: object, kind: Any = None) -> tuple[Any, list[Buffer]]:
    """Return *value* as a JSON value and the raw bytes of its arrays.

    Args:
        value: An instance of *kind*.
        kind: Type of the value, such as ``list[Transcript]``; needed if the value's class is not enough.

    Raises:
        EngineError: A field does not match its annotation: an engine returned a wrong value.
    """
    kind = kind or type(value)
    codec = _codec(kind)
    arrays: list[Buffer] = []
    try:
        return codec.pack(value, arrays), arrays
    except (TypeError, ValueError, RecursionError) as error:
        # These errors name types, never values, so that no user text gets into the message.
        raise EngineError(f"{_a(_name(kind)).replace('a', 'A', 1)} has a wrong field: {error}.") from error


def unpack(kind: Any, raw: Any, arrays: Sequence[Buffer]) -> Any:
    """Return the value of type *kind* that `pack` was given; float32 arrays share memory with *arrays*.

    Raises:
        EngineProtocolError: `pack` cannot have written this.
    """
    try:
        return _codec(kind).unpack(raw, arrays)
    except (TypeError, ValueError, IndexError, RecursionError) as error:
        raise EngineProtocolError(f"The worker channel carries an unreadable {_name(kind)}.") from error


def to_parts(value: object, kind: Any = None) -> Parts:
    """Return *value* as the parts of a frame: the arrays, then the JSON text."""
    raw, arrays = pack(value, kind)
    return (*arrays, json.dumps(raw, separators=(",", ":")).encode())


def from_parts(kind: type[T], parts: Parts) -> T:
    """Return the value of type *kind* that `to_parts` was given.

    Raises:
        EngineProtocolError: `to_parts` cannot have written this.
    """
    try:
        *arrays, text = parts
        raw = json.loads(bytes(text))
    except (ValueError, RecursionError) as error:
        raise EngineProtocolError(f"The worker channel carries an unreadable {_name(kind)}.") from error
    return cast("T", unpack(kind, raw, arrays))


@dataclass(frozen=True, slots=True)
class _Codec:
    pack: Pack
    unpack: Unpack
    plain: type | None = None
    """Type whose instances are sent as they are; lists and dataclasses of these need no call per item."""


@cache
def _codec(kind: Any) -> _Codec:
    """Build the codec for an annotation; an unsupported type fails here, not in the middle of a call."""
    if kind in _SCALARS:
        return _SCALARS[kind]
    if isinstance(kind, type) and issubclass(kind, Audio):
        return _audio()
    if is_dataclass(kind) and isinstance(kind, type):
        return _dataclass(kind)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _Codec(lambda value, _: _expect(value, kind).value, lambda raw, _: kind(_expect(raw, str)))
    return _generic(kind)


def _generic(kind: Any) -> _Codec:
    kind = _resolved(kind)
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        others = [arg for arg in args if arg is not NoneType]
        if len(others) == 1:
            return _optional(others[0])
    if origin is list or (origin is tuple and args[1:] == (Ellipsis,)):
        return _sequence(origin, _codec(args[0]))
    if origin is np.ndarray:
        return _Codec(_pack_array, _unpack_array)
    if origin is Mapping:
        return _Codec(lambda value, _: _json_value(value), lambda raw, _: _expect(raw, dict))
    raise TypeError(f"{kind} cannot be sent between hub and worker.")


def _resolved(kind: Any) -> Any:
    """Return what a ``type`` alias stands for, with its parameters; return any other annotation unchanged.

    From numpy 2.5 on, which Python 3.12 and newer get, NDArray is such an alias (PEP 695), and its instances
    have the alias itself as their origin. Python 3.11 has neither the syntax nor TypeAliasType.
    """
    while hasattr(alias := get_origin(kind) or kind, "__value__"):
        value, args = alias.__value__, get_args(kind)
        kind = value[args] if args else value
    return kind


def _dataclass(kind: type) -> _Codec:
    hints = get_type_hints(kind)
    names = [f.name for f in fields(kind)]
    codecs = [_codec(hints[name]) for name in names]
    getters = [operator.attrgetter(name) for name in names]
    packers = [codec.pack for codec in codecs]
    unpackers = [codec.unpack for codec in codecs]
    plain = [codec.plain for codec in codecs]

    def pack_fields(value: Any, arrays: list[Buffer]) -> Any:
        if not isinstance(value, kind):
            raise TypeError(f"{type(value).__name__} is not {_a(kind.__name__)}")
        found = [get(value) for get in getters]
        if list(map(type, found)) == plain:
            return found
        return [pack_field(item, arrays) for pack_field, item in zip(packers, found, strict=True)]

    def unpack_fields(raw: Any, arrays: Sequence[Buffer]) -> Any:
        if list(map(type, _expect(raw, list))) != plain:
            raw = [unpack_field(item, arrays) for unpack_field, item in zip(unpackers, raw, strict=True)]
        return kind(**dict(zip(names, raw, strict=True)))

    return _Codec(pack_fields, unpack_fields)


def _audio() -> _Codec:
    """Build the codec for audio; PCM16 audio is sent as such, with a mark, and arrives as float32."""
    plain = _dataclass(Audio)

    def pack_audio(value: Any, arrays: list[Buffer]) -> Any:
        if not isinstance(value, Pcm16Audio):
            return plain.pack(value, arrays)
        return [_PCM16, _pack_array(value.pcm16, arrays, np.int16), operator.index(value.sample_rate)]

    def unpack_audio(raw: Any, arrays: Sequence[Buffer]) -> Any:
        if _expect(raw, list)[:1] != [_PCM16]:
            return plain.unpack(raw, arrays)
        _, index, sample_rate = raw
        pcm16 = np.frombuffer(arrays[_expect(index, int)], dtype=np.int16)
        return Audio(samples=from_pcm16(pcm16), sample_rate=_expect(sample_rate, int))

    return _Codec(pack_audio, unpack_audio)


def _sequence(kind: type, item: _Codec) -> _Codec:
    def pack_items(value: Any, arrays: list[Buffer]) -> Any:
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"{type(value).__name__} is not {_a(kind.__name__)}")
        if set(map(type, value)) == {item.plain}:
            return list(value)
        return [item.pack(one, arrays) for one in value]

    def unpack_items(raw: Any, arrays: Sequence[Buffer]) -> Any:
        if set(map(type, _expect(raw, list))) == {item.plain}:
            return kind(raw)
        return kind([item.unpack(one, arrays) for one in raw])

    return _Codec(pack_items, unpack_items)


def _optional(kind: Any) -> _Codec:
    inner = _codec(kind)
    return _Codec(
        lambda value, arrays: None if value is None else inner.pack(value, arrays),
        lambda raw, arrays: None if raw is None else inner.unpack(raw, arrays),
    )


def _pack_array(value: Any, arrays: list[Buffer], dtype: type[np.generic] = np.float32) -> int:
    if not isinstance(value, np.ndarray) or value.dtype != dtype or value.ndim != 1:
        described = (
            f"{value.dtype}{list(value.shape)}" if isinstance(value, np.ndarray) else type(value).__name__
        )
        raise TypeError(f"audio samples must be a {dtype.__name__} array of shape (n,), not {described}")
    arrays.append(np.ascontiguousarray(value).data.cast("B") if len(value) else b"")
    return len(arrays) - 1


def _unpack_array(raw: Any, arrays: Sequence[Buffer]) -> NDArray[np.float32]:
    return np.frombuffer(arrays[_expect(raw, int)], dtype=np.float32)


def _json_value(value: object) -> object:
    """Return a value that JSON preserves; an operator's options contain nothing else."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [_json_value(item) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _json_value(item) for key, item in value.items()}
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def _name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)


def _a(name: str) -> str:
    """Put the article before the name of a type."""
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _expect(raw: Any, kind: type) -> Any:
    if not isinstance(raw, kind) or (kind is int and isinstance(raw, bool)):
        raise TypeError(f"{type(raw).__name__} is not {_a(kind.__name__)}")
    return raw


def _pack_str(value: Any, _: list[Buffer]) -> str:
    # str() would turn None or bytes into text that a user then reads.
    return str(_expect(value, str))


def _pack_bool(value: Any, _: list[Buffer]) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{type(value).__name__} is not a bool")
    return bool(value)


def _pack_float(value: Any, _: list[Buffer]) -> float:
    if isinstance(value, (str, bytes)):
        raise TypeError(f"{type(value).__name__} is not a float")
    return float(value)


_SCALARS: Mapping[type, _Codec] = {
    str: _Codec(_pack_str, lambda raw, _: _expect(raw, str), str),
    bool: _Codec(_pack_bool, lambda raw, _: _expect(raw, bool), bool),
    int: _Codec(lambda value, _: operator.index(value), lambda raw, _: _expect(raw, int), int),
    float: _Codec(_pack_float, lambda raw, _: _expect(raw, float), float),
    Path: _Codec(lambda value, _: str(_expect(value, Path)), lambda raw, _: Path(_expect(raw, str))),
}


def split(audio: Audio) -> Iterator[Audio]:
    """Yield *audio* in pieces that a frame can carry; at least one.

    Raises:
        EngineError: It is not Audio, or its sample rate is not valid.
    """
    if not isinstance(audio, Audio):
        raise EngineError(f"The engine yielded a {type(audio).__name__} where Audio belongs.")
    if audio.sample_rate < 1:
        raise EngineError(f"The engine yielded audio with a sample rate of {audio.sample_rate!r} Hz.")
    for first in range(0, max(len(audio.samples), 1), MAX_CHUNK_SAMPLES):
        yield Audio(samples=audio.samples[first : first + MAX_CHUNK_SAMPLES], sample_rate=audio.sample_rate)
