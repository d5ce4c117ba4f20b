"""Speech in custom voices and from clips, and with emotions: what reaches the engine, and what is refused."""

import base64

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from speechhub.engine import EMOTIONS, EmotionMode
from tests.fakes.babble import wav_of
from tests.generated import examples
from tests.http.conftest import wav

SPEAKER, OTHER = wav(1.5), wav(2.0)
CLIP = base64.b64encode(SPEAKER).decode()
WITH = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(25)
)


@pytest.fixture
async def anna(client):
    """A custom voice."""
    consent = await client.audio.voice_consents.create(name="A", language="en", recording=("a.wav", SPEAKER))
    return await client.audio.voices.create(
        name="Annabel", audio_sample=("a.wav", SPEAKER), consent=consent.id
    )


@pytest.fixture
def speak(http):
    async def post(**fields):
        body = {"model": "mimic", "input": "Hello.", "voice": CLIP} | fields
        return await http.post("/v1/audio/speech", json=body)

    return post


def refused(answer, param, code="invalid_value"):
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code), error


# ── Voices ───────────────────────────────────────────────────────────────────


@pytest.mark.mission("6.6", "10.4")
@pytest.mark.parametrize("head", ["", "data:audio/wav;base64,", "data:;base64,"])
async def test_a_clip_reaches_the_engine(speak, runner, head):
    """In the rate and the length that the engine declares, whatever was sent."""
    with capture_logs() as logs:
        assert (await speak(voice=head + CLIP)).status_code == 200

    [warning] = [line for line in logs if line["log_level"] == "warning"]
    assert (warning["duration_s"], warning["used_s"]) == (1.5, 1.2)
    [(_, request)] = runner.requests
    assert request.voice == ""
    assert request.reference.audio.sample_rate == 16_000
    assert request.reference.audio.duration_s == pytest.approx(1.2, abs=0.01)
    assert np.abs(request.reference.audio.samples).max() == pytest.approx(8000 / 32768, abs=0.02)


@pytest.mark.mission("10.4")
@pytest.mark.parametrize("name", ["id", "object", "name"])
async def test_a_custom_voice_reaches_the_engine(speak, runner, anna, name):
    """By its id, in either of OpenAI's shapes, and by its name; it sounds as the same clip does."""
    voice = {"id": anna.id, "object": {"id": anna.id}, "name": "annabel"}[name]

    assert (await speak(voice=voice)).status_code == 200
    assert (await speak()).status_code == 200

    (_, stored), (_, clip) = runner.requests
    assert stored.reference.digest == clip.reference.digest


async def test_what_engines_learnt_goes_with_the_voice(speak, hub, anna, client):
    """The engine hears whose recording may be kept; when the voice is deleted, nothing of it is left."""
    digest = hub.voices.library.voice(anna.id).sha256
    kept = hub.voices.cache.folder("mimic") / f"{digest}.pt"
    kept.write_bytes(b"learnt")

    assert (await speak(voice=anna.id)).status_code == 200
    assert (await speak()).status_code == 200
    stored, clip = [request.reference for _, request in hub.runner.requests]
    assert (stored.stored, clip.stored) == (True, False)
    assert stored.digest == clip.digest == digest
    assert kept.exists()

    await client.audio.voices.delete(anna.id)
    assert not kept.exists()


async def test_an_alias_counts_where_voices_are_cloned(speak, runner, anna, hub):
    """Alloy is Annabel for the model that clones, and what it was for the other."""
    hub.voices.library.set_alias("alloy", "annabel")

    assert (await speak(voice="alloy")).status_code == 200
    assert (await speak(voice="alloy", model="mouth")).status_code == 200
    assert (await speak(voice="nova", model="mouth")).status_code == 200

    (_, cloned), (_, plain), _ = runner.requests
    assert cloned.reference is not None
    assert (plain.voice, plain.reference) == ("anna", None)


async def test_a_model_with_its_own_voices_keeps_their_names(speak, runner, client):
    """A custom voice does not take the name away."""
    consent = await client.audio.voice_consents.create(name="A", language="en", recording=("a.wav", SPEAKER))
    await client.audio.voices.create(name="bert", audio_sample=("a.wav", SPEAKER), consent=consent.id)

    assert (await speak(voice="bert", model="mouth")).status_code == 200

    [(_, request)] = runner.requests
    assert (request.voice, request.reference) == ("bert", None)


