"""What the server offers over Wyoming, and which model and voice clients get."""

import asyncio
import threading

import pytest
from wyoming.info import Info

from speechhub.discovery import InstalledEngine
from speechhub.domain.language import LANGUAGES, parse_language
from speechhub.engine import HubSource, ModelFile, ModelSpec, Slot, TtsCapabilities, Voice
from speechhub.errors import (
    InvalidLanguageError,
    InvalidValueError,
    ModelNotFoundError,
    NoDefaultModelError,
    UnsupportedValueError,
    WrongTaskError,
)
from speechhub.gpu.monitor import NoGpus
from speechhub.hub import Hub
from speechhub.settings import Settings
from speechhub.wyoming import directory as module
from speechhub.wyoming.client_events import VoiceWish
from speechhub.wyoming.directory import Directory
from speechhub.wyoming.voice_names import ChosenVoice
from tests.fakes.placements import CPU, placement, placements
from tests.fakes.runner import FakeRunner
from tests.fakes.workers import Fleet
from tests.unit.voices.conftest import recording

CLONING = TtsCapabilities(cloning=True)
MODELS = (
    placement("small", device=CPU, preference=5, languages=("en", "de")),
    placement("east", device=CPU, preference=4, languages=("zh", "yue", "en")),
    placement("west", device=CPU, preference=3, languages=("fr", "yue")),
    placement(
        "joe-model",
        slot=Slot.TTS,
        device=CPU,
        preference=5,
        languages=("en",),
        voices=(Voice(id="joe", name="Joe", languages=("en",)),),
    ),
    placement(
        "duo",
        slot=Slot.TTS,
        device=CPU,
        preference=1,
        languages=("en", "de"),
        voices=(Voice(id="ada", languages=("en",)), Voice(id="bruno")),
    ),
    placement("mimic", slot=Slot.TTS, device=CPU, languages=("zh", "en"), capabilities=CLONING),
)


def hub_of(tmp_path, *models, runner=None, **settings):
    placed = placements(*(models or MODELS))
    return Hub.build(
        Settings(home=tmp_path, **settings),
        placed,
        starter=Fleet(),
        monitor=NoGpus(),
        runner=runner or FakeRunner(placed),
    )


async def opened(hub):
    made = Directory(hub)
    await made.refresh()
    return made


@pytest.fixture
async def hub(tmp_path):
    made = hub_of(tmp_path)
    yield made
    made.pools.close()


@pytest.fixture
async def directory(hub):
    return await opened(hub)


def info_of(directory):
    """Return the info, as a client reads it."""
    return Info.from_event(directory.info)


def voices_of(directory):
    return {voice.name: voice for voice in info_of(directory).tts[0].voices}


def chosen(directory, **wish):
    found = directory.voice(VoiceWish(**wish))
    return found.model, found.voice, found.language


# ── What there is ────────────────────────────────────────────────────────────


async def test_one_program_has_all_models_and_one_has_all_voices(directory):
    """Home Assistant takes the first program of each kind; the default model comes first."""
    info = info_of(directory)

    [asr], [tts] = info.asr, info.tts
    assert [model.name for model in asr.models] == ["small", "east", "west"]
    assert [voice.name for voice in tts.voices] == ["joe", "ada", "bruno"]
    assert (asr.name, tts.name) == ("speechhub", "speechhub")
    assert asr.supports_transcript_streaming
    assert tts.supports_synthesize_streaming
    assert asr.requires_external_vad
    assert all(one.installed for one in (asr, tts, *asr.models, *tts.voices))
    assert all(one.description for one in (asr, tts, *asr.models, *tts.voices))


async def test_what_cannot_be_done_is_not_offered(tmp_path):
    """Without an engine for a kind, there is no program of that kind."""
    ears, mouth = MODELS[0], MODELS[3]

    only_ears = info_of(Directory(hub_of(tmp_path, ears)))
    only_mouth = info_of(Directory(hub_of(tmp_path, mouth)))

    assert (len(only_ears.asr), len(only_ears.tts)) == (1, 0)
    assert (len(only_mouth.asr), len(only_mouth.tts)) == (0, 1)


