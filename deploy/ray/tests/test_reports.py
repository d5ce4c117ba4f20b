"""Reports as a router reads them, whatever another version of the hub writes."""

import pytest

from speechhub_ray.reports import FIRST_SERVICE_S, Report


def read(**models):
    """Return the report that names these models: name → values besides those of a loaded model of ``stt``."""
    usual = {"slot": "stt", "ready": True}
    return Report.read({"models": {name: usual | values for name, values in models.items()}})


def test_a_request_without_a_model_means_the_one_that_is_loaded():
    report = read(usual={"default": True, "ready": False}, loaded={})

    assert report.model("stt", None).name == "loaded"


def test_without_a_loaded_model_the_default_is_meant():
    report = read(other={"ready": False}, usual={"default": True, "ready": False})

    assert report.model("stt", None).name == "usual"


def test_a_model_that_fails_is_not_meant_while_another_can_serve():
    report = read(fails={"default": True, "possible": False}, other={"ready": False})

    assert report.model("stt", None).name == "other"


def test_a_model_of_the_other_direction_does_not_count():
    report = read(ears={}, mouth={"slot": "tts"})

    assert report.model("stt", "mouth").name == "ears"


def test_no_direction_holds_the_device_while_engines_of_both_are_on_it():
    """A switch under way has both for a moment."""
    assert read(ears={}, mouth={"slot": "tts"}).ready_slot is None
    assert read(ears={}, mouth={"slot": "tts", "ready": False}).ready_slot == "stt"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "soon", None, True])
def test_a_time_that_is_none_is_not_believed(value):
    model = read(ears={"wait_s": value, "service_s": value}).model("stt", None)

    assert (model.wait_s, model.service_s) == (0.0, FIRST_SERVICE_S)


def test_no_time_is_negative_and_no_call_takes_none():
    model = read(ears={"wait_s": -3, "service_s": 0}).model("stt", None)

    assert (model.wait_s, model.service_s) == (0.0, FIRST_SERVICE_S)
