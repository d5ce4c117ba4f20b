"""Names that clients use, and what they mean here."""

import importlib
from pathlib import Path

import pytest

from speechhub.discovery import InstalledEngine
from speechhub.engine import Slot, SttCapabilities, TtsCapabilities, Voice
from speechhub.environments.known import known_engines
from speechhub.errors import (
    ConfigurationError,
    InvalidValueError,
    ModelNotFoundError,
    NoDefaultModelError,
    WrongTaskError,
)
from speechhub.placement import place
from speechhub.services.catalog import (
    OPENAI_MODELS,
    OPENAI_VOICES,
    Catalog,
)
from speechhub.services.models import typed
from speechhub.settings import Settings
from tests.fakes.placements import CPU, GPU, placement, placements

PLUGINS = Path(__file__).parents[3] / "plugins"
ANNA, BERT = Voice(id="anna", name="Anna Ängström"), Voice(id="bert")
MODELS = placements(
    placement("small", device=CPU, preference=5),
    placement("large", device=CPU, preference=9),
    placement("mouth", slot=Slot.TTS, device=CPU, voices=(ANNA, BERT)),
)


def default(*models, slot=Slot.STT, **wishes):
    return Catalog(placements(*models), **wishes).defaults[slot]


@pytest.mark.mission("9.5")
def test_the_default_is_the_preferred_model():
    """Among models on one kind of device the highest preference wins."""
    assert Catalog(MODELS).defaults == {Slot.STT: "large", Slot.TTS: "mouth"}


@pytest.mark.mission("10.5")
def test_a_gpu_comes_before_preference():
    """Whoever has a GPU wants it used."""
    models = [placement("on-cpu", device=CPU, preference=9), placement("on-gpu", device=GPU, preference=1)]

    assert default(*models) == "on-gpu"


def test_a_preference_below_zero_never_becomes_the_default():
    """Test doubles and toys serve who asks for them, and nobody else."""
    toy = placement("toy", device=GPU, preference=-1)

    assert default(toy) is None
    assert default(toy, placement("real", device=CPU)) == "real"
    assert default(toy, default_models={Slot.STT: "toy"}) == "toy"


def test_a_licence_that_is_not_accepted_is_no_default():
    """Unless there is nothing else, and then the refusal says what to do."""
    bound, free = placement("bound", device=GPU, licence="Own-1.0"), placement("free", device=CPU)

    assert default(bound, free, may_load=lambda it: it is not bound) == "free"
    assert default(bound, free, may_load=lambda it: True) == "bound"
    assert default(bound, may_load=lambda it: False) == "bound"


def test_the_operator_s_default_wins():
    """Settings name the model; one of the other slot, or one that is not here, is an error."""
    assert Catalog(MODELS, default_models={Slot.STT: "small"}).defaults[Slot.STT] == "small"
    with pytest.raises(
        ConfigurationError, match=r"Setting stt_model: there is no stt model 'mouth'; .*large, small"
    ):
        Catalog(MODELS, default_models={Slot.STT: "mouth"})
    with pytest.raises(ConfigurationError, match=r"Setting tts_model: .* there are: none"):
        Catalog(placements(placement("ears")), default_models={Slot.TTS: "gone"})


@pytest.mark.parametrize("name", [*OPENAI_MODELS, None, ""])
def test_openai_s_names_mean_the_default(name):
    """Clients that know only OpenAI's models work."""
    slot = OPENAI_MODELS.get(name or "", Slot.STT)

    assert Catalog(MODELS).model(name, slot).model.id == {Slot.STT: "large", Slot.TTS: "mouth"}[slot]


STT_NAMES = (
    "gpt-4o-mini-transcribe-2025-03-20",
    "gpt-transcribe-2026-07-01",
    "whisper",
    "whisper-large-v3",
    "whisper-large-v3-turbo",
    "distil-whisper-large-v3-en",
)
TTS_NAMES = (
    "gpt-4o-mini-tts-2025-03-20",
    "tts-1-1106",
    "tts-1-hd-1106",
    "tts-1-hd-2025-01-01",
    "tts",
    "tts-hd",
)