async def test_a_program_without_voices_is_not_installed(tmp_path):
    """Home Assistant would make an entity of it that has no language."""
    [tts] = info_of(Directory(hub_of(tmp_path, MODELS[5]))).tts

    assert not tts.voices
    assert not tts.installed


async def test_every_model_and_voice_has_languages_that_requests_can_name(tmp_path):
    """Its own; else its model's; else its engine's, where the engine recognises speech; else all."""
    family = placement("family", device=CPU, languages=("en", "no"))
    spec = family.engine.spec
    models = (
        family,
        type(family)(engine=family.engine, model=ModelSpec(id="added"), device=CPU),
        placement("odd", device=CPU, languages=("de-DE", "nb", "xx", "auto", "German", "cmn")),
        placement("any", device=CPU),
        *MODELS[3:5],
        placement("free", slot=Slot.TTS, device=CPU, voices=(Voice(id="eva"),)),
    )
    info = info_of(Directory(hub_of(tmp_path, *models)))

    heard = {model.name: tuple(model.languages) for model in info.asr[0].models}
    spoken = {voice.name: tuple(voice.languages) for voice in info.tts[0].voices}
    assert spec.models[0].languages == ("en", "no")
    assert heard == {
        "family": ("en", "no"),
        "added": ("en", "no"),
        "odd": ("de", "no", "zh"),
        "any": LANGUAGES,
    }
    assert spoken == {"joe": ("en",), "ada": ("en",), "bruno": ("en", "de"), "eva": LANGUAGES}
    for code in {code for codes in (*heard.values(), *spoken.values()) for code in codes}:
        assert parse_language(code) == code


async def test_what_the_operator_has_to_allow_or_fetch_first_is_not_installed(tmp_path):
    """Home Assistant leaves out its languages and voices until that is done."""
    bound = placement("bound", device=CPU, languages=("it",), licence="Own-1.0")
    lost = placement("lost", slot=Slot.TTS, device=CPU, voices=(Voice(id="eva"),))
    absent = ModelSpec(id="lost", files=(ModelFile(path="a.bin"),), voices=lost.model.voices)
    lost = type(lost)(engine=lost.engine, model=absent, device=CPU)
    hub = hub_of(tmp_path, MODELS[0], bound, lost)
    directory = await opened(hub)

    def state():
        info = info_of(directory)
        return (
            [(model.name, model.installed) for model in info.asr[0].models],
            [voice.installed for voice in info.tts[0].voices],
            (info.asr[0].installed, info.tts[0].installed),
        )

    assert state() == ([("small", True), ("bound", False)], [False], (True, False))
    hub.licences.accept([bound.model])
    await directory.refresh()
    assert state() == ([("small", True), ("bound", True)], [False], (True, False))


async def test_the_info_names_where_weights_come_from(tmp_path):
    """The repository, if there is one; else the engine, and where the licence is."""
    plain = MODELS[0]
    model = ModelSpec(id="from-hub", hub=HubSource(repo="owner/name"), licence_url="https://x.example")
    licensed = ModelSpec(id="own", licence_url="https://own.example/licence")
    engine: InstalledEngine = plain.engine
    models = [type(plain)(engine=engine, model=it, device=CPU) for it in (model, licensed)]

    found = {
        it.name: (it.attribution.name, it.attribution.url)
        for it in info_of(Directory(hub_of(tmp_path, plain, *models))).asr[0].models
    }

    assert found == {
        "small": ("engine-of-small", ""),
        "from-hub": ("owner/name", "https://huggingface.co/owner/name"),
        "own": ("engine-of-small", "https://own.example/licence"),
    }


