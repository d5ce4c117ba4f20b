"""Descriptions in words of the values that a type accepts, and of what is wrong with other values."""

import reprlib
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import inspect

from speechhub.errors.excerpt import excerpt, quoted
from speechhub.settings.secret import Secret

Convert = Callable[[Any, Any], object]
"""Makes a value of a type, or raises `msgspec.ValidationError`."""

OWN_TYPES: Final[Mapping[type, str]] = {Path: "a path", Secret: "text that is not empty"}
"""Types that msgspec does not know."""
MEANT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("ogg", "oga", "vorbis", "webm", "audio/ogg", "audio/webm"), "opus"),
    **dict.fromkeys(("m4a", "mp4", "mpeg4", "adts", "audio/mp4", "audio/x-m4a"), "aac"),
    **dict.fromkeys(("mpeg", "mpga", "audio/mpeg"), "mp3"),
    **dict.fromkeys(("raw", "l16", "s16le", "linear16", "pcm16", "audio/l16"), "pcm"),
    **dict.fromkeys(("riff", "wave", "audio/x-wav"), "wav"),
    **dict.fromkeys(("plain", "txt", "text/plain"), "text"),
    **dict.fromkeys(("subrip", "application/x-subrip"), "srt"),
    **dict.fromkeys(("webvtt", "text/vtt"), "vtt"),
    **dict.fromkeys(("speakers", "diarize"), "diarized_json"),
}
"""Other names for a value that its spelling alone would not suggest."""
LONGEST_VALUE: Final = 80
"""How much of a wrong value, or of an unknown name, is shown, in characters."""
MOST_PARTS: Final = 100
"""How many parts of a list or table are looked into: requests can have millions of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """The innermost part of a value that does not fit, and why."""

    place: str
    """Where in the value it is, such as ``.mode`` or ``[2]``; empty if it is the value itself."""
    value: object
    reason: str
    """A clause that follows the place, and perhaps a question behind it."""
    missing: str = ""
    """Name of the field that an object lacks, if that is what is wrong."""
    free_text: bool = False
    """Whether the field takes any text, so that the value may quote a person."""


def misfit(value: object, kind: Any, convert: Convert) -> Misfit | None:
    """Return the part of *value* that does not fit the type *kind*; None if everything fits."""
    try:
        convert(value, kind)
    except msgspec.ValidationError as error:
        kind = _member(kind, value)
        for place, part, inner in islice(_parts(value, kind), MOST_PARTS):
            if found := misfit(part, inner, convert):
                return replace(found, place=place + found.place)
        if missing := _missing(value, kind, str(error)):
            return Misfit(place="", value=value, reason=f"{missing} is missing.", missing=missing)
        free = isinstance(inspect.type_info(kind), inspect.StrType)
        return Misfit(place="", value=value, reason=_reason(value, kind, str(error)), free_text=free)
    return None


def shown(value: object) -> str:
    """Return a wrong value as a message shows it."""
    if isinstance(value, str):
        return quoted(value, LONGEST_VALUE)
    if value is None or isinstance(value, bool):
        return msgspec.json.encode(value).decode()
    return reprlib.repr(value)


def expected(kind: Any) -> str:
    """Describe the values that a type accepts, as a noun phrase: ``a whole number from 0 to 65535``."""
    bare = _bare(kind)
    if get_origin(bare) is Literal:  # msgspec would sort them
        return _one_of(get_args(bare))
    return _noun(inspect.type_info(kind))


def _one_of(values: Sequence[object]) -> str:
    return f"one of {', '.join(map(str, values))}" if len(values) > 1 else repr(values[0])


# ── Types in words ───────────────────────────────────────────────────────────


def _noun(info: inspect.Type) -> str:  # noqa: C901, PLR0911  # one line for each kind of type
    match info:
        case inspect.LiteralType(values=values):
            return _one_of(values)
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() | inspect.FloatType():
            return ("a whole number" if isinstance(info, inspect.IntType) else "a number") + _range(info)
        case inspect.StrType():
            return f"text{_chars(info)}"
        case inspect.VarTupleType() | inspect.ListType():
            return f"a list{_length(info)} in which each item is {_noun(info.item_type)}"
        case inspect.DictType(value_type=inspect.AnyType()):
            return "a table"
        case inspect.DictType():
            return f"a table in which each value is {_noun(info.value_type)}"
        case inspect.StructType():
            names = [info.tag_field] if info.tag_field else []
            return f"an object with {', '.join([*names, *(field.encode_name for field in info.fields)])}"
        case inspect.UnionType():
            nouns = [_noun(member) for member in info.types if not isinstance(member, inspect.NoneType)]
            return " or ".join(nouns)
        case inspect.CustomType(cls=cls):
            return OWN_TYPES[cls]
        case _:
            return "a value"


def _chars(info: inspect.StrType) -> str:
    """Return the bounds of a text's length."""
    most = f" of at most {info.max_length} characters" if info.max_length else ""
    return f"{most} that is not empty" if info.min_length else most


