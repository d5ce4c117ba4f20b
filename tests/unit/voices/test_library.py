"""The library: names, limits, aliases, and that it is whole at any moment."""

import errno
import fcntl
import os
import shutil
import threading
import time
import unicodedata
from pathlib import Path

import pytest

from speechhub.errors import (
    ConsentInUseError,
    ConsentNotFoundError,
    InvalidValueError,
    MissingValueError,
    SpeechhubError,
    StorageError,
    VoiceExistsError,
    VoiceLibraryFullError,
    VoiceNotFoundError,
)
from speechhub.voices import CustomVoice, VoiceLibrary, folder
from speechhub.voices.entries import entries
from tests.unit.descriptors import ENOUGH, descriptors_left, exhausted
from tests.unit.voices.conftest import recording


def test_a_voice_is_kept(library, tmp_path):
    """Another process, or the next start, finds what was added, by id and by name in any case."""
    made = library.add("Anna", recording(), statement="she said so")

    again = VoiceLibrary(tmp_path / "voices", limit=3)
    assert again.find(made.id) == again.find("anna") == made
    assert again.voices() == [made]
    assert again.recording(made).pcm16 == recording().pcm16


def test_an_empty_library_makes_no_folder(library, tmp_path):
    """Looking leaves no trace."""
    assert (library.voices(), library.consents(), library.aliases()) == ([], [], {})
    assert library.find("anna") is None
    library.recover()
    assert not (tmp_path / "voices").exists()


def test_names_are_unique(library):
    """Another recording under the same name is refused, in whatever case; the first stays."""
    made = library.add("Anna", recording())

    with pytest.raises(VoiceExistsError):
        library.add("anna", recording(330))
    assert library.voices() == [made]


def test_the_same_again_is_the_same_voice(library):
    """A client whose answer was lost may ask again."""
    assert library.add("Anna", recording()) == library.add("Anna", recording())


@pytest.mark.parametrize("name", ["x" * 65, "a\nb", "voice_anna", "cons_1", "data:audio/wav"])
def test_odd_names_are_refused(library, name):
    """What a list cannot show, or what looks like an id, is no name."""
    with pytest.raises(InvalidValueError):
        library.add(name, recording())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a/b", "may not contain '/'"),
        ("/", "may not contain '/'"),
        ("..\\voices", r"may not contain '\\\\'"),
        ("..", "means a folder"),
        (" . ", "means a folder"),
        ("x" * 256, "at most 64 characters, and has 256"),
        ("a\tb", r"U\+0009 at position 1"),
        ("a\0b", r"U\+0000"),
        ("an\u200dna", r"U\+200D at position 2"),
        ("\u202eanna", r"U\+202E at position 0"),
        ("anna\u200f", r"U\+200F"),
        ("anna\ufeff", r"U\+FEFF"),
        ("caf\ufffd", r"U\+FFFD"),
        ("caf\udce9", r"U\+DCE9"),
    ],
)
def test_a_name_that_no_path_can_hold_is_refused(library, name, said):
    """The message names the character; what cannot be addressed could be neither read nor deleted."""
    with pytest.raises(InvalidValueError, match=said):
        library.add(name, recording())
    with pytest.raises(InvalidValueError, match=said):
        library.set_alias(name, "anna")
    assert library.voices() == []


@pytest.mark.scenario("bad-voice-name")
@pytest.mark.parametrize(
    "twins",
    [
        ("Zo\u00eb", "Zoe\u0308"),
        ("ZO\u00cb", "zoe\u0308"),
        ("Stra\u00dfe", "STRASSE"),
        (" anna ", "ANNA"),
        ("\u212bsa", "\u00c5sa"),
        ("\u1112\u1161\u11ab", "\ud55c"),
    ],
)
def test_one_name_in_two_spellings_is_one(library, twins):
    """Composed and decomposed, small and large, with space around: found by each, and kept once."""
    first, second = twins
    made = library.add(first, recording())

    assert made.name == unicodedata.normalize("NFC", first.strip())
    assert library.find(second) == library.voice(first) == made
    with pytest.raises(VoiceExistsError):
        library.add(second, recording(330))
    library.set_alias(f"{first.strip()}-2", second)
    assert library.aliased(f"{second}-2") == made
    assert library.remove(second) == made
    assert library.aliases() == {}