async def test_custom_voices_appear_and_go_without_a_restart(hub, directory):
    """Home Assistant sends nothing for a voice that is not listed under a language."""
    before = directory.info
    await directory.refresh()
    assert directory.info is before

    made = hub.voices.library.add("Anna", recording(220), statement="Anna, 2026")
    assert "Anna" not in voices_of(directory)
    await directory.refresh()

    anna = voices_of(directory)["Anna"]
    assert (anna.description, anna.languages, anna.installed) == ("Anna", ["zh", "en"], True)
    assert chosen(directory, name="anna") == ("mimic", made.id, None)
    hub.voices.library.set_alias("narrator", "Anna")
    await directory.refresh()
    assert chosen(directory, name="narrator") == ("mimic", made.id, None)
    hub.voices.library.remove("Anna")
    await directory.refresh()
    assert directory.info.data == before.data


async def test_the_directory_is_refreshed_every_ten_seconds(hub, monkeypatch):
    """Home Assistant asks every 30 s. A failure is logged once, and leaves what was there."""
    directory, outcomes = Directory(hub), iter([None, OSError("no disk"), OSError("no disk"), None, None])
    read, sleep, waits, warnings = directory._read, asyncio.sleep, [], []

    def _read():
        if failure := next(outcomes):
            raise failure
        return read()

    async def pause(delay_s):
        waits.append((delay_s, "Anna" in voices_of(directory)))
        if len(waits) == 6:
            raise asyncio.CancelledError
        await sleep(0)

    monkeypatch.setattr(module.asyncio, "sleep", pause)
    monkeypatch.setattr(directory, "_read", _read)
    monkeypatch.setattr(module.log, "warning", lambda event, **facts: warnings.append((event, facts)))
    hub.voices.library.add("Anna", recording(220), statement="Anna, 2026")
    with pytest.raises(asyncio.CancelledError):
        await directory.run()

    assert waits == [(10.0, False), *[(10.0, True)] * 5]
    [(told, values)] = warnings
    assert told == "cannot refresh what Wyoming offers"
    assert values["error"] == "OSError: no disk"


async def test_a_refresh_touches_the_disk_in_a_thread_of_its_pool_and_loads_nothing(hub, monkeypatch):
    """The event loop goes on, and reading the info does neither."""
    directory, threads = Directory(hub), []
    voices, status = hub.voices.library.voices, hub.store.status

    def noted(job):
        def run(*args, **facts):
            threads.append(threading.current_thread().name)
            return job(*args, **facts)

        return run

    monkeypatch.setattr(hub.voices.library, "voices", noted(voices))
    monkeypatch.setattr(hub.store, "status", noted(status), raising=False)
    await directory.refresh()
    count = len(threads)
    assert count == 1 + len(MODELS)
    assert all(name.startswith("disk") for name in threads)

    info_of(directory)
    directory.voice(VoiceWish(name="joe"))
    directory.stt_model(None, "de")
    assert len(threads) == count
    await directory.refresh()
    assert len(threads) == count + 1  # the voices; models that can serve are not looked at again
    assert not hub.runner.switched


async def test_voices_that_a_load_tells_join_the_others(tmp_path):
    """The entry that stood for them stays."""
    far = placement("far", slot=Slot.TTS, device=CPU, preference=9)
    hub = hub_of(tmp_path, *MODELS, far)
    directory = await opened(hub)
    assert list(voices_of(directory)) == ["far", "ada", "bruno", "joe"]
    assert tuple(voices_of(directory)["far"].languages) == LANGUAGES

    loaded = (Voice(id="uno", languages=("es",)), Voice(id="ada", name="Ada", languages=("it",)))

    async def voices(model):
        return loaded if model == "far" else hub.runner.placements[model].model.voices

    hub.runner.voices = voices
    await directory.refresh()

    now = voices_of(directory)
    assert list(now) == ["far", "far/uno", "far/ada", "ada", "bruno", "joe"]
    assert [speaker.name for speaker in now["far"].speakers] == ["uno", "ada"]
    assert now["far"].languages == ["es", "it"]
    assert chosen(directory, name="ada") == ("duo", "ada", None)
    assert chosen(directory, name="far", speaker="Ada") == ("far", "ada", None)