@pytest.mark.scenario("model-cannot")
async def test_a_model_that_cannot_clone_says_so(speak, runner, anna):
    """Clip, id and name: each is a 400 before the first byte, and nothing reaches the engine."""
    for voice in (CLIP, anna.id, {"id": anna.id}, "Annabel"):
        refused(await speak(voice=voice, model="mouth"), "voice", "unsupported_value")
    assert not runner.requests


@pytest.mark.parametrize("voice", [None, "alloy", "nobody"])
async def test_a_model_without_voices_needs_one(speak, runner, voice):
    """The message says what can be done."""
    answer = await speak(voice=voice)

    refused(answer, "voice")
    assert "custom voice" in answer.json()["error"]["message"]
    assert not runner.requests


async def test_a_voice_that_is_not_there(speak):
    """An id that means nothing is a 404 about the field voice."""
    answer = await speak(voice={"id": "voice_" + "0" * 24})

    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (404, "voice", "voice_not_found")


@pytest.mark.mission("6.12")
@pytest.mark.parametrize(
    ("clip", "code"),
    [
        (b"x" * 300, "invalid_value"),
        (wav(0.5), "audio_too_short"),
        (b"x" * 260_000, "invalid_value"),
        (wav(1.5).replace(b"\0", b"\1")[:300], "invalid_value"),
    ],
    ids=["no audio", "short", "large", "damaged"],
)
async def test_a_bad_clip_is_refused(speak, runner, clip, code):
    """It is the field voice that is wrong."""
    answer = await speak(voice=base64.b64encode(clip).decode())

    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "voice"), error
    assert error["code"] in (code, "audio_too_short")
    assert not runner.requests


def recorded(level=0.3, seconds=2.0, rate=8000):
    samples = np.sin(np.arange(round(seconds * rate)) * 2 * np.pi * 220 / rate) * level
    return wav_of(samples.clip(-1, 1), rate)


USELESS = {
    "silence": (recorded(0.0), "invalid_value", "silent"),
    "too quiet": (recorded(0.002), "invalid_value", "silent"),
    "too short": (recorded(seconds=0.9), "audio_too_short", "at least 1 s"),
    "too long": (recorded(seconds=31, rate=3000), "invalid_value", "30"),
    "overdriven": (recorded(50.0), "invalid_value", "full scale"),
    "undecodable": (b"RIFF, but no more than that" * 20, "invalid_value", ""),
}


@pytest.mark.scenario("useless-speaker-clip", "short-speaker-clip")
@pytest.mark.parametrize("what", USELESS)
async def test_a_useless_recording_is_refused_wherever_it_comes_in(http, speak, runner, anna, what):
    """As a clip, as an emotion, as a custom voice, as a consent: a 400 that names the field and says why."""
    data, code, says = USELESS[what]
    clip = base64.b64encode(data).decode()
    described = (await http.get(f"/v1/audio/voices/{anna.id}")).json()
    form, sample = {"name": "Bad", "consent": described["consent"]}, {"audio_sample": ("a.wav", data)}
    spoken = {"name": "Bad", "language": "en"}

    answers = {
        "voice": await speak(voice=clip),
        "emotion.audio": await speak(emotion={"mode": "audio", "audio": clip}),
        "audio_sample": await http.post("/v1/audio/voices", data=form, files=sample),
        "recording": await http.post(
            "/v1/audio/voice_consents", data=spoken, files={"recording": ("a.wav", data)}
        ),
    }

    for param, answer in answers.items():
        refused(answer, param, code)
        assert says in answer.json()["error"]["message"]
    assert not runner.requests


@pytest.mark.mission("6.12")
async def test_what_is_no_base64_is_refused(speak):
    """A long text that is no clip, and a data URL without base64."""
    refused(await speak(voice="Anna, but " * 40), "voice")
    refused(await speak(voice="data:audio/wav,abc"), "voice")


# ── Seeds ────────────────────────────────────────────────────────────────────


