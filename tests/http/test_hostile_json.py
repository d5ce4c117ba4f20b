"""JSON that not every reader can read: the client's fault on every route, never a 500."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.generated import examples
from tests.http.conftest import wav

ROUTES = {
    "/v1/audio/speech": {"input": "Hello."},
    "/v1/engines/load": {"model": "ears"},
    "/v1/engines/unload": {"model": "ears"},
    "/v1/engines/switch": {"slot": "stt"},
    "/v1/engines/pin": {"model": "ears"},
    "/v1/engines/unpin": {"model": "ears"},
    "/v1/audio/voice_consents/cons_0": {"name": "a"},
    "/v1/audio/transcriptions": {"input_audio": {"data": "AAAA"}},
    "/v1/audio/translations": {"input_audio": {"data": "AAAA"}},
}
"""Routes that read JSON, with a body that each of them can read."""

DEEP = 9_000
VALUES = {
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep and open": b"[" * DEEP,
    "a thousand deep": b"[" * 1000 + b"]" * 1000,
    "a hundred deep": b"[" * 101 + b"]" * 101,
    "a hundred deep behind a string": b'["\\"]]]]", ' + b'{"a": [' * 51 + b"]}" * 51 + b"]",
    "invalid UTF-8": b'"\xff\xfe"',
    "cut UTF-8": b'"\xe2\x82"',
    "overlong UTF-8": b'"\xc0\x80"',
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "a lone surrogate": b'"\\ud800"',
    "a lone low surrogate": b'"\\udc00x"',
    "a raw NUL": b'"\x00"',
    "a huge exponent": b"1e999999",
    "a huge negative exponent": b"-1e999999",
    "a huge whole number": b"1" + b"0" * 5000,
    "a huge number with a fraction": b"9" * 5000 + b".5",
    "NaN": b"NaN",
    "Infinity": b"-Infinity",
    "a name of bytes": b'{"\xff": 1}',
    "a name that is a surrogate": b'{"\\ud800": 1}',
}
"""What no field may hold, not even one that is ignored."""
JSON = {"content-type": "application/json"}


def bodies(good, value):
    """Yield (where, body): the value alone, in each field of the route, and in one that it does not know."""
    yield "alone", value
    for name in (*good, "unknown"):
        others = {key: it for key, it in good.items() if key != name}
        rest = b", " + json.dumps(others)[1:-1].encode() if others else b""
        yield name, b'{"%s": %s%s}' % (name.encode(), value, rest)


def check_refused(answer, what):
    assert answer.status_code == 400, (what, answer.status_code, answer.text[:300])
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}, what
    assert error["type"] == "invalid_request_error", what
    assert error["code"] in ("invalid_value", "missing_required_parameter"), what
    assert 0 < len(error["message"]) < 1000, what


@pytest.mark.scenario("hostile-json")
@pytest.mark.parametrize("route", ROUTES)
async def test_what_cannot_be_read_is_the_clients_fault(http, route):
    """As the body, or in a field of it, be it one without effect."""
    for what, value in VALUES.items():
        for where, body in bodies(ROUTES[route], value):
            answer = await http.post(route, content=body, headers=JSON)

            check_refused(answer, (what, where))


@pytest.mark.scenario("hostile-json")
@pytest.mark.parametrize("text", [b"{%s", b'{"type": %s}', b'{"type": "server_vad", "threshold": %s}'])
async def test_json_in_a_form(http, text):
    """The one field of a form that may be JSON."""
    for what, value in VALUES.items():
        answer = await http.post(
            "/v1/audio/transcriptions", files={"file": wav()}, data={"chunking_strategy": text % value}
        )

        check_refused(answer, what)


NAMES = st.one_of(
    st.sampled_from(("input", "model", "voice", "emotion", "vector", "speed", "input_audio", "data", "name")),
    st.text(max_size=10),
)
NUMBERS = st.one_of(
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.sampled_from((2**63, 2**64, -(2**63) - 1, 1e308, 5e-324)),
)
ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(st.characters(), max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)


@st.composite
def damaged_json(draw):
    """Draw bytes that are JSON, or were before some of them were replaced."""
    text = json.dumps(draw(ANY_JSON)).encode()
    if draw(st.booleans()):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(st.binary(max_size=4)) + text[start + draw(st.integers(0, 3)) :]
    return text


WITH = settings(
    max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@WITH
@given(route=st.sampled_from(sorted(ROUTES)), body=damaged_json())
async def test_no_json_is_a_servers_fault(http, route, body):
    """Whatever the body is, nothing in it is an error of the server's."""
    answer = await http.post(route, content=body, headers=JSON)

    assert answer.status_code < 500, answer.text


FORM_FIELDS = ("chunking_strategy", "chunking_strategy[threshold]", "temperature", "stream")


@WITH
@given(name=st.sampled_from(FORM_FIELDS), body=damaged_json())
async def test_no_field_of_a_form_is_a_servers_fault(http, name, body):
    """The same, where values are text."""
    answer = await http.post("/v1/audio/transcriptions", files={"file": wav(0.2)}, data={name: body})

    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize(
    "value",
    [
        b"[" * 90 + b"]" * 90,
        b"[" + b", ".join([b"{}"] * 500) + b"]",
        json.dumps("[{" * 5000 + '\\"').encode(),
    ],
    ids=["ninety deep", "many side by side", "brackets in a string"],
)
async def test_what_is_not_deep_is_read(http, value):
    """Brackets side by side, or in a text, are no depth."""
    body = b'{"model": "mouth", "input": "Hello.", "unknown": %s}' % value

    assert (await http.post("/v1/audio/speech", content=body, headers=JSON)).status_code == 200
