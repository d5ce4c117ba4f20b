"""`LoadContext.settings` reads an operator's options into an engine's own dataclass."""

from dataclasses import dataclass, field

import pytest

from speechhub.engine import ConfigurationError, LoadContext


@dataclass(frozen=True, kw_only=True)
class Options:
    beam_size: int = 5
    threshold: float = 0.5
    word_level: bool = False
    compute_type: str = "int8"
    language: str | None = "en"
    temperatures: tuple[float, ...] = (0.0,)
    extra: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WithState:
    beam_size: int = 5
    required: int = field()


def read(kind=Options, /, **options):
    return LoadContext(model="m", model_dir=None, options=options).settings(kind)


def test_without_options_the_defaults_hold():
    assert read() == Options()


@pytest.mark.parametrize(
    ("option", "written", "read_as"),
    [
        ("beam_size", "7", 7),
        ("beam_size", 7, 7),
        ("threshold", "0.25", 0.25),
        ("threshold", 1, 1.0),
        ("word_level", "true", True),
        ("word_level", "0", False),
        ("word_level", True, True),
        ("compute_type", "float16", "float16"),
        ("language", None, None),
        ("language", "de", "de"),
        ("temperatures", [0.0, 0.2], (0.0, 0.2)),
        ("extra", {"a": 1}, {"a": 1}),
    ],
)
def test_values_become_what_the_field_says(option, written, read_as):
    """Environment variables are text and TOML has lists: either way the field's type comes out."""
    value = getattr(read(**{option: written}), option)

    assert value == read_as
    assert type(value) is type(read_as)


def test_an_unknown_option_is_named_with_those_that_there_are():
    """A slip in the settings must not go unnoticed."""
    with pytest.raises(
        ConfigurationError, match=r"Unknown engine option 'beamsize' for model 'm'; known: beam_s"
    ):
        read(beamsize=3)


@pytest.mark.parametrize(
    ("option", "written"),
    [
        ("beam_size", "many"),
        ("beam_size", True),
        ("threshold", None),
        ("word_level", "perhaps"),
        ("compute_type", 8),
        ("temperatures", "0.0"),
        ("extra", 1),
    ],
)
def test_a_value_of_the_wrong_type_is_named(option, written):
    """The message has the option and the value, so that the operator finds it."""
    with pytest.raises(ConfigurationError, match=rf"'{option}' must be .* not {written!r}"):
        read(**{option: written})


def test_a_field_without_a_default_is_no_option():
    """Only fields with defaults can be left out, so only they are options."""
    with pytest.raises(ConfigurationError, match=r"known: beam_size\."):
        read(WithState, required=1)