async def test_a_seed_reaches_the_engine(speak, runner):
    """As it is; without one, chance rules."""
    assert (await speak(seed=7)).status_code == 200
    assert (await speak()).status_code == 200

    assert [request.seed for _, request in runner.requests] == [7, None]


@pytest.mark.scenario("model-cannot")
async def test_a_model_that_knows_no_seed_says_so(speak, runner):
    """A promise that nobody keeps is not made."""
    refused(await speak(seed=7, model="mouth", voice="anna"), "seed", "unsupported_value")
    assert not runner.requests


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "x", True])
async def test_a_wrong_seed_is_refused(speak, runner, seed):
    """By its name."""
    refused(await speak(seed=seed), "seed")
    assert not runner.requests


# ── Emotions ─────────────────────────────────────────────────────────────────


@pytest.mark.mission("6.7", "10.8")
async def test_every_mode_reaches_the_engine(speak, runner, anna):
    """Each part arrives, with its strength."""
    vector = {"happy": 0.5, "calm": 0.25}
    for emotion in (
        {"mode": "audio", "audio": base64.b64encode(OTHER).decode(), "alpha": 0.5},
        {"audio": anna.id},
        {"vector": vector, "random": True},
        {"mode": "vector", "vector": [0.5, 0, 0, 0, 0, 0, 0, 0.25]},
        {"text": "bored"},
        {"mode": "text"},
        {"mode": "auto"},
        {},
    ):
        assert (await speak(emotion=emotion)).status_code == 200

    audio, stored, named, listed, text, own, auto, empty = [request.emotion for _, request in runner.requests]
    assert (audio.mode, audio.alpha, audio.audio.audio.sample_rate) == (EmotionMode.AUDIO, 0.5, 16_000)
    assert stored.audio.digest == runner.requests[0][1].reference.digest != audio.audio.digest
    assert named.vector == listed.vector == (0.5, 0, 0, 0, 0, 0, 0, 0.25)
    assert (named.random, listed.random) == (True, False)
    assert (text.mode, text.text, own.mode, own.text) == (EmotionMode.TEXT, "bored", EmotionMode.TEXT, None)
    assert auto is empty is None
    assert [one.alpha for one in (stored, named, listed, text, own)] == [0.65, 1.0, 1.0, 0.65, 0.65]


@pytest.mark.parametrize("alpha", [0, 0.3, 1])
async def test_the_strength_that_a_client_names_counts(speak, runner, alpha):
    """Also none, and all."""
    for emotion in ({"text": "bored"}, {"vector": {"happy": 0.5}}, {"audio": CLIP}):
        await speak(emotion=emotion | {"alpha": alpha})

    assert [request.emotion.alpha for _, request in runner.requests] == [alpha] * 3


async def test_instructions_are_an_emotion_in_words(speak, runner):
    """Where the engine takes one; an emotion that is asked for wins, auto too."""
    await speak(instructions="Whisper.")
    await speak(instructions="Whisper.", emotion={"text": "angry"})
    await speak(instructions="Whisper.", emotion={"mode": "auto"})
    await speak(instructions="Whisper.", model="mouth", voice="anna")

    told, asked, auto, deaf = [request for _, request in runner.requests]
    assert (told.emotion.mode, told.emotion.text, told.emotion.alpha) == (EmotionMode.TEXT, "Whisper.", 0.6)
    assert asked.emotion.text == "angry"
    assert auto.emotion is deaf.emotion is None
    assert told.instructions is None