async def test_hundreds_of_voices_fit(tmp_path):
    """Each is there once, in an event that a client can read."""
    many = placement(
        "many", slot=Slot.TTS, device=CPU, voices=tuple(Voice(id=f"speaker-{i}") for i in range(300))
    )
    directory = await opened(hub_of(tmp_path, many))

    assert len(voices_of(directory)) == 300
    assert directory.info is directory.info


# ── Which model hears ────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("language", "model"),
    [
        (None, "small"),
        ("", "small"),
        ("auto", "small"),
        ("en", "small"),
        ("en-US", "small"),
        ("en_GB", "small"),
        ("English", "small"),
        ("de", "small"),
        ("zh", "east"),
        ("zh-Hant", "east"),
        ("zh_Hans_CN", "east"),
        ("yue", "east"),
        ("fr-CA", "west"),
    ],
)
async def test_the_default_hears_what_it_knows_and_another_the_rest(directory, language, model):
    """Home Assistant names a language and no model."""
    assert directory.stt_model(None, language) == directory.stt_model("", language) == model


async def test_a_loaded_model_is_preferred_where_the_default_does_not_know_the_language(hub, directory):
    """A switch costs seconds; a model that is loaded is no better than the default."""
    hub.runner.away |= {"east", "small"}

    assert directory.stt_model(None, "yue") == "west"
    assert directory.stt_model(None, "en") == "small"


async def test_a_model_that_is_named_is_taken(tmp_path):
    """By its id, an alias, or one of OpenAI's names; whatever it knows."""
    directory = await opened(hub_of(tmp_path, aliases={"mine": "west"}))

    assert directory.stt_model("west", "en") == directory.stt_model("mine", None) == "west"
    assert directory.stt_model("whisper-1", "zh") == "small"
    with pytest.raises(ModelNotFoundError):
        directory.stt_model("gone", None)
    with pytest.raises(WrongTaskError):
        directory.stt_model("joe-model", None)


@pytest.mark.scenario("wyoming-no-language")
async def test_a_language_that_no_model_hears_is_refused_with_those_that_are(directory):
    """So is a language that does not exist."""
    with pytest.raises(UnsupportedValueError, match=r"transcribes Italian \(it\).*en, de, zh, yue, fr") as e:
        directory.stt_model(None, "it-IT")
    assert e.value.public
    with pytest.raises(InvalidLanguageError):
        directory.stt_model(None, "klingon")


async def test_every_language_that_home_assistant_shows_is_heard_and_spoken(tmp_path):
    """It offers the languages of what is installed; also those that only a test double knows."""
    toys = (
        placement("toy", device=CPU, preference=-1),
        placement("toy-voice", slot=Slot.TTS, device=CPU, preference=-1, voices=(Voice(id="toy"),)),
    )
    directory = await opened(hub_of(tmp_path, *MODELS, *toys))
    info = info_of(directory)

    for code in {code for model in info.asr[0].models if model.installed for code in model.languages}:
        assert directory.stt_model(None, code)
    for voice in info.tts[0].voices:
        for code in voice.languages:
            assert chosen(directory, language=code)[2] == code
    assert directory.stt_model(None, "it") == "toy"
    assert directory.stt_model(None, "zh") == "east"


async def test_a_model_that_needs_the_operator_hears_only_where_no_other_can(tmp_path):
    """Its refusal then says what to do."""
    bound = placement("bound", device=CPU, preference=9, languages=("fr", "it"), licence="Own-1.0")
    directory = await opened(hub_of(tmp_path, *MODELS, bound))

    assert directory.stt_model(None, "fr") == "west"
    assert directory.stt_model(None, "it") == "bound"


