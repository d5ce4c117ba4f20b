"""What a pull would bring, without bringing it."""

from speechhub.store import ModelState
from tests.fakes.model_store import CONFIG, WEIGHTS, spec


def shown(preview):
    return [(file.path, file.size_bytes) for file in preview.files]


def test_files_of_wheels(make_store, wheels, tmp_path):
    """The packages that carry them are named, and the joined size is told."""
    [preview] = make_store(offline=True).preview(spec())

    assert (preview.state, preview.source) == (ModelState.WHEEL, "toy-part1==1.0 toy-part2==1.0")
    assert shown(preview) == [("weights.bin", len(WEIGHTS)), ("sub/config.json", len(CONFIG))]
    assert preview.size_bytes == len(WEIGHTS) + len(CONFIG)
    assert not (tmp_path / "models").exists()


def test_files_of_the_hub(make_store, hub, tmp_path):
    """It is asked for what it alone knows."""
    [preview] = make_store(endpoint=hub.address).preview(spec(wheels=False))

    assert (preview.state, preview.source, preview.fault) == (ModelState.HUB, "owner/toy", "")
    assert preview.size_bytes == len(WEIGHTS) + len(CONFIG)
    assert hub.downloads() == []
    assert not (tmp_path / "models").exists()


def test_a_hub_that_is_away_is_asked_once(make_store, hub, naps):
    """Nobody waits for a list: what is declared is shown, and why there is no more."""
    hub.statuses = [503] * 3

    [preview] = make_store(endpoint=hub.address).preview(spec(wheels=False))

    assert "it answers 503" in preview.fault
    assert not preview.unreachable  # it answered, and may answer for another repository
    assert [path for path, _ in shown(preview)] == ["weights.bin", "sub/config.json"]
    assert (naps, len(hub.requests)) == ([], 1)
    [away] = make_store().preview(spec(wheels=False))
    assert away.unreachable
    [told] = make_store(endpoint=hub.address).preview(spec(wheels=False), unreachable=away.fault)
    assert (told.fault, told.unreachable, len(hub.requests)) == (away.fault, True, 1)


def test_files_that_are_in_place(make_store, hub):
    """Nothing is asked then."""
    store = make_store(endpoint=hub.address)
    store.resolve(spec(wheels=False))
    asked = len(hub.requests)

    [preview] = store.preview(spec(wheels=False))

    assert (preview.state, preview.source) == (ModelState.READY, "owner/toy@main:v1/")
    assert sorted(shown(preview)) == [("sub/config.json", len(CONFIG)), ("weights.bin", len(WEIGHTS))]
    assert len(hub.requests) == asked