@pytest.mark.parametrize(
    ("name", "meant"), [*((name, "large") for name in STT_NAMES), *((name, "mouth") for name in TTS_NAMES)]
)
def test_names_that_clients_have_built_in_mean_the_default(name, meant):
    """Dated versions, Azure's and Groq's names work, are not listed, and mean nothing the other way."""
    catalog = Catalog(MODELS, aliases={"mine": name})
    slot, other = (Slot.STT, Slot.TTS) if meant == "large" else (Slot.TTS, Slot.STT)

    assert catalog.model(name, slot).model.id == catalog.model("mine", slot).model.id == meant
    assert (catalog.find(name).name, catalog.find(name).alias_of) == (name, meant)
    assert name not in [listing.name for listing in catalog.listings()]
    with pytest.raises(ModelNotFoundError):
        catalog.model(name, other)
    with pytest.raises(NoDefaultModelError):
        Catalog({}).model(name, slot)


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4o-mini-tts-2025",
        "gpt-4o-mini-tts-preview",
        "gpt-4o-mini-tts-2025-03-20-x",
        "tts-1-11066",
        "tts-2",
        "tts-hd-1106",
        "whisper-2",
        "whisper-large",
        "whisper-large-v3-2025-03-20",
        "distil-whisper-large-v3",
        "WHISPER",
        "x-whisper-1",
        "whisper-1\n",
        "gpt-4o-transcribe-diarize",
        "gpt-4o-transcribe-diarize-2025-10-15",
        "gpt-transcribe-diarize",
    ],
)
def test_other_names_mean_nothing(name):
    """A name that is only like one of them is a mistake, and is told."""
    for slot in Slot:
        with pytest.raises(ModelNotFoundError):
            Catalog(MODELS).model(name, slot)


def test_a_model_s_own_id_wins():
    """Whoever installed whisper-large-v3 means that one; an alias of the operator's comes next."""
    installed = placement("whisper-large-v3", device=CPU), placement("whisper-1", device=CPU)
    catalog = Catalog(
        MODELS | placements(*installed),
        default_models={Slot.STT: "large"},
        aliases={"whisper": "small", "tts-1-1106": "mouth"},
    )

    assert catalog.model("whisper-large-v3", Slot.STT).model.id == "whisper-large-v3"
    assert catalog.model("whisper-1", Slot.STT).model.id == catalog.find("whisper-1").placement.model.id
    assert catalog.model("whisper", Slot.STT).model.id == "small"
    assert catalog.model("whisper-large-v3-turbo", Slot.STT).model.id == "large"


def test_the_name_for_telling_speakers_apart_needs_a_model_that_does():
    """Clients take the name for a promise: listed without such a model, they ask for what is refused."""
    teller = placement("teller", device=CPU, capabilities=SttCapabilities(diarization=True))
    catalog = Catalog(MODELS | placements(teller))

    assert "gpt-4o-transcribe-diarize" not in [listing.name for listing in Catalog(MODELS).listings()]
    assert catalog.defaults[Slot.STT] == "large"
    assert catalog.find("gpt-4o-transcribe-diarize").alias_of == "teller"
    assert "gpt-4o-transcribe-diarize" in [listing.name for listing in catalog.listings()]


def test_default_is_the_first_voice():
    """As LocalAI's clients call it, unless a voice or an alias has the name."""
    named = (Voice(id="anna"), Voice(id="default"))
    aliasing = Catalog(MODELS, voice_aliases={"default": "bert"})

    assert Catalog(MODELS).voice("Default", (ANNA, BERT), MODELS["mouth"]) == "anna"
    assert Catalog(MODELS).voice("default", named, MODELS["mouth"]) == "default"
    assert aliasing.voice("default", (ANNA, BERT), MODELS["mouth"]) == "bert"
    assert Catalog(MODELS).voice("default", (), MODELS["mouth"]) == ""


