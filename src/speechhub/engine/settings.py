"""An engine's own settings: what operators may write into ``[engines.NAME]``, as data, and how it is read."""

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, Union, get_args, get_origin, get_type_hints

from speechhub.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

KINDS: Final[dict[str, type]] = {
    kind.__name__: kind for kind in (bool, int, float, str, list, tuple, dict, NoneType)
}
"""Types of options that the hub can check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOption:
    """One option of an engine, as the hub knows it without importing the engine."""

    name: str
    """Key in the table ``[engines.NAME]``."""
    kinds: tuple[str, ...]
    """Names of the types that its value may have, such as ``float`` and ``NoneType``."""

    def problem_with(self, value: object) -> str:
        """Return what is wrong with the type of *value*; empty if nothing is, or if it cannot be checked."""
        accepted = [KINDS[kind] for kind in self.kinds if kind in KINDS]
        if len(accepted) < len(self.kinds):
            return ""
        try:
            convert(self.name, value, accepted)
        except ConfigurationError as error:
            return error.message
        return ""


def options_of(kind: "type[DataclassInstance]") -> tuple[EngineOption, ...]:
    """Return the options that a settings dataclass declares, for `EngineSpec.options`.

    Args:
        kind: What the engine gives to `LoadContext.settings`; its fields all have defaults.
    """
    hints = get_type_hints(kind)
    return tuple(
        EngineOption(name=name, kinds=tuple(map(_name, alternatives(hints[name])))) for name in names_of(kind)
    )


def _name(hint: Any) -> str:
    return getattr(get_origin(hint) or hint, "__name__", "")


def names_of(kind: "type[DataclassInstance]") -> list[str]:
    """Return the names of the fields that can be set, in order."""
    return [f.name for f in fields(kind) if f.default is not MISSING or f.default_factory is not MISSING]


def alternatives(hint: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the one type that *hint* is."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def convert(name: str, value: object, accepted: Sequence[Any]) -> object:
    """Return *value* as the first of the *accepted* types that takes it.

    Raises:
        ConfigurationError: None does.
    """
    if value is None and NoneType in accepted:
        return None
    for kind in accepted:
        if kind is bool and str(value).lower() in ("true", "false", "1", "0"):
            return str(value).lower() in ("true", "1")
        if kind in (int, float) and not isinstance(value, bool):
            try:
                return kind(value)
            except (TypeError, ValueError):
                continue
        if kind is str and isinstance(value, str):
            return value
        origin = get_origin(kind) or kind
        if origin in (list, tuple, dict) and isinstance(value, (list, tuple, dict)):
            return origin(value)
    wanted = " or ".join(
        "none" if kind is NoneType else getattr(kind, "__name__", str(kind)) for kind in accepted
    )
    raise ConfigurationError(f"Engine option {name!r} must be {wanted}, not {value!r}.")