def _range(info: inspect.IntType | inspect.FloatType) -> str:
    if info.gt is not None:
        return f" above {_number(info.gt)}"
    if info.ge is not None and info.le is not None:
        return f" from {_number(info.ge)} to {_number(info.le)}"
    return "" if info.ge is None else f" of {_number(info.ge)} or more"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _length(info: inspect.VarTupleType | inspect.ListType) -> str:
    if info.min_length and info.min_length == info.max_length:
        return f" of {info.min_length} items"
    return f" of at most {info.max_length} items" if info.max_length else ""


# ── Values that do not fit ───────────────────────────────────────────────────


def _member(kind: Any, value: object) -> Any:
    """Return *kind*, or the member of a union that *value* seems to be meant for."""
    members = _members(kind)
    if not members:
        return kind
    wanted = [member for member in members if _nested(member) is type(value)]
    tags = _tags(wanted)
    if isinstance(value, Mapping) and tags:
        name = value.get(next(iter(tags.values())).__struct_config__.tag_field)
        return tags.get(name, kind) if isinstance(name, str) else kind
    return wanted[0] if wanted else members[0] if len(members) == 1 else kind


def _members(kind: Any) -> list[Any]:
    """Return the members of a union, except None; nothing for other types."""
    union = get_origin(kind) in (Union, types.UnionType)
    return [member for member in get_args(kind) if member is not type(None)] if union else []


def _tags(members: Sequence[Any]) -> dict[str, Any]:
    """Return the structs of a union by their tags; nothing unless there are several, and all have one."""
    structs = [bare for member in members if hasattr(bare := _bare(member), "__struct_config__")]
    tags = {struct.__struct_config__.tag: struct for struct in structs}
    return tags if len(members) > 1 and len(structs) == len(members) and None not in tags else {}


def _nested(kind: Any) -> type | None:
    """Return `dict` or `list` if JSON and TOML write values of this type so; None for types without parts."""
    kind = _bare(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return dict
    return {tuple: list, list: list, dict: dict}.get(get_origin(kind))


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _parts(value: object, kind: Any) -> Iterator[tuple[str, object, Any]]:
    kind = _bare(kind)
    if isinstance(value, Mapping) and (tags := _tags(_members(kind))):  # its tag is that of none of them
        field = next(iter(tags.values())).__struct_config__.tag_field
        if field in value:
            yield f".{field}", value[field], Literal[tuple(tags)]
        return
    if _nested(kind) is not type(value):
        return
    if isinstance(value, list):
        yield from ((f"[{number}]", part, get_args(kind)[0]) for number, part in enumerate(value))
    elif isinstance(value, Mapping):
        if get_origin(kind) is dict:
            yield from ((f".{name}", part, get_args(kind)[1]) for name, part in value.items())
            return
        config = kind.__struct_config__
        if config.tag_field in value:
            yield f".{config.tag_field}", value[config.tag_field], Literal[config.tag]
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        yield from ((f".{name}", part, fields[name]) for name, part in value.items() if name in fields)


def _missing(value: object, kind: Any, said: str) -> str:
    bare = _bare(kind)
    if isinstance(value, Mapping) and (tags := _tags(_members(bare))):
        field: str = next(iter(tags.values())).__struct_config__.tag_field
        return "" if field in value else field
    if not isinstance(value, Mapping) or _nested(bare) is not dict or get_origin(bare) is dict:
        return ""
    required = [field.encode_name for field in msgspec.structs.fields(bare) if field.required]
    return next((name for name in required if name not in value and f"`{name}`" in said), "")


def _reason(value: object, kind: Any, said: str) -> str:
    bare = _bare(kind)
    if isinstance(value, Mapping) and _nested(bare) is dict and get_origin(bare) is not dict:
        names = [field.encode_name for field in msgspec.structs.fields(bare)]
        known = ", ".join(names)
        if unknown := next((name for name in value if name not in names and f"`{name}`" in said), None):
            instead = _near(unknown, names) or f" There are: {known}."
            return f"there is no {excerpt(unknown, LONGEST_VALUE)} in it.{instead}"
    choices = [str(choice) for choice in _choices(inspect.type_info(kind))]
    return f"it must be {expected(kind)}.{_near(value, choices)}"


def _choices(info: inspect.Type) -> list[Any]:
    match info:
        case inspect.LiteralType(values=values):
            return list(values)
        case inspect.UnionType():
            return [choice for member in info.types for choice in _choices(member)]
        case inspect.BoolType():
            return ["true", "false"]
        case _:
            return []


def _near(name: object, names: list[str]) -> str:
    if not isinstance(name, str) or len(name) > LONGEST_VALUE:
        return ""
    close = get_close_matches(name.lower(), names, n=1)
    if not close and (meant := MEANT.get(name.strip().lower())) in names:
        close = [meant]
    return f" Did you mean {close[0]}?" if close else ""
