"""CUDA_VISIBLE_DEVICES as CUDA reads it."""

import pytest

from speechhub.gpu.visible import Card, visible

A, B, C = (Card(uuid=f"GPU-{letter * 8}-1") for letter in "abc")
CUT = Card(uuid="GPU-dddddddd-1", partitioned=True, slices=("MIG-11111111-1", "MIG-22222222-2"))
EMPTY = Card(uuid="GPU-eeeeeeee-1", partitioned=True)


def shown(cards, wish):
    names = {card.uuid: card.uuid[4] for card in cards}
    return [names.get(uuid, uuid[:5]) for uuid in visible(cards, wish)]


@pytest.mark.parametrize(
    ("wish", "found"),
    [
        (None, "abc"),
        ("0", "a"),
        ("2,0", "ca"),
        (" 2 , 0 ", "ca"),
        ("1gpu2", "b"),
        ("+1", "b"),
        ("", ""),
        ("-1", ""),
        ("NoDevFiles", ""),
        ("9" * 5000, ""),
        ("\N{ARABIC-INDIC DIGIT ONE}", ""),
        ("0,-1,1", "a"),
        ("0,3,1", "a"),  # the first that is none ends the list
        ("3,0", ""),
        ("0,,1", "a"),
        ("0,1,0", ""),  # twice is none at all
        ("GPU-bbbbbbbb-1", "b"),
        ("GPU-b", "b"),
        ("GPU-b,GPU-a", "ba"),
        ("0,GPU-c", "ac"),
        ("GPU-", ""),  # the beginning of more than one
        ("GPU-x,0", ""),
        ("MIG-1", ""),
    ],
)
def test_gpus_by_number_and_by_uuid(wish, found):
    assert shown([A, B, C], wish) == list(found)


@pytest.mark.parametrize(
    ("cards", "wish", "found"),
    [
        ([CUT], None, "MIG-1"),
        ([A, CUT], None, "MIG-1"),  # CUDA shows no whole GPU beside a slice, and one slice
        ([CUT], "0", "MIG-1"),
        ([CUT], "MIG-22222222-2", "MIG-2"),
        ([CUT], "MIG-2", "MIG-2"),
        ([CUT], "MIG-1,MIG-2", "MIG-1"),
        ([CUT], "GPU-d", "MIG-1"),
        ([A, CUT], "0", "a"),
        ([A, CUT], "0,MIG-2", "MIG-2"),
        ([EMPTY, A], None, "a"),
        ([EMPTY, A], "0", ""),
    ],
)
def test_slices(cards, wish, found):
    assert "".join(shown(cards, wish)) == found