@pytest.mark.parametrize(
    ("name", "slot", "message"),
    [
        ("small", Slot.TTS, "The model 'small' can transcribe, but cannot speak. Models that speak: mouth."),
        ("whisper-1", Slot.TTS, "The model 'whisper-1' can transcribe, but cannot speak."),
        (
            "mouth",
            Slot.STT,
            "The model 'mouth' can speak, but cannot transcribe. Models that transcribe: lar",
        ),
    ],
)
def test_a_model_for_the_other_task_is_no_unknown_model(name, slot, message):
    """The message says what it is for, and which models do what was asked."""
    with pytest.raises(WrongTaskError) as caught:
        Catalog(MODELS).model(name, slot)

    assert caught.value.message.startswith(message)
    assert caught.value.code == "model_not_found"


def test_a_model_for_the_other_task_where_there_is_no_other():
    """The list of models that could do it is not an empty one."""
    with pytest.raises(WrongTaskError, match=r"Models that speak: none is installed\.$"):
        Catalog(placements(placement("ears"))).model("ears", Slot.TTS)


def test_a_model_goes_by_its_own_name():
    assert Catalog(MODELS).model("small", Slot.STT).model.id == "small"


@pytest.mark.parametrize(("slot", "known"), [(Slot.STT, "large, small"), (Slot.TTS, "mouth")])
def test_a_model_that_is_not_here_is_not_found(slot, known):
    """The error names what was asked for and what there is."""
    with pytest.raises(ModelNotFoundError, match=f"'gone' does not exist. Installed: {known}"):
        Catalog(MODELS).model("gone", slot)


def test_without_an_engine_for_the_slot_nothing_is_found():
    """No TTS engine: OpenAI's TTS names mean nothing, and asking for the default says so."""
    catalog = Catalog(placements(placement("ears")))

    with pytest.raises(ModelNotFoundError, match="no default tts model"):
        catalog.model(None, Slot.TTS)
    with pytest.raises(ModelNotFoundError, match="tts-1"):
        catalog.find("tts-1")


def test_aliases_and_aliases_of_aliases():
    """An alias stands for a model, for one of OpenAI's names, or for an alias named before it."""
    catalog = Catalog(MODELS, aliases={"mine": "small", "yours": "whisper-1", "ours": "mine"})

    named = {name: catalog.model(name, Slot.STT).model.id for name in ("mine", "yours", "ours")}

    assert named == {"mine": "small", "yours": "large", "ours": "small"}


def test_an_alias_can_take_one_of_openai_s_names():
    """The operator decides what whisper-1 means."""
    assert Catalog(MODELS, aliases={"whisper-1": "small"}).model("whisper-1", Slot.STT).model.id == "small"


def test_an_alias_of_nothing_is_an_error():
    """The message names the setting."""
    with pytest.raises(ConfigurationError, match=r"Setting aliases\.mine: there is no model 'gone'"):
        Catalog(MODELS, aliases={"mine": "gone"})


@pytest.mark.mission("11.6")
def test_everything_is_listed_models_first():
    """Models, then aliases with what they stand for; no name twice."""
    listed = Catalog(MODELS, aliases={"mine": "small"}).listings()

    assert [item.name for item in listed[:3]] == ["large", "mouth", "small"]
    assert [item.alias_of for item in listed[:3]] == [None, None, None]
    assert {item.name: item.alias_of for item in listed[3:]} == {
        "mine": "small",
        **{name: "large" if slot is Slot.STT else "mouth" for name, slot in OPENAI_MODELS.items()},
    }