@pytest.mark.scenario("bad-voice-name")
def test_odd_names_of_before_are_read_and_deleted(library, tmp_path):
    """Earlier versions took names with slashes, dots, and twins; by id all of them can be reached."""
    kept = [library.add(name, recording(220 + number)) for number, name in enumerate(("A", "B", "C"))]
    odd = ["a/b", "Zoe\u0308", "Zo\u00eb"]
    for voice, name in zip(kept, odd, strict=True):
        path = tmp_path / "voices" / "voices" / voice.id / "voice.json"
        path.write_text(path.read_text("utf-8").replace(f'"{voice.name}"', f'"{name}"'), "utf-8")
    aliases = tmp_path / "voices" / "aliases.json"
    aliases.write_text(f'{{"x/y": "{kept[0].id}"}}', "utf-8")

    assert sorted(voice.name for voice in library.voices()) == sorted(odd)
    for voice, name in zip(kept, odd, strict=True):
        assert library.voice(voice.id).name == name
        assert library.voice(name).id == voice.id
    assert library.aliased("X/Y").id == kept[0].id
    assert library.set_alias("x/y", None) is None
    assert library.aliases() == {}
    for voice in kept:
        assert library.remove(voice.id).id == voice.id
    assert library.voices() == []


@pytest.mark.parametrize("name", ["Mayer/Schulz", ".."])
def test_a_label_of_a_consent_is_no_path(library, name):
    """Consents are found by their ids alone."""
    made = library.add_consent(name, recording(), language="en")

    assert library.rename_consent(made.id, name).name == name


@pytest.mark.parametrize("name", ["", "  ", None])
def test_a_voice_needs_a_name(library, name):
    """Blank is none."""
    with pytest.raises(MissingValueError):
        library.add(name, recording())


def test_the_library_can_be_full(library):
    """The limit holds for voices and consents; what goes makes room."""
    for number in range(3):
        library.add(f"v{number}", recording())
        library.add_consent(f"c{number}", recording(), language="en")

    with pytest.raises(VoiceLibraryFullError):
        library.add("one more", recording())
    with pytest.raises(VoiceLibraryFullError):
        library.add_consent("one more", recording(), language="en")
    library.remove("v0")
    assert library.add("one more", recording())


def test_a_voice_that_is_gone(library, tmp_path):
    """Nothing of it is left, and nothing that stands for it."""
    made = library.add("Anna", recording())
    library.set_alias("Alloy", "anna")

    assert library.remove("anna") == made
    assert (library.voices(), library.aliases(), library.aliased("alloy")) == ([], {}, None)
    assert not list(tmp_path.rglob(f"*{made.id}*"))
    for act in (library.remove, library.voice):
        with pytest.raises(VoiceNotFoundError):
            act(made.id)
    with pytest.raises(VoiceNotFoundError):
        library.recording(made)


@pytest.mark.parametrize("name", ["../voices", "..", "/etc", "voice_../../x", ".staging"])
def test_a_name_is_no_path(library, name):
    """Whatever a client asks for, it stays in the library."""
    library.add("Anna", recording())

    assert library.find(name) is None
    with pytest.raises(ConsentNotFoundError):
        library.consent(name)


def test_aliases(library):
    """An alias can be set, moved and removed; its case does not count."""
    anna, bert = library.add("Anna", recording()), library.add("Bert", recording(330))

    library.set_alias("Alloy", "anna")
    assert library.aliased("alloy") == anna
    library.set_alias("alloy", bert.id)
    assert library.aliased("ALLOY") == bert
    library.set_alias("alloy", None)
    assert library.aliased("alloy") is None
    with pytest.raises(VoiceNotFoundError):
        library.set_alias("alloy", "no such voice")


