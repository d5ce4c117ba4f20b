"""Values from a fixed set, which are the same in capitals or with blanks around them."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from msgspec import inspect

Plan = frozenset[str] | Mapping[str, Any] | tuple[Any] | None
"""Of a type: the texts that it names; the plans of an object's fields; that of a list's items; or nothing."""


def spelled(value: Any, kind: Any) -> Any:
    """Return *value* with what its type names spelled as the type does; the rest is as it was.

    Args:
        value: As JSON or a form has it; not changed.
        kind: The type that it is to have.
    """
    return _spelled(value, _plan(kind))


def _spelled(value: Any, plan: Plan) -> Any:
    match plan:
        case frozenset() if isinstance(value, str) and value not in plan:
            meant = value.strip().lower()
            return meant if meant in plan else value
        case tuple() if isinstance(value, list):
            return [_spelled(item, plan[0]) for item in value]
        case Mapping() if isinstance(value, dict):
            return {name: _spelled(part, plan.get(name)) for name, part in value.items()}
        case Mapping():
            return _spelled(value, plan.get(""))
        case _:
            return value


@cache
def _plan(kind: Any) -> Plan:
    return _plan_of(inspect.type_info(kind))


def _plan_of(info: inspect.Type) -> Plan:
    match info:
        case inspect.LiteralType(values=values):
            return frozenset(value for value in values if isinstance(value, str))
        case inspect.VarTupleType() | inspect.ListType():
            item = _plan_of(info.item_type)
            return item and (item,)
        case inspect.StructType():
            fields = {it.encode_name: plan for it in info.fields if (plan := _plan_of(it.type))}
            if info.tag_field and isinstance(info.tag, str):
                fields[info.tag_field] = frozenset({info.tag})
            return fields or None
        case inspect.UnionType():
            plans = [plan for it in info.types if (plan := _plan_of(it))]
            whole = {name: plan for it in plans if isinstance(it, Mapping) for name, plan in it.items()}
            flat = [it for it in plans if not isinstance(it, Mapping)]
            if not whole:
                return flat[0] if flat else None
            return {**whole, "": flat[0]} if flat else whole
        case _:
            return None