def test_find_takes_models_of_both_slots():
    """Whoever lists models does not care which way they turn."""
    catalog = Catalog(MODELS)

    assert catalog.find("mouth").alias_of is None
    assert catalog.find("tts-1").placement.model.id == "mouth"
    with pytest.raises(ModelNotFoundError, match="gone"):
        catalog.find("gone")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("anna", "anna"),
        ("Bert", "bert"),
        ("anna ängström", "anna"),
        (None, "anna"),
        ("", "anna"),
        ("alloy", "anna"),
        ("ash", "bert"),
        ("Nova", "bert"),
    ],
)
def test_a_voice_goes_by_its_id_its_name_or_one_of_openai_s(name, expected):
    """Case does not matter; OpenAI's voices are spread over those that the model has."""
    assert voice(name) == expected


def test_each_of_openai_s_voices_is_somebody():
    """With enough voices, no two of OpenAI's names sound the same."""
    voices = [Voice(id=f"v{number}") for number in range(len(OPENAI_VOICES))]

    assert len({voice(name, voices) for name in OPENAI_VOICES}) == len(OPENAI_VOICES)


def test_elevenlabs_ids_stand_for_voices_too():
    """LiveKit's plugin has one built in; each is the same voice every time, and others are others."""
    ids = ["hpp4J3VqNfWAUOO0d1Us", "JBFqnCBsd6RMkjVDRZzb", "21m00Tcm4TlvDq8ikWAM", "EXAVITQu4vr4xnSDxMaL"]

    assert {voice(name) for name in ids} == {"anna", "bert"}
    assert voice(ids[0], aliases={ids[0]: "bert"}) == "bert"
    assert voice(ids[0], [ANNA, Voice(id=ids[0])]) == ids[0]
    for other in (ids[0][:-1], f"{ids[0]}x", "a" * 20, "no-such-voice-at-all"):
        with pytest.raises(InvalidValueError):
            voice(other)


def test_a_model_s_own_voice_wins_over_openai_s_name():
    """A model that has an Alloy means its own."""
    assert voice("alloy", [ANNA, BERT, Voice(id="alloy")]) == "alloy"


def test_voice_aliases_win():
    """The operator maps OpenAI's names, and names of their own."""
    aliases = {"alloy": "bert", "boss": "bert"}

    assert [voice(name, aliases=aliases) for name in ("alloy", "boss", "ash")] == ["bert", "bert", "bert"]
    assert voice("onyx", aliases={"onyx": "ash"}) == "bert"


def test_an_unknown_voice_is_refused_with_those_that_there_are():
    """The message lists the voices; the client's field is named."""
    with pytest.raises(
        InvalidValueError, match=r"'mouth' has no voice 'carl'\. Its voices: anna, bert"
    ) as caught:
        voice("carl")
    assert caught.value.param == "voice"


def test_voices_that_are_not_known_yet_are_left_to_the_engine():
    """A model that tells its voices only once it is loaded gets the name as it is, or none."""
    assert [voice(name, []) for name in ("carl", None, "alloy")] == ["carl", "", ""]


DECOMPOSED, COMPOSED = "a\u0308", "\u00e4"


@pytest.mark.parametrize("told", [DECOMPOSED, COMPOSED])
@pytest.mark.parametrize("wanted", [DECOMPOSED, COMPOSED])
def test_the_form_of_an_accent_does_not_count(told, wanted):
    """Models, aliases, voices and aliases of voices are found in either form, and listed as they are."""
    catalog = Catalog(
        {**MODELS, told: placement(told)},
        aliases={f"my-{told}": "small"},
        voice_aliases={f"my-{told}": "bert"},
    )
    voices = [ANNA, BERT, Voice(id="x", name=f"{told}nne")]

    assert catalog.find(wanted).alias_of is None
    assert catalog.model(f"my-{wanted}", Slot.STT).model.id == "small"
    assert catalog.voice(f"my-{wanted}", voices, MODELS["mouth"]) == "bert"
    assert catalog.voice(f"{wanted}nne".upper(), voices, MODELS["mouth"]) == "x"
    assert catalog.voice(f"{wanted}nne", [], MODELS["mouth"]) == f"{wanted}nne"