def test_consents(library):
    """A consent can be renamed, and deleted once no voice rests on it."""
    consent = library.add_consent("Anna", recording(), language="en-US")
    voice = library.add("Anna", recording(330), consent=consent.id)

    assert library.rename_consent(consent.id, "Anna B.").name == "Anna B."
    assert [it.name for it in library.consents()] == ["Anna B."]
    with pytest.raises(ConsentInUseError, match="Anna"):
        library.remove_consent(consent.id)
    library.remove(voice.id)
    library.remove_consent(consent.id)
    assert library.consents() == []


def test_a_voice_needs_a_consent_that_exists(library):
    """An id that means nothing is refused, and nothing is kept."""
    with pytest.raises(ConsentNotFoundError):
        library.add("Anna", recording(), consent="cons_nothing")
    assert library.voices() == []


def test_two_at_once(tmp_path):
    """Of two voices of one name that are added at the same moment, one wins and the other is told."""
    outcomes, ready = [], threading.Barrier(2)

    def add(hertz):
        library, made = VoiceLibrary(tmp_path / "voices", limit=9), recording(hertz)
        ready.wait(30)
        try:
            outcomes.append(library.add("Anna", made).sha256)
        except VoiceExistsError:
            outcomes.append("exists")

    threads = [threading.Thread(target=add, args=[hertz]) for hertz in (220, 330)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    [kept] = VoiceLibrary(tmp_path / "voices", limit=9).voices()
    assert sorted(outcomes) == sorted([kept.sha256, "exists"])


# ── Killed at every step ─────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOSPC, errno.EROFS])
def test_what_was_deleted_is_not_kept_for_want_of_a_moment(library, tmp_path, monkeypatch, number):
    """What a writer that died left goes when there are descriptors again; it is no damage to set aside."""
    library.add("Anna", recording(), statement="she said so")
    left = tmp_path / "voices" / ".staging" / "voice_left"
    left.mkdir(parents=True)

    def fails(path):
        raise OSError(number, os.strerror(number), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", fails)
        with pytest.raises((StorageError, OSError)):
            library.add("Bert", recording(), statement="he said so")
    assert left.exists()
    library.recover()

    assert not left.exists()
    assert not list((tmp_path / "voices").glob(".staging.*"))


def outcome(act):
    """Return what *act* returns, or the type of its error; None if it had no descriptors."""
    try:
        return act()
    except (OSError, SpeechhubError) as error:
        return None if exhausted(error) else type(error)


@pytest.mark.scenario("no-descriptors")
@pytest.mark.parametrize("left", range(ENOUGH))
def test_what_cannot_be_read_for_want_of_descriptors_is_not_missing(library, left):
    """Whatever is asked: the answer is as ever, or there is none, and nothing is lost or told as damaged."""
    told = []
    library._on_damage = told.append
    consent = library.add_consent("Anna", recording(), language="en")
    voice = library.add("Anna", recording(), consent=consent.id)
    library.set_alias("alloy", "Anna")
    questions = [
        lambda: library.voices() == [voice],
        lambda: library.consents() == [consent],
        lambda: library.find("anna") == library.find(voice.id) == voice,
        lambda: library.find("no such voice") is None,
        lambda: library.consent(consent.id) == consent,
        lambda: library.aliased("alloy") == voice,
        lambda: library.aliases() == {"alloy": voice.id},
        lambda: library.recording(voice).digest == voice.sha256,
        lambda: library.digests() == {voice.sha256},
        lambda: library.damages() == [],
    ]
    changes = {
        ConsentInUseError: lambda: library.remove_consent(consent.id),
        VoiceExistsError: lambda: library.add("anna", recording(330), consent=consent.id),
        VoiceNotFoundError: lambda: library.remove("no such voice"),
    }

    with descriptors_left(left):
        answers = [outcome(ask) for ask in questions]
        ends = {end: outcome(change) for end, change in changes.items()}
        aliased = outcome(lambda: library.set_alias("nova", "Anna"))

    assert set(answers) <= {True, None}
    assert all(found in (end, None) for end, found in ends.items())
    assert library.voices() == [voice]
    assert library.consents() == [consent]
    assert library.aliases() == {"alloy": voice.id} | ({"nova": voice.id} if aliased else {})
    assert told == []


@pytest.mark.parametrize("left", range(ENOUGH))
def test_a_change_without_descriptors_is_made_and_told_or_not_made(library, tmp_path, left):
    """There is no error for what has happened all the same."""
    library.add("Bert", recording(330), statement="he said so")
    gone = library.add_consent("Anna", recording(), language="en")
    kept = library.add_consent("Carl", recording(), language="en")

    with descriptors_left(left):
        added = outcome(lambda: library.add("Dora", recording(440), statement="she said so"))
        removed = outcome(lambda: library.remove_consent(gone.id) or True)
        renamed = outcome(lambda: library.rename_consent(kept.id, "Carlo"))

    assert sorted(it.name for it in library.voices()) == ["Bert"] + ["Dora"] * bool(added)
    names = [it.name for it in library.consents()]
    assert sorted(names) == ["Anna"] * (not removed) + ["Carlo" if renamed else "Carl"]
    assert not list(tmp_path.glob("**/*.damaged-*"))


def test_a_folder_that_cannot_be_listed_for_want_of_descriptors_is_not_empty(library, tmp_path):
    """Between two looks at a folder, other requests may take the last descriptor."""
    library.add("Anna", recording(), statement="she said so")

    with descriptors_left(0), pytest.raises(OSError, match="Too many open files"):
        entries(tmp_path / "voices" / "voices", CustomVoice)


def test_with_descriptors_enough_all_of_it_works(library):
    """The limit of the tests above is not below what is needed."""
    with descriptors_left(ENOUGH):
        consent = library.add_consent("Anna", recording(), language="en")
        library.add("Anna", recording(), consent=consent.id)
        library.set_alias("alloy", "Anna")
        library.rename_consent(consent.id, "Anna B.")
        library.remove("Anna")
        library.remove_consent(consent.id)


def test_another_process_that_never_lets_go_holds_up_nothing_for_long(library, tmp_path, monkeypatch):
    """One that is stopped in mid-change: the server starts, reads, and says what is wrong to who changes."""
    voice = library.add("Anna", recording(), statement="she said so")
    held = os.open(tmp_path / "voices" / ".lock", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    monkeypatch.setattr(folder, "LOCK_S", 0.2)
    try:
        began = time.monotonic()
        library.recover()
        assert library.voices() == [voice]
        with pytest.raises(StorageError, match=r"Another process .*fuser"):
            library.add("Bert", recording(330), statement="he said so")
        assert time.monotonic() - began < 2
    finally:
        os.close(held)

    assert library.add("Bert", recording(330), statement="he said so").name == "Bert"


@pytest.mark.parametrize("parent", ["voices", "consents", "."])
def test_what_cannot_be_flushed_is_not_changed(library, tmp_path, monkeypatch, parent):
    """The last descriptor may go between any two steps: a change that is told as failed has not been made."""
    kept = library.add_consent("Anna", recording(), language="en")
    voice = library.add("Anna", recording(), statement="she said so")
    root, really = tmp_path / "voices", os.open

    def fails(path, flags, *args, **kwargs):
        if flags & os.O_DIRECTORY and Path(path) == root / parent:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))
        return really(path, flags, *args, **kwargs)

    changes = {
        "voices": [lambda: library.remove("Anna"), lambda: library.add("Bert", recording(330))],
        "consents": [
            lambda: library.remove_consent(kept.id),
            lambda: library.add_consent("Bert", recording(330), language="en"),
        ],
    }.get(parent, [lambda: library.set_alias("alloy", "Anna")])
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fails)
        for change in changes:
            with pytest.raises(OSError, match="Too many open files"):
                change()

    assert library.voices() == [voice]
    assert library.consents() == [kept]
    assert library.aliases() == {}
