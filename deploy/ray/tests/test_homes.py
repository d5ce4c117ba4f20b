"""The dealing out of homes, decision by decision."""

from speechhub_ray.homes import Place, Work, agreed, dealt, moved, pressures, rescue


def place(name, home=None, *, ready=None, impossible=(), **work):
    return Place(name=name, home=home, ready=ready, impossible=frozenset(impossible), work=work)


# ── A direction without a home ───────────────────────────────────────────────


def test_a_direction_gets_one_of_the_homes_of_the_other():
    places = [place("a", "stt"), place("b", "stt")]

    assert rescue("tts", places, ["stt", "tts"]) == {"a": "tts"}


def test_the_last_home_of_a_direction_is_left_to_it_while_it_is_used():
    assert rescue("tts", [place("a", "stt")], ["stt", "tts"]) == {}
    assert rescue("tts", [place("a", "stt")], ["tts"]) == {"a": "tts"}


def test_a_replica_whose_engine_fits_is_taken_before_others():
    places = [place("a", "stt"), place("b", "stt", ready="stt"), place("c", "stt", ready="tts")]

    assert rescue("tts", places, ["stt", "tts"]) == {"c": "tts"}


def test_an_empty_replica_is_taken_before_one_that_must_switch():
    places = [place("a", "stt", ready="stt"), place("b", "stt")]

    assert rescue("tts", places, ["stt", "tts"]) == {"b": "tts"}


def test_the_direction_with_most_homes_gives_one():
    places = [place("a", "x"), place("b", "x"), place("c", "y"), place("d", "y"), place("e", "y")]

    assert rescue("tts", places, ["x", "y", "tts"]) == {"c": "tts"}


def test_the_replica_that_did_most_for_a_direction_is_taken():
    places = [place("a", "stt", stt=9.0), place("b", "stt", stt=5.0, tts=4.0)]

    assert rescue("tts", places, ["stt", "tts"]) == {"b": "tts"}


def test_a_replica_that_cannot_serve_a_direction_is_no_home_of_it():
    places = [place("a", "stt", impossible=["tts"]), place("b", "stt", impossible=["tts"])]

    assert rescue("tts", places, ["stt", "tts"]) == {}
    assert dealt([place("a", impossible=["tts"])], {"tts": 1.0}) == {}
    assert moved(places, {"stt": 1.0, "tts": 1.0}) == {}


# ── New replicas ─────────────────────────────────────────────────────────────


def test_a_new_replica_keeps_the_engine_that_it_has_loaded():
    places = [place("a", "stt"), place("b", ready="stt")]

    assert dealt(places, {"stt": 1.0, "tts": 1.0}) == {"b": "stt"}


def test_a_new_replica_goes_where_homes_lack():
    assert dealt([place("a", "stt"), place("b")], {"stt": 1.0, "tts": 1.0}) == {"b": "tts"}


# ── Demand that shifts ───────────────────────────────────────────────────────


def test_a_home_changes_if_it_is_off_by_more_than_half_a_replica():
    places = [place("a", "stt"), place("b", "stt"), place("c", "tts")]

    assert moved(places, {"stt": 1.5, "tts": 1.5}) == {}
    assert moved(places, {"stt": 1.4, "tts": 1.6}) == {"a": "tts"}


def test_the_last_home_of_a_used_direction_does_not_change():
    assert moved([place("a", "stt"), place("b", "tts")], {"stt": 1.0, "tts": 2.0}) == {}
    assert moved([place("a", "stt"), place("b", "tts")], {"tts": 2.0}) == {"a": "tts"}


def test_the_only_replica_keeps_its_home():
    """Both directions live there; another home would change nothing but the prices."""
    assert moved([place("a", "stt")], {"stt": 0.2, "tts": 0.8}) == {}


def test_a_direction_that_has_no_more_than_its_share_gives_no_home():
    """One that has too many does."""
    places = [place("a", "x"), place("b", "x"), place("c", "y"), place("d", "y"), place("e", "tts")]

    assert moved(places, {"x": 2.0, "y": 1.0, "tts": 2.0}) == {"c": "tts"}


# ── Routers that disagree ────────────────────────────────────────────────────


def test_a_replica_gets_the_home_that_it_works_for():
    """Other routers send it what this one does not expect there; so all come to the same homes."""
    places = [place("a", "stt", stt=9.0), place("b", "stt", tts=9.0), place("c", "stt", stt=9.0)]

    assert agreed(places, {"stt": 2.0, "tts": 1.0}) == {"b": "tts"}


def test_replicas_that_work_for_each_other_s_home_exchange_them():
    places = [place("a", "stt", tts=9.0), place("b", "tts", stt=9.0)]

    assert agreed(places, {"stt": 1.0, "tts": 1.0}) == {"a": "tts", "b": "stt"}


def test_no_exchange_gives_a_replica_what_it_cannot_serve():
    places = [place("a", "stt", tts=9.0), place("b", "tts", stt=9.0, impossible=["stt"])]

    assert agreed(places, {"stt": 1.0, "tts": 1.0}) == {}


def test_a_visit_is_no_reason_to_move():
    places = [place("a", "stt", stt=9.0, tts=1.0), place("b", "tts", tts=9.0)]

    assert agreed(places, {"stt": 1.0, "tts": 1.0}) == {}


# ── Work ─────────────────────────────────────────────────────────────────────


def test_rates_are_right_from_the_first_minute_on():
    work = Work()
    for second in range(60):
        work = work.grown({"stt": 0.5}, float(second))

    assert abs(work.rates(60.0)["stt"] - 0.5) < 0.02


def test_the_more_homes_share_a_direction_the_less_it_needs_each_of_them():
    """What comes to a home that is away goes to another, if one is free."""
    one, two = (pressures({"tts": 0.5}, {"tts": 2.0}, {"tts": number})["tts"] for number in (1, 2))

    assert (one, two) == (0.25, 0.25 / 2 * 0.25)