def test_capabilities_are_those_of_the_slot():
    """Services take models with what they can do, typed by their slot."""
    catalog = Catalog(MODELS)

    assert (catalog.stt("small").id, catalog.stt("small").capabilities) == ("small", SttCapabilities())
    assert (catalog.tts(None).id, catalog.tts(None).capabilities) == ("mouth", TtsCapabilities())
    with pytest.raises(WrongTaskError):
        catalog.tts("small")
    with pytest.raises(TypeError, match="small has no TtsCapabilities"):
        typed(MODELS["small"], TtsCapabilities)


def voice(name, voices=(ANNA, BERT), aliases=None):
    return Catalog(MODELS, voice_aliases=aliases).voice(name, list(voices), MODELS["mouth"])


def described(*plugins):
    """Return the real descriptions of plugins of this repository, installed here or not."""
    specs = []
    for plugin in plugins:
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(PLUGINS / f"speechhub-{plugin}" / "src"))
            specs.append(importlib.import_module(f"speechhub_{plugin.replace('-', '_')}").ENGINE)
    return [InstalledEngine(spec=it, distribution=it.name, python=Path("/nowhere")) for it in specs]


@pytest.mark.parametrize(
    ("devices", "heard_by", "spoken_by"),
    [((GPU, CPU), "qwen3-asr-0.6b", "indextts-2"), ((CPU,), "qwen3-asr-0.6b", "piper-en-us-joe")],
    ids=["with a GPU", "without"],
)
def test_the_mission_s_engines_are_the_defaults_where_they_are_installed(devices, heard_by, spoken_by):
    """Of all the engines of this repository together, by their real descriptions."""
    engines = described("whisper", "piper", "qwen-asr", "indextts")

    catalog = Catalog(place(engines, Settings(), devices))

    assert (catalog.defaults[Slot.STT], catalog.defaults[Slot.TTS]) == (heard_by, spoken_by)


@pytest.mark.parametrize("devices", [(GPU, CPU), (CPU,)], ids=["with a GPU", "without"])
def test_whisper_base_and_piper_are_the_defaults_by_themselves(devices):
    """It is what `scripts/serve` installs."""
    catalog = Catalog(place(described("whisper", "piper"), Settings(), devices))

    assert (catalog.defaults[Slot.STT], catalog.defaults[Slot.TTS]) == ("whisper-base", "piper-en-us-joe")


@pytest.mark.parametrize(
    "setting", [{"default_models": {Slot.STT: "qwen3-asr-0.6b"}}, {"aliases": {"x": "qwen3-asr-0.6b"}}]
)
def test_a_setting_names_a_model_that_is_not_installed(setting):
    """The server does not start, and says what to install."""
    with pytest.raises(ConfigurationError, match=r"not installed: speechhub engines install qwen-asr$"):
        Catalog(MODELS, uninstalled=known_engines(), **setting)
    with pytest.raises(ConfigurationError) as caught:
        Catalog(MODELS, **setting)
    assert "engines install" not in str(caught.value)


def test_what_is_here_is_meant_before_what_is_not():
    """A spelling of an installed model does not lead to another one."""
    catalog = Catalog(placements(placement("indextts-2")), uninstalled=known_engines())

    with pytest.raises(ModelNotFoundError, match=r"does not exist\. Did you mean 'indextts-2'\?") as caught:
        catalog.find("IndexTTS2")
    assert caught.value.meant == "indextts-2"


def test_a_model_for_the_other_task_is_not_meant():
    """It would be refused as well."""
    with pytest.raises(ModelNotFoundError) as caught:
        Catalog(MODELS).model("MOUTH", Slot.STT)
    assert caught.value.meant == ""
