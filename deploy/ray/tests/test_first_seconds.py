"""Homes before any replica has reported work."""

from speechhub_ray.policy import Dispatcher, Wish

MODELS = {
    "ears": {"slot": "stt", "default": True, "wait_s": 5.0, "switch_s": 5.0},
    "mouth": {"slot": "tts", "default": True, "wait_s": 5.0, "switch_s": 5.0},
}
SPEAK, LISTEN = Wish(slot="tts"), Wish(slot="stt")


def test_an_idle_home_of_the_other_direction_is_left_alone():
    """Nothing is known of how much comes there; a short wait at home is no reason for two switches."""
    dispatcher = Dispatcher()
    dispatcher.replicas(["a", "b"], 0)
    for name in ("a", "b"):
        dispatcher.report(name, {"models": MODELS}, 0)
    speaks = dispatcher.rank(SPEAK, 1)[0]
    dispatcher.sent(speaks, SPEAK, 1)
    listens = dispatcher.rank(LISTEN, 1)[0]
    heard = dispatcher.sent(listens, LISTEN, 1)
    for _ in range(2):
        assert dispatcher.rank(SPEAK, 1)[0] == speaks
        dispatcher.sent(speaks, SPEAK, 1)
    dispatcher.done(heard, 4)

    assert speaks != listens
    assert dispatcher.rank(SPEAK, 4) == [speaks, listens]
