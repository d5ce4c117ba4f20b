"""What the chaos run takes for right and for wrong: a verdict that never comes would make it pass."""

import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest

from benchmarks.chaos.drift import Quiet, moved, recorded, series
from benchmarks.chaos.judge import Judge
from benchmarks.chaos.ledger import End, Entry, Ledger
from benchmarks.chaos.library import Library
from benchmarks.load.mix import documented_refusals

ANSWERED = Entry(
    name="chaos-1.1",
    kind="speak",
    method="POST",
    path="/v1/audio/speech",
    life=0,
    began_s=100.0,
    ended_s=110.0,
    end=End.ANSWERED,
    status=200,
)


def refused(status, code, **other):
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return replace(ANSWERED, status=status, type=kind, code=code, retry_after=status == 503, **other)


def judge(*faults, ending_s=None):
    responses = dict.fromkeys(("200", "400", "404", "500", "503"))
    return Judge(
        documented=documented_refusals(),
        schema={"paths": {"/v1/audio/speech": {"post": {"responses": responses}}}},
        during=lambda began_s, ended_s: {kind for kind, at_s in faults if began_s <= at_s <= ended_s},
        lives=[SimpleNamespace(number=0, ending_s=ending_s, ended_by=signal.SIGKILL)],
        request_timeout_s=60.0,
    )


@pytest.mark.parametrize(
    "entry",
    [
        ANSWERED,
        replace(ANSWERED, end=End.LEFT, status=0),
        refused(503, "server_is_overloaded"),
        refused(503, "request_timeout", ended_s=161.0),
    ],
    ids=lambda entry: entry.became,
)
def test_what_may_happen_at_any_time(entry):
    assert judge().fault(entry, ()) is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (refused(500, None), "not documented"),
        (refused(503, "no_such_code"), "not documented"),
        (refused(409, "voice_exists"), "OpenAPI"),
        (replace(refused(503, "server_is_overloaded"), retry_after=False), "Retry-After"),
        (refused(503, "request_timeout"), "before its time"),
        (refused(503, "server_shutting_down"), "nothing ended the server"),
        (refused(500, "engine_crashed"), "nothing explains"),
        (refused(404, "model_not_found"), "may not get"),
        (replace(ANSWERED, end=End.BROKE, detail="ConnectionResetError: "), "nothing explains"),
        (replace(ANSWERED, status=204), "status 204"),
    ],
    ids=lambda value: getattr(value, "became", value),
)
def test_what_nothing_explains(entry, said):
    """Every unexplained end is named, whichever way it is wrong."""
    assert said in judge().fault(entry, ())


def test_a_fault_explains_what_it_can_cause_and_no_more():
    trouble = judge(("worker killed", 105.0))

    assert trouble.fault(refused(500, "engine_crashed"), ()) is None
    assert trouble.fault(replace(ANSWERED, end=End.BROKE), ()) is None
    assert "nothing explains" in trouble.fault(refused(503, "disk_full"), ())


def test_the_end_of_a_hub_explains_what_ends_after_it():
    entry = replace(ANSWERED, end=End.BROKE)

    assert judge(ending_s=109.0).fault(entry, ()) is None
    assert "nothing explains" in judge(ending_s=111.0).fault(entry, ())


def test_a_request_that_hangs_is_never_explained():
    entry = replace(ANSWERED, end=End.BROKE, detail="TimeoutError: timed out")

    assert "hung" in judge(("worker killed", 105.0), ending_s=109.0).fault(entry, ())


def test_a_request_ends_once():
    ledger = Ledger()
    ledger.open(ANSWERED.name)
    assert ledger.unfinished() == [ANSWERED.name]

    ledger.close(ANSWERED)
    assert not ledger.errors

    ledger.close(ANSWERED)
    assert len(ledger.errors) == 1


def test_the_library_knows_what_must_be_there():
    """A refused voice is not there, a deleted one no longer; where the answer was lost, both are right."""
    ok, bad = SimpleNamespace(status=200), SimpleNamespace(status=503)
    library = Library()
    for name, answer in (("kept", ok), ("gone", ok), ("refused", bad)):
        with library.changing("voices", name) as change:
            change.made(answer)
    with library.changing("voices", "gone") as change:
        change.deleted(ok)
    with library.changing("voices", "lost"):
        pass

    def differences(*names):
        return library.differences("voices", [{"name": name} for name in names])

    assert differences("kept") == differences("kept", "lost") == []
    assert "is lost" in differences()[0]
    assert "was deleted or refused" in differences("kept", "gone")[0]
    assert "was deleted or refused" in differences("kept", "refused")[0]
    assert "was never added" in differences("kept", "strange")[0]
    assert "twice" in differences("kept", "kept")[0]


def test_a_log_that_disagrees_with_the_clients():
    def life(*lines):
        logged = [{"request_id": name, "status": status, "path": "/"} for name, status in lines]
        return SimpleNamespace(number=0, server=SimpleNamespace(logged=lambda _: logged))

    good = (ANSWERED.name, 200)
    assert recorded(life(good), [ANSWERED], whole=True) == []
    assert "2 times" in recorded(life(good, good), [ANSWERED], whole=True)[0]
    assert "not logged" in recorded(life(), [ANSWERED], whole=True)[0]
    assert recorded(life(), [ANSWERED], whole=False) == []
    assert "logged as 500" in recorded(life((ANSWERED.name, 500)), [ANSWERED], whole=False)[0]


def test_what_a_hub_may_not_have_more_of():
    before = Quiet(workers=0, descriptors=22, threads=9, memory_bytes=2**27, nameless=0)

    assert moved(before, before) == []
    after = Quiet(workers=1, descriptors=23, threads=99, memory_bytes=2**28, nameless=1)
    assert len(moved(before, after)) == 5


def test_series_are_read():
    text = 'a_total{method="GET",route="/x/{y}"} 3.0\na_total{method="PUT",route="none"} 1.0\nb 2.0\n'

    assert series(text, "a_total") == {("GET", "/x/{y}"): 3.0, ("PUT", "none"): 1.0}
    assert series(text, "b") == {(): 2.0}
