"""Arrays and objects in forms, as PHP, Rails, axios, qs and hand-written code send them."""

import base64

import pytest

from tests.http.conftest import wav

CLIP = wav(1.0)
STT = "/v1/audio/transcriptions"
VERBOSE = ("response_format", "verbose_json")


async def ask(http, *fields, route=STT):
    """Send a form whose fields are in this order, and may repeat."""
    files = [("file", ("a.wav", CLIP)), *((name, (None, text)) for name, text in fields)]
    return await http.post(route, files=files)


@pytest.mark.parametrize(
    "fields",
    [
        [("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment")],
        [("timestamp_granularities", "word"), ("timestamp_granularities", "segment")],
        [("timestamp_granularities[0]", "word"), ("timestamp_granularities[1]", "segment")],
        [("timestamp_granularities[7]", "segment"), ("timestamp_granularities[3]", "word")],
        [("timestamp_granularities[0][]", "word"), ("timestamp_granularities[1][]", "segment")],
        [("timestamp_granularities", '["word", "segment"]')],
        [("timestamp_granularities[]", ' ["Word","SEGMENT"] ')],
        [("timestamp_granularities", "word,segment")],
        [("timestamp_granularities", "word, segment,")],
        [("timestamp_granularities[0]", "word"), ("timestamp_granularities", "segment")],
    ],
)
async def test_both_granularities(http, fields):
    """However the array is written, all of it counts."""
    answer = await ask(http, VERBOSE, *fields)

    assert answer.status_code == 200, answer.text
    assert answer.json()["words"]
    assert answer.json()["segments"]
    assert "x-ignored-fields" not in answer.headers


@pytest.mark.parametrize("name", ["timestamp_granularities[0]", "timestamp_granularities"])
async def test_a_wrong_element_is_refused(http, name):
    """An array that is written otherwise is checked as well."""
    answer = await ask(http, VERBOSE, (name, "letter"))

    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "timestamp_granularities")
    assert "word" in error["message"]


@pytest.mark.parametrize(
    ("fields", "heard"),
    [
        ([("keywords[1]", "Bob"), ("keywords[0]", "Ada")], ("Ada", "Bob")),
        ([("keywords[10]", "c"), ("keywords[9]", "b"), ("keywords", "a")], ("a", "b", "c")),
        ([("keywords", '["Ada", "Bob"]')], ("Ada", "Bob")),
        ([("keywords", "Ada, Countess of Lovelace")], ("Ada, Countess of Lovelace",)),
        ([("keywords", "[sic]")], ("[sic]",)),
        ([("keywords", "[1, 2]")], ("[1, 2]",)),
        ([("keywords[0]", ""), ("keywords[1]", "Bob")], ("Bob",)),
    ],
)
async def test_keywords(http, runner, fields, heard):
    """They keep their order, their commas and their brackets."""
    answer = await ask(http, *fields)

    assert answer.status_code == 200, answer.text
    assert runner.requests[-1][1].hotwords == heard


@pytest.mark.parametrize(
    ("fields", "language"),
    [
        ([("languages[0]", "de")], "de"),
        ([("languages", "de,en")], None),
        ([("languages", '["de"]')], "de"),
    ],
)
async def test_languages(http, runner, fields, language):
    """A single one is a hint."""
    await ask(http, *fields)

    assert runner.requests[-1][1].language == language


@pytest.mark.parametrize("name", ["include[0]", "include[]", "include"])
async def test_include(http, name):
    """What the model cannot do is refused, and not ignored."""
    answer = await ask(http, (name, "logprobs"))

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "include")


@pytest.mark.parametrize("names", [("known_speaker_names[0]", "known_speaker_names[1]")])
async def test_speakers(http, names):
    """As those of `include`: a model that tells no speakers apart says so."""
    answer = await ask(http, *((name, "Ada") for name in names))

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unsupported_value")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "0.4")], 200),
        ([("chunking_strategy[type]", "Server_VAD")], 200),
        ([("chunking_strategy", '{"type": "SERVER_VAD", "threshold": "0.4"}')], 200),
        ([("chunking_strategy", "AUTO")], 200),
        ([("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "9")], 400),
        ([("chunking_strategy[threshold]", "0.4")], 200),
        ([("chunking_strategy[type]", "vad")], 400),
    ],
)
async def test_an_object_by_its_parts(http, fields, status):
    """Its parts are checked, wherever they stand."""
    answer = await ask(http, *fields)

    assert answer.status_code == status, answer.text
    assert "x-ignored-fields" not in answer.headers
    if status != 200:
        assert answer.json()["error"]["param"].startswith("chunking_strategy")


@pytest.mark.scenario("brackets")
@pytest.mark.parametrize(
    "name",
    [
        "timestamp_granularities[word]",
        "timestamp_granularities[-1]",
        "timestamp_granularities[12345]",
        "timestamp_granularities[0][1]",
        "model[0]",
        "keyword[0]",
        "chunking_strategy[padding]",
        "languages.0",
    ],
)
async def test_what_is_no_array_here_is_told(http, name):
    """It is not read, and the answer says so."""
    answer = await ask(http, (name, "word"))

    assert answer.status_code == 200, answer.text
    assert answer.headers["x-ignored-fields"] == name


async def test_too_many_elements(http):
    """The bounds of an array hold, however it is written."""
    names = [(f"known_speaker_names[{place}]", "Ada") for place in range(5)]

    answer = await ask(http, *names)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "known_speaker_names")


async def test_json_is_as_lenient_as_a_form(http):
    """Capitals, and numbers and booleans that are texts."""
    body = {
        "input_audio": {"data": base64.b64encode(CLIP).decode()},
        "response_format": "Verbose_JSON",
        "timestamp_granularities": ["WORD"],
        "temperature": "0.5",
        "stream": "false",
    }

    answer = await http.post(STT, json=body)

    assert answer.status_code == 200, answer.text
    assert answer.json()["words"]