async def test_without_any_model_the_refusal_says_so(tmp_path):
    """As over HTTP."""
    directory = await opened(hub_of(tmp_path, MODELS[3]))

    with pytest.raises(NoDefaultModelError):
        directory.stt_model(None, "en")
    assert (await opened(hub_of(tmp_path, MODELS[0]))).voice(VoiceWish(language="en")).model is None


# ── Which voice speaks ───────────────────────────────────────────────────────


async def test_a_client_that_asks_for_nothing_gets_the_defaults(directory):
    """An empty wish is none."""
    assert directory.voice(None) == directory.voice(VoiceWish()) == ChosenVoice()
    assert directory.voice(VoiceWish(name="", language="auto")) == ChosenVoice()


async def test_a_default_model_without_voices_takes_the_first_custom_one(tmp_path):
    """Home Assistant's test button names no voice."""
    hub = hub_of(tmp_path, *MODELS, tts_model="mimic")
    directory = await opened(hub)
    assert directory.voice(None) == ChosenVoice()

    made = hub.voices.library.add("Anna", recording(220), statement="Anna, 2026")
    await directory.refresh()

    assert directory.voice(None) == ChosenVoice(model="mimic", voice=made.id)


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ("joe-model", "joe", "en")),
        ("en-GB", ("joe-model", "joe", "en")),
        ("de", ("duo", "bruno", "de")),
        ("German", ("duo", "bruno", "de")),
    ],
)
async def test_a_language_finds_a_voice(directory, language, expected):
    """The default model's, if it speaks the language."""
    assert chosen(directory, language=language) == expected


async def test_a_language_that_no_voice_speaks_is_refused(directory):
    """The error names those that are spoken."""
    with pytest.raises(
        UnsupportedValueError,
        match=r"speaks Italian \(it\)\. .* the voices speak: en, de\.",
    ):
        directory.voice(VoiceWish(language="it"))
    with pytest.raises(InvalidLanguageError):
        directory.voice(VoiceWish(language="klingon"))


async def test_a_name_and_a_speaker_find_a_voice(tmp_path):
    """Speakers as wyoming-piper's clients name them: of the model that the name chooses."""
    directory = await opened(hub_of(tmp_path, *MODELS, voice_aliases={"boss": "bruno"}))

    assert chosen(directory, name="bruno", language="de") == ("duo", "bruno", "de")
    assert chosen(directory, name="boss") == ("duo", "bruno", None)
    assert chosen(directory, name="duo", speaker="bruno") == ("duo", "bruno", None)
    assert chosen(directory, name="ada", speaker="Bruno") == ("duo", "bruno", None)
    assert chosen(directory, name="joe", speaker="") == ("joe-model", "joe", None)
    assert chosen(directory, speaker="joe") == ("joe-model", "joe", None)
    with pytest.raises(InvalidValueError, match=r"no speaker 'bruno'\. Its speakers: joe"):
        directory.voice(VoiceWish(name="joe", speaker="bruno"))


@pytest.mark.scenario("wyoming-no-voice")
async def test_an_unknown_name_is_refused_with_some_of_the_voices(directory, tmp_path):
    """The error does not name hundreds of them."""
    with pytest.raises(InvalidValueError, match=r"no voice 'gone'\. Choose one of: joe, ada, bruno\."):
        directory.voice(VoiceWish(name="gone"))
    many = placement(
        "many", slot=Slot.TTS, device=CPU, voices=tuple(Voice(id=f"speaker-{i}") for i in range(300))
    )
    with pytest.raises(InvalidValueError, match=r"speaker-19 and 280 more\.") as refused:
        (await opened(hub_of(tmp_path, many))).voice(VoiceWish(name="gone" * 1000))
    assert len(refused.value.public) < 1000
