"""Custom voices and consents over HTTP, as OpenAI's clients and plain ones ask for them."""

import asyncio
import errno
import os
import unicodedata
from urllib.parse import quote

import openai
import pytest

from tests.http.conftest import wav


@pytest.fixture(scope="session")
def speaker():
    return wav(1.5)


async def consent_of(client, speaker):
    return await client.audio.voice_consents.create(
        name="Anna", language="en-US", recording=("a.wav", speaker)
    )


async def voice_of(client, speaker, name="Anna", consent=None):
    consent = consent or (await consent_of(client, speaker)).id
    return await client.audio.voices.create(name=name, audio_sample=("a.wav", speaker), consent=consent)


async def test_the_life_of_a_voice(client, http, speaker):
    """Consent, voice, list, one, deletion: with OpenAI's client where it has a method."""
    consent = await consent_of(client, speaker)
    made = await voice_of(client, speaker, consent=consent.id)

    assert (made.object, made.name, made.type) == ("audio.voice", "Anna", "audio_sample")
    assert made.id.startswith("voice_")
    listed = (await http.get("/v1/audio/voices")).json()
    assert [(it["id"], it["consent"]) for it in listed["data"]] == [(made.id, consent.id)]
    assert [it["id"] for it in listed["voices"]] == ["anna", "bert"]
    for name in (made.id, "anna"):
        assert (await http.get(f"/v1/audio/voices/{name}")).json()["id"] == made.id
    gone = await client.audio.voices.delete(made.id)
    assert (gone.id, gone.object, gone.deleted) == (made.id, "audio.voice.deleted", True)
    assert (await http.get("/v1/audio/voices")).json()["data"] == []
    with pytest.raises(openai.NotFoundError) as caught:
        await client.audio.voices.delete(made.id)
    assert caught.value.code == "voice_not_found"


async def test_answers_have_the_fields_of_openai_and_no_others(http, speaker):
    """OpenAI's description forbids more; what speechhub adds stands in the voice's own description."""
    sound = ("a.wav", speaker)
    consent = await http.post(
        "/v1/audio/voice_consents", data={"name": "A", "language": "en"}, files={"recording": sound}
    )
    form = {"name": "Anna", "consent": consent.json()["id"]}
    made = await http.post("/v1/audio/voices", data=form, files={"audio_sample": sound})
    described = await http.get(f"/v1/audio/voices/{made.json()['id']}")

    assert consent.json().keys() == {"id", "object", "created_at", "name", "language"}
    assert made.json().keys() == {"id", "object", "created_at", "name", "type"}
    assert described.json() == made.json() | {
        "consent": form["consent"],
        "duration_s": 1.5,
        "aliases": [],
        "warnings": made.headers["x-recording-warnings"].split(" | "),
    }
    assert [warning.split()[1] for warning in described.json()["warnings"]] == ["begins", "ends"]


async def test_fields_that_have_no_effect_are_told(http, speaker):
    """Those of OpenAI's prompts, for one; nothing is told of what is read, or where all is."""
    consents, sound = "/v1/audio/voice_consents", ("a.wav", speaker)
    words = {"name": "A", "language": "en"}
    consent = await http.post(consents, data=words | {"note": "secret"}, files={"recording": sound})
    own = f"{consents}/{consent.json()['id']}"
    renamed = await http.post(own, json={"name": "B", "language": "de", "unset": None})
    plain = await http.post(own, json={"name": "B"})
    form = {"name": "Anna", "consent": consent.json()["id"], "type": "audio_sample"}
    made = await http.post(
        "/v1/audio/voices",
        data=form | {"model": "auto", "script_hint": "secret"},
        files={"audio_sample": sound},
    )

    assert [it.status_code for it in (consent, renamed, plain, made)] == [200] * 4
    assert consent.headers["x-ignored-fields"] == "note"
    assert renamed.headers["x-ignored-fields"] == "language"
    assert "x-ignored-fields" not in plain.headers
    assert made.headers["x-ignored-fields"] == "model, script_hint"


async def test_the_life_of_a_consent(client, speaker):
    """Made, described, renamed, listed in pages, deleted."""
    first, second = await consent_of(client, speaker), await consent_of(client, speaker)

    assert (await client.audio.voice_consents.retrieve(first.id)).language == "en-US"
    assert (await client.audio.voice_consents.update(first.id, name="B")).name == "B"
    page = await client.audio.voice_consents.list(limit=1)
    assert page.has_more
    seen = [consent.id async for consent in client.audio.voice_consents.list(limit=1)]
    assert sorted(seen) == sorted([first.id, second.id])
    assert (await client.audio.voice_consents.delete(first.id)).deleted
    with pytest.raises(openai.NotFoundError) as caught:
        await client.audio.voice_consents.retrieve(first.id)
    assert caught.value.code == "consent_not_found"


async def test_a_consent_that_is_needed_stays(client, speaker):
    """Deleting it is a conflict that OpenAI's clients do not repeat."""
    made = await voice_of(client, speaker)
    consent = (await client.audio.voice_consents.list()).data[0]

    with pytest.raises(openai.ConflictError) as caught:
        await client.audio.voice_consents.delete(consent.id)
    assert caught.value.code == "consent_in_use"
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert made.name in caught.value.message


async def test_two_uploads_of_one_name_at_once(client, speaker):
    """One wins, the other gets 409; sent again, the winner's is the voice that it was."""
    consent = (await consent_of(client, speaker)).id
    other = wav(2.0)

    first, second = await asyncio.gather(
        voice_of(client, speaker, consent=consent),
        voice_of(client, other, consent=consent),
        return_exceptions=True,
    )

    lost = first if isinstance(first, Exception) else second
    won, sent = (second, other) if lost is first else (first, speaker)
    assert (lost.code, lost.status_code) == ("voice_exists", 409)
    assert (await voice_of(client, sent, consent=consent)).id == won.id


