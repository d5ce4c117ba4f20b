"""Names of voices over all models: unique, stable, and understood."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechhub.domain.names import key_of
from speechhub.engine import Voice
from speechhub.voices import CustomVoice
from speechhub.wyoming.voice_names import ChosenVoice, SpeakingModel, VoiceNames
from tests.generated import examples

LOW, HIGH = Voice(id="low", name="Low"), Voice(id="high", name="High")


def model(name, *voices, known=None, clones=False, languages=("en",)):
    return SpeakingModel(
        id=name,
        described=voices,
        known=voices if known is None else known,
        clones=clones,
        languages=languages,
    )


def custom(name, number=1):
    return CustomVoice(
        id=f"voice_{number:024x}", name=name, created_at=number, sha256="0" * 64, duration_s=1.0
    )


TONES = model("tones", LOW, HIGH)
JOE = model("joe-model", Voice(id="joe", name="Joe"))
ECHO = model("echo", LOW)
MIMIC = model("mimic", clones=True, languages=("zh", "en"))
ANNA = custom("Anna")


def names_of(*models, custom=(), default=None, **facts):
    ordered = tuple(sorted(models, key=lambda one: (one.id != default, one.id)))
    return VoiceNames(models=ordered, default=default or ordered[0].id, custom=tuple(custom), **facts)


def listed(names):
    return {one.name for one in names.offered}


def find(names, name, aliases=None):
    found = names.find(name, lambda voice: (aliases or {}).get(voice, voice))
    return found and (found.model, found.voice)


def test_a_voice_goes_by_its_id_where_no_other_model_has_it():
    """Where one has, both go by model and voice."""
    assert listed(names_of(TONES, JOE)) == {"low", "high", "joe"}
    assert listed(names_of(TONES, JOE, ECHO)) == {"tones/low", "high", "joe", "echo/low"}
    assert listed(names_of(TONES, model("loud", Voice(id="LOW")))) == {"tones/low", "high", "loud/LOW"}
    accents = names_of(model("a", Voice(id="Zoe\u0308")), model("b", Voice(id="zo\u00eb")))
    assert listed(accents) == {"a/Zoe\u0308", "b/zo\u00eb"}


@pytest.mark.parametrize("models", [(TONES, JOE), (TONES, JOE, ECHO, MIMIC)])
def test_names_stay_when_anything_else_changes(models):
    """Another default, a loaded engine and new custom voices change no name that Home Assistant stored."""
    before = listed(names_of(*models))
    loaded = [
        replace(one, known=(*one.known, Voice(id="joe"), Voice(id="third"))) if one is TONES else one
        for one in models
    ]
    added = [custom(name, number) for number, name in enumerate(("joe", "LOW", "Anna", "third"), start=1)]

    assert listed(names_of(*models, default="tones")) == before
    assert listed(names_of(*loaded)) - before == {"tones/joe", "tones/third"}
    assert before <= listed(names_of(*loaded, custom=added))
    for name in before:
        assert find(names_of(*models), name) == find(names_of(*loaded, custom=added), name)


def test_a_plain_name_is_understood_after_another_engine_took_part_of_it():
    """A pipeline with ``low`` still speaks: with the default model's voice, else with the first."""
    assert find(names_of(TONES, JOE), "low") == ("tones", "low")
    assert find(names_of(TONES, JOE, ECHO, default="tones"), "low") == ("tones", "low")
    assert find(names_of(TONES, JOE, ECHO, default="echo"), "low") == ("echo", "low")
    assert find(names_of(TONES, JOE, ECHO, default="joe-model"), "Low") == ("echo", "low")
    assert find(names_of(TONES, JOE), "tones/low") == ("tones", "low")


def test_every_listed_name_means_what_it_lists():
    """In any case of letters, too."""
    names = names_of(TONES, JOE, ECHO, MIMIC, custom=[ANNA, custom("low", 2), custom("Mimic", 3)])

    for one in names.offered:
        for name in (one.name, one.name.upper()):
            assert names.find(name, str) == ChosenVoice(model=one.model.id, voice=one.voice)
    assert len({one.name.lower() for one in names.offered}) == len(names.offered)


def test_custom_voices_speak_through_each_model_that_clones():
    """By their name where one model clones, and with the model's where several do."""
    assert listed(names_of(JOE, custom=[ANNA])) == {"joe"}
    one = names_of(JOE, MIMIC, custom=[ANNA])
    assert listed(one) == {"joe", "Anna"}
    assert [(it.title, it.languages) for it in one.offered if it.title == "Anna"] == [("Anna", ("zh", "en"))]
    assert find(one, "anna") == find(one, ANNA.id) == find(one, "mimic/Anna") == ("mimic", ANNA.id)

    several = names_of(MIMIC, model("parrot", clones=True), custom=[ANNA], default="parrot")
    assert [it.title for it in several.offered] == ["Anna — parrot", "Anna — mimic"]
    assert listed(several) == {"parrot/Anna", "mimic/Anna"}
    assert find(several, "Anna") == ("parrot", ANNA.id)
    assert find(several, "mimic/anna") == ("mimic", ANNA.id)


