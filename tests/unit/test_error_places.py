"""What clients read of a message that names paths and addresses of the server's machine."""

import inspect

import pytest

from speechhub import errors
from speechhub.errors.places import HIDDEN, without_places

SECRETS = [
    "/home/alice/.speechhub/models/whisper-base",
    "/nowhere/weights",
    "~/.speechhub/models",
    "/srv/speech hub/models",
    "/models",
    "https://mirror.corp.internal:8443/api",
    "http://10.0.0.3/simple/",
    "/usr/lib/python3.11/site-packages/engine/tts.py",
]


@pytest.mark.parametrize("place", SECRETS)
@pytest.mark.parametrize(
    "frame",
    [
        "there is no folder {}.",
        "[Errno 2] No such file or directory: '{}'",
        'OSError: "{}" is gone (in stt.py:40 load)',
        "it comes from {}, not from here",
        "model_dir={}; the rest ({})",
    ],
)
def test_places_are_hidden(frame, place):
    """Bare, in quotes or in brackets; a path with spaces where quotes hold it together."""
    if " " in place and "'" not in frame and '"' not in frame:
        place = place.replace(" ", "_")

    shown = without_places(frame.format(place, place))

    assert HIDDEN in shown
    assert not any(part in shown for part in place.strip("~/").split("/")[1:] if part)


@pytest.mark.parametrize(
    "text",
    [
        "Ask for json and/or text, in 3/4 of the cases.",
        "GET /v1/models lists what there is; /health says more.",
        "The model owner/name@main needs 3.5 GB, 2 GB are free.",
        "It failed in tts.py:40 speak ← child.py:77 _run.",
    ],
)
def test_other_texts_stay(text):
    """Routes of the API, fractions and names of models are no places."""
    assert without_places(text) == text


KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
SERVERS = [
    kind
    for kind in KINDS
    if not issubclass(kind, errors.RequestError | errors.LicenceNotAcceptedError)  # all the client's own
]


@pytest.mark.parametrize("kind", SERVERS, ids=lambda kind: kind.__name__)
def test_no_error_of_the_server_tells_clients_a_place(kind):
    """Whatever is raised with a path in its message, the public text is without it."""
    error = kind.__new__(kind)
    Exception.__init__(error, f"cannot read '{SECRETS[0]}' or {SECRETS[5]}")

    assert "alice" not in error.public
    assert "corp" not in error.public


def test_what_a_failing_engine_said_is_told_without_places():
    """The refusal during the pause quotes the failure."""
    cause = errors.EngineLoadError(f"OSError: no file {SECRETS[0]} (in tts.py:40 load)")

    error = errors.EngineFailingError("mouth", cause, retry_after_s=3)

    assert SECRETS[0] in error.message
    assert "alice" not in error.public
    assert "tts.py:40" in error.public
