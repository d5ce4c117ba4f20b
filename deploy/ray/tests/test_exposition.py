"""Metrics of many hubs as one text, which Prometheus' own parser reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from speechhub.metrics import Metrics
from speechhub_ray.exposition import gathered


def families(text):
    """Return family → its samples as Prometheus' client reads them; each family stands there once."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        assert family.name not in found
        found[family.name] = (
            family.type,
            family.documentation,
            [(it.name, it.labels, it.value) for it in family.samples],
        )
    return found


def text_of(*, extra=False, value="plain"):
    registry = CollectorRegistry()
    Counter("calls", "All calls.", ("of",), registry=registry).labels(value).inc(3)
    Gauge("depth", "How deep.", registry=registry).set(1.5)
    Histogram("wait_seconds", "Waits.", ("of",), buckets=(0.1, 1), registry=registry).labels(value).observe(
        0.5
    )
    if extra:
        Gauge("only_here", "Of one replica.", registry=registry).set(7)
    return generate_latest(registry)


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("c", "a", "b")])
def test_each_series_of_real_hubs_is_there_with_the_label_of_its_replica(names):
    """Whatever a hub reports by itself stands in the whole once for each replica, with the same value."""
    texts = {}
    for number, name in enumerate(names):
        metrics = Metrics()
        metrics.lag(number + 0.5)
        texts[name] = metrics.text()

    whole = families(gathered(texts))

    alone = {name: families(text) for name, text in texts.items()}
    assert set(whole) == set(alone["a"])
    for family, (kind, documentation, samples) in whole.items():
        assert (kind, documentation) == alone["a"][family][:2]
        assert sorted(map(repr, samples)) == sorted(
            repr((it, labels | {"replica": name}, value))
            for name in names
            for it, labels, value in alone[name][family][2]
        )
    assert len(whole) > 20


def test_a_family_that_one_replica_lacks_is_there_for_the_other():
    whole = families(gathered({"a": text_of(), "b": text_of(extra=True)}))

    assert whole["only_here"][2] == [("only_here", {"replica": "b"}, 7.0)]
    assert len(whole["depth"][2]) == 2


def test_a_family_is_described_once():
    """While versions differ, during an update, Prometheus still takes the whole."""
    older = b"# HELP depth How far down.\n# TYPE depth untyped\ndepth 2.0\n"

    kind, documentation, samples = families(gathered({"a": text_of(), "b": older}))["depth"]

    assert (kind, documentation) == ("gauge", "How deep.")
    assert [value for _, _, value in samples] == [1.5, 2.0]


def test_a_histogram_stays_whole():
    """Its buckets, its sum and its count stand together, those of one replica after those of the other."""
    _, _, samples = families(gathered({"a": text_of(), "b": text_of()}))["wait_seconds"]

    rows = [(name, labels["replica"], labels.get("le"), value) for name, labels, value in samples]
    assert rows == [
        row
        for replica in "ab"
        for row in (
            ("wait_seconds_bucket", replica, "0.1", 0.0),
            ("wait_seconds_bucket", replica, "1.0", 1.0),
            ("wait_seconds_bucket", replica, "+Inf", 1.0),
            ("wait_seconds_count", replica, None, 1.0),
            ("wait_seconds_sum", replica, None, 0.5),
        )
    ]


def test_names_of_replicas_are_all_that_is_added():
    lines = gathered({"a": text_of()}).decode().splitlines()

    assert 'calls_total{of="plain",replica="a"} 3.0' in lines
    assert 'depth{replica="a"} 1.5' in lines
    assert len(lines) == len(text_of().decode().splitlines())


@given(value=st.text(), replica=st.text("abcxyz019", min_size=1))
def test_any_value_of_a_label_passes_unchanged(value, replica):
    """Quotes, braces, spaces, number signs and every line end that Python knows."""
    text = text_of(value=value)

    whole = gathered({replica: text})

    assert len(whole.split(b"\n")) == len(text.split(b"\n"))
    for family, (_, _, samples) in families(text).items():
        assert families(whole)[family][2] == [
            (name, labels | {"replica": replica}, number) for name, labels, number in samples
        ]


@pytest.mark.parametrize(
    "value", ["} 1", '{a="b"} 2', '"', "\\", "a b # c", "x\ny", "x\ry", "x\u2028y", '",b="']
)
def test_values_that_look_like_the_format(value):
    [(_, labels, number)] = [
        it for it in families(gathered({"a": text_of(value=value)}))["calls"][2] if it[0] == "calls_total"
    ]

    assert (labels, number) == ({"of": value, "replica": "a"}, 3.0)


def test_no_replica_is_no_text():
    assert families(gathered({})) == {}