@pytest.mark.parametrize("name", ["low", "Low", "LOW"])
def test_a_model_s_own_voice_comes_before_a_custom_voice_of_its_name(name):
    """As over HTTP; the custom voice is listed by its id."""
    mimic, mine = replace(MIMIC, described=(LOW,), known=(LOW,)), custom(name)
    names = names_of(mimic, custom=[mine])

    assert listed(names) == {"low", mine.id}
    assert find(names, name) == ("mimic", "low")
    assert find(names, mine.id) == ("mimic", mine.id)
    assert [one.title for one in names.offered] == ["Low — mimic", name]


def test_custom_voices_of_one_name_are_all_there():
    """Earlier versions told names apart by how an accent is encoded."""
    older, newer = custom("Zo\u00eb", 1), custom("Zoe\u0308", 2)
    names = names_of(MIMIC, custom=[older, newer])

    assert listed(names) == {older.name, newer.id}
    assert find(names, newer.name) == ("mimic", older.id)


def test_a_model_whose_voices_only_a_load_tells_has_one_entry_that_stays():
    """After the load its speakers can be chosen; names of other models stay."""
    before = model("far-voices")
    after = replace(before, known=(LOW, Voice(id="joe", languages=("de",))))
    alone = replace(before, known=(Voice(id="joe", languages=("de",)),))

    assert [(one.name, one.voice, one.languages) for one in names_of(before).offered] == [
        ("far-voices", None, ("en",))
    ]
    loaded = names_of(after, JOE)
    assert listed(loaded) == {"far-voices", "far-voices/low", "far-voices/joe", "joe"}
    assert [one.speakers for one in loaded.offered if one.speakers] == [("low", "joe")]
    assert [(one.name, one.languages, one.speakers) for one in names_of(alone).offered] == [
        ("far-voices", ("de",), ())
    ]
    assert find(loaded, "joe") == ("joe-model", "joe")
    assert find(loaded, "far-voices") == ("far-voices", None)
    assert find(names_of(before, JOE), "far-voices/joe") == ("far-voices", "joe")
    assert find(names_of(before, JOE, default="joe-model"), "low") is None
    assert find(names_of(before, JOE, default="far-voices"), "low") == ("far-voices", "low")


def test_aliases_and_openai_s_names_are_understood_and_not_listed():
    """OpenAI's names mean what they mean over HTTP: some voice of the default model."""
    names = names_of(TONES, JOE, MIMIC, default="tones", custom=[ANNA], aliases={"narrator": ANNA.id})

    assert listed(names) == {"low", "high", "joe", "Anna"}
    assert find(names, "Narrator") == ("mimic", ANNA.id)
    assert find(names, "boss", {"boss": "joe"}) == ("joe-model", "joe")
    assert find(names, "boss", {"boss": "nova"}) == ("tones", "boss")
    assert find(names, "alloy", {"alloy": "joe"}) == ("joe-model", "joe")
    assert find(names, "alloy") == ("tones", "alloy")
    assert find(names, "default") == ("tones", "default")
    assert find(names, "joe-model/nova") == ("joe-model", "nova")
    assert find(names, "joe-model") == ("joe-model", "joe")
    assert find(names_of(JOE, model("alloys", Voice(id="alloy")), default="joe-model"), "alloy") == (
        "alloys",
        "alloy",
    )
    for unknown in ("nobody", "joe-model/low", "other/joe", "", "/", "joe-model/"):
        assert find(names, unknown) is None, unknown


IDS = st.sampled_from(
    ["low", "LOW", "joe", "Zo\u00eb", "Zoe\u0308", "a", "a/low", "b/joe", "alloy", "default", "x"]
)


def distinct(elements, key):
    return st.lists(elements, max_size=4, unique_by=key).map(tuple)


VOICES = distinct(st.builds(Voice, id=IDS), lambda voice: key_of(voice.id))


@st.composite
def installations(draw):
    """Return models before and after each was loaded, and the names of custom voices, the oldest first."""
    before, after = [], []
    for name in draw(st.lists(st.sampled_from(["a", "b", "c", "low"]), min_size=1, max_size=4, unique=True)):
        described, late = draw(VOICES), draw(VOICES)
        here = {key_of(voice.id) for voice in described}
        before.append(model(name, *described, clones=draw(st.booleans())))
        known = (*described, *(voice for voice in late if key_of(voice.id) not in here))
        after.append(replace(before[-1], known=known))
    return before, after, draw(st.lists(IDS, max_size=4, unique=True))


@settings(max_examples=examples(300))
@given(installations(), st.data())
def test_any_installation_offers_each_voice_once_and_keeps_its_names(installation, data):
    """Whatever the names: each listed name means what it lists, and nothing later changes that."""
    before, after, texts = installation
    mine = [custom(text, number) for number, text in enumerate(texts, start=1)]
    count = data.draw(st.integers(0, len(mine)))
    default = data.draw(st.sampled_from([one.id for one in before]))
    first = names_of(*before, custom=mine[:count])
    later = names_of(*after, custom=mine, default=default)

    for names, there in ((first, mine[:count]), (later, mine)):
        assert len({key_of(one.name) for one in names.offered}) == len(names.offered)
        assert all(names.find(one.name, str) == one.chosen for one in names.offered)
        for one in names.models:
            offered = {it.voice for it in names.offered if it.model.id == one.id}
            assert offered >= {voice.id for voice in one.described}
            assert offered >= {voice.id for voice in there if one.clones}
    assert {one.name: one.chosen for one in first.offered}.items() <= {
        one.name: one.chosen for one in later.offered
    }.items()
