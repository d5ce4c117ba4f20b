"""Specs contradict themselves at once, and calls tell their engines when nobody waits."""

import dataclasses

import pytest

import speechhub.engine
from speechhub.engine import (
    Call,
    ConfigurationError,
    EngineSpec,
    ModelSpec,
    RequestCancelledError,
    Slot,
    SttCapabilities,
    TtsCapabilities,
)


def spec(**fields):
    given = {"name": "e", "slot": Slot.STT, "factory": "p.m:C", "capabilities": SttCapabilities(max_batch=2)}
    return EngineSpec(**{**given, **fields})


def test_capabilities_must_be_of_the_slot():
    """An STT engine with a TTS engine's capabilities is refused, also where one model has them."""
    with pytest.raises(ConfigurationError, match="'e' is in slot stt and needs SttCapabilities"):
        spec(capabilities=TtsCapabilities())
    with pytest.raises(ConfigurationError, match="'m' is in slot stt and needs SttCapabilities"):
        spec(models=(ModelSpec(id="m", capabilities=TtsCapabilities()),))
    with pytest.raises(ConfigurationError, match="needs TtsCapabilities"):
        spec(slot=Slot.TTS)


@pytest.mark.parametrize("factory", ["", "package.module", "package.module:", ":Class"])
def test_the_factory_is_a_module_and_a_class(factory):
    """Half a path is found when the plugin is read, not when the first request comes."""
    with pytest.raises(ConfigurationError, match="factory must read"):
        spec(factory=factory)


@pytest.mark.parametrize("field", ["compute", "prebuild"])
def test_a_function_is_a_module_and_a_name(field):
    """As above, for what the engine's environment is asked or told to do."""
    for half in ("package.module", "package.module:", ":function"):
        with pytest.raises(ConfigurationError, match=f"{field} must read"):
            spec(**{field: half})


def test_a_model_can_differ_from_its_engine():
    """A model's own capabilities win; the engine's count for all others."""
    own = SttCapabilities(translation=True)

    made = spec(models=(ModelSpec(id="a"), ModelSpec(id="b", capabilities=own)))

    assert [made.capabilities_of(model) for model in made.models] == [made.capabilities, own]


def test_a_call_tells_when_nobody_waits():
    """`cancelled` can be looked at, and `raise_if_cancelled` ends the work."""
    call = Call()
    call.raise_if_cancelled()
    assert not call.cancelled

    call.cancel_event.set()

    assert call.cancelled
    with pytest.raises(RequestCancelledError):
        call.raise_if_cancelled()


def test_values_are_frozen_and_take_keywords_only():
    """A field can be added to any value of the API without breaking a plugin."""
    for name in speechhub.engine.__all__:
        value = getattr(speechhub.engine, name)
        if dataclasses.is_dataclass(value):
            assert value.__dataclass_params__.frozen, name
            assert all(field.kw_only for field in dataclasses.fields(value)), name