@pytest.mark.mission("6.8")
@pytest.mark.scenario("bad-emotion")
@pytest.mark.parametrize(
    ("emotion", "param"),
    [
        ("angry", "emotion"),
        ({"mood": "angry"}, "emotion"),
        ({"mode": "else"}, "emotion.mode"),
        ({"vector": [0.5] * 7}, "emotion.vector"),
        ({"vector": [0.5] * 9}, "emotion.vector"),
        ({"vector": [0] * 8}, "emotion.vector"),
        ({"vector": [0.5] * 7 + [1.5]}, "emotion.vector[7]"),
        ({"vector": {"glad": 1}}, "emotion.vector"),
        ({"vector": {"happy": -0.1}}, "emotion.vector.happy"),
        ({"vector": {"happy": "much"}}, "emotion.vector.happy"),
        ({"text": " "}, "emotion.text"),
        ({"text": "x" * 4097}, "emotion.text"),
        ({"text": "angry", "alpha": 1.1}, "emotion.alpha"),
        ({"text": "angry", "alpha": True}, "emotion.alpha"),
        ({"text": "angry", "vector": [0.5] * 8}, "emotion"),
        ({"mode": "text", "vector": [0.5] * 8}, "emotion.vector"),
        ({"mode": "auto", "text": "angry"}, "emotion.text"),
        ({"audio": CLIP, "random": True}, "emotion.random"),
        ({"audio": "nobody"}, "emotion.audio"),
        ({"audio": "data:audio/wav;base64,AAAA"}, "emotion.audio"),
    ],
    ids=lambda it: str(it)[:40],
)
async def test_a_wrong_emotion_is_refused(speak, runner, emotion, param):
    """By the path of what is wrong, before anything reaches the engine."""
    refused(await speak(emotion=emotion), param)
    assert not runner.requests


@pytest.mark.scenario("bad-emotion")
@pytest.mark.parametrize(
    "emotion",
    [
        '{"text": "sad", "alpha": NaN}',
        '{"text": "sad", "alpha": 1e999}',
        '{"text": "sad", "alpha": -1e-9}',
        '{"vector": {"happy": Infinity}}',
        '{"vector": [1e400, 0, 0, 0, 0, 0, 0, 0]}',
        '{"vector": [0.5, null, 0, 0, 0, 0, 0, 0]}',
        '{"text": "sad", "volume": 1}',
        "[]",
        "0.5",
    ],
)
async def test_numbers_that_are_none_are_refused(http, runner, emotion):
    """JSON has no NaN, and what overflows is out of range; nothing of it reaches the engine."""
    body = f'{{"model": "mimic", "voice": "{CLIP}", "input": "Hello.", "emotion": {emotion}}}'
    answer = await http.post("/v1/audio/speech", content=body.encode())

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_value"), answer.text
    assert not runner.requests


@pytest.mark.parametrize(("mode", "param"), [("audio", "emotion.audio"), ("vector", "emotion.vector")])
async def test_a_mode_needs_its_part(speak, mode, param):
    """Only a text can be taken from the input."""
    refused(await speak(emotion={"mode": mode}), param, "missing_required_parameter")


async def test_a_model_without_emotions_says_so(speak, runner):
    """Auto is fine with any model."""
    refused(await speak(emotion={"text": "sad"}, model="mouth", voice="anna"), "emotion", "unsupported_value")
    assert not runner.requests
    assert (await speak(emotion={"mode": "auto"}, model="mouth", voice="anna")).status_code == 200


NUMBERS = st.one_of(
    st.floats(0, 1), st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.booleans()
)
ODD = st.one_of(st.none(), st.text(max_size=5), NUMBERS, st.lists(NUMBERS, max_size=10))
EMOTION = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.one_of(st.sampled_from(["auto", "audio", "vector", "text"]), ODD),
        "audio": st.one_of(st.just(CLIP), ODD),
        "vector": st.one_of(
            st.lists(st.floats(0, 1), min_size=8, max_size=8),
            st.dictionaries(st.sampled_from([*EMOTIONS, "glad"]), NUMBERS),
            ODD,
        ),
        "text": st.one_of(st.text(max_size=9), ODD),
        "alpha": NUMBERS,
        "random": st.one_of(st.booleans(), ODD),
    },
)


@pytest.mark.mission("15.10")
@WITH
@given(emotion=EMOTION)
async def test_whatever_the_emotion_it_is_spoken_or_refused(speak, runner, emotion):
    """Any object gets speech with a value in range, or a 400 that names a field of the emotion."""
    runner.requests.clear()

    answer = await speak(emotion=emotion)

    if answer.status_code != 200:
        error = answer.json()["error"]
        assert answer.status_code == 400, error
        assert error["param"].partition(".")[0] == "emotion", error
        assert not runner.requests
        return
    made = runner.requests[0][1].emotion
    assert made is None or 0 <= made.alpha <= 1
    if made and made.mode is EmotionMode.VECTOR:
        assert len(made.vector) == 8
        assert all(0 <= weight <= 1 for weight in made.vector)
        assert any(made.vector)