@pytest.mark.parametrize(
    ("fields", "status", "param", "code"),
    [
        ({"name": None}, 400, "name", "missing_required_parameter"),
        ({"name": "x" * 65}, 400, "name", "invalid_value"),
        ({"consent": None}, 400, "consent", "missing_required_parameter"),
        ({"consent": "cons_unknown"}, 404, "consent", "consent_not_found"),
        ({"type": "prompt", "prompt": "An old sailor."}, 400, "type", "unsupported_value"),
        ({"type": "else"}, 400, "type", "invalid_value"),
    ],
    ids=str,
)
async def test_wrong_fields(client, http, speaker, fields, status, param, code):
    """Each is refused by name."""
    good = {"name": "Anna", "consent": (await consent_of(client, speaker)).id}
    form = {name: value for name, value in (good | fields).items() if value is not None}

    answer = await http.post("/v1/audio/voices", data=form, files={"audio_sample": ("a.wav", speaker)})

    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (status, param, code)


@pytest.mark.scenario("useless-custom-voice")
@pytest.mark.parametrize(
    ("sample", "status", "code"),
    [
        (b"", 400, "invalid_value"),
        (b"no audio" * 100, 400, "invalid_value"),
        (wav(0.5), 400, "audio_too_short"),
        (b"x" * 260_000, 413, None),
    ],
    ids=["empty", "no audio", "too short", "too large"],
)
async def test_bad_recordings(client, http, speaker, sample, status, code):
    """Nothing is kept of them."""
    form = {"name": "Anna", "consent": (await consent_of(client, speaker)).id}

    answer = await http.post("/v1/audio/voices", data=form, files={"audio_sample": ("a.wav", sample)})

    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (status, "audio_sample", code)
    assert (await http.get("/v1/audio/voices")).json()["data"] == []


async def test_a_voice_without_a_recording(client, http, speaker):
    """The field is named, and what else to send."""
    form = {"name": "Anna", "consent": (await consent_of(client, speaker)).id}

    answer = await http.post("/v1/audio/voices", data=form, files={"else": ("a.wav", b"x")})

    assert answer.json()["error"]["param"] == "audio_sample"


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"name": None}, "name"), ({"language": None}, "language"), ({"language": "xx-nowhere"}, "language")],
    ids=str,
)
async def test_wrong_fields_of_a_consent(http, speaker, fields, param):
    """Each is refused by name."""
    form = {name: value for name, value in ({"name": "A", "language": "en"} | fields).items() if value}

    answer = await http.post("/v1/audio/voice_consents", data=form, files={"recording": ("a.wav", speaker)})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "after=cons_unknown"])
async def test_wrong_pages(http, query):
    """Each is refused by name."""
    answer = await http.get(f"/v1/audio/voice_consents?{query}")

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, query.partition("=")[0])


async def test_an_empty_page(http):
    """OpenAI's shape, with nothing in it."""
    assert (await http.get("/v1/audio/voice_consents")).json() == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


@pytest.mark.scenario("no-descriptors")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/audio/voices"),
        ("GET", "/v1/audio/voices/anna"),
        ("DELETE", "/v1/audio/voices/anna"),
        ("GET", "/v1/audio/voice_consents"),
    ],
)
async def test_without_descriptors_nobody_is_told_that_there_is_no_voice(
    client, http, speaker, monkeypatch, method, path
):
    """A list would be short, and a voice missing, for a moment without descriptors: 503, and later 200."""
    await voice_of(client, speaker)

    def fails(path, *args, **kwargs):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", fails)
        refused = await http.request(method, path)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "server_is_overloaded")
    assert int(refused.headers["retry-after"]) >= 1
    assert (await http.request(method, path)).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "Anna B.",
        "100%",
        "a%2Fb",
        "a?b#c",
        "a+b&c=d",
        "CON",
        "C:",
        "...",
        ".anna",
        "~",
        'it\'s "Anna"; <b>',
        "\U0001f600\ufe0f",
        "\u0622\u0646\u0627",
        "Zoe\u0308",
        "\u738b\u82b3",
        "x" * 64,
    ],
)
async def test_every_name_that_is_taken_can_be_addressed(client, http, speaker, name):
    """In a path, percent-encoded, as it was sent and as it is listed: read, and deleted."""
    made = await voice_of(client, speaker, name=name)
    listed = (await http.get("/v1/audio/voices")).json()["data"][0]["name"]
    assert listed == unicodedata.normalize("NFC", name)

    for spelled in (name, listed, listed.upper()):
        found = await http.get(f"/v1/audio/voices/{quote(spelled, safe='')}")
        assert (found.status_code, found.json().get("id")) == (200, made.id)
    gone = await http.delete(f"/v1/audio/voices/{quote(name, safe='')}")

    assert (gone.status_code, gone.json()["id"]) == (200, made.id)


@pytest.mark.scenario("bad-voice-name")
@pytest.mark.parametrize("name", ["a/b", "..", ".", "a\\b", "/", "an\u200bna", "x" * 256])
async def test_a_name_that_no_path_can_hold_is_refused(client, http, speaker, name):
    """When the voice is made, with the field's name; nothing is kept."""
    with pytest.raises(openai.BadRequestError) as caught:
        await voice_of(client, speaker, name=name)

    assert (caught.value.param, caught.value.code) == ("name", "invalid_value")
    assert (await http.get("/v1/audio/voices")).json()["data"] == []
