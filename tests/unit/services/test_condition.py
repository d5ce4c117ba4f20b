"""Damage below `home`, of every kind and to everything: it is named, left alone, and stops nothing else."""

import json
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from speechhub.engine import HubSource, ModelFile, ModelSpec
from speechhub.environments.find import discover_environments
from speechhub.environments.folders import EnvironmentHome
from speechhub.errors import ConsentNotFoundError, StorageError, VoiceDamagedError, VoiceNotFoundError
from speechhub.home import ASIDE, DamageLog, keep_aside, repair
from speechhub.services.condition import survey
from speechhub.settings import Settings
from speechhub.store import Licences, ModelState, ModelStore, ReferenceCache
from speechhub.store.manifest import describe_folder, write_manifest
from speechhub.voices import VoiceLibrary
from tests.unit.voices.conftest import recording

pytestmark = pytest.mark.lengthy

NOBODY = 65534
GIGANTIC_BYTES = 1 << 30
KEPT = "m-kept"
OURS = "m-bound"


def spec(name):
    return ModelSpec(
        id=name,
        files=(ModelFile(path="weights"),),
        hub=HubSource(repo="a/b"),
        licence="Own-1",
        must_accept_licence=True,
    )


class Home:
    """A home in which one of everything lies, and what reads it."""

    def __init__(self, path):
        self.settings = Settings(home=path, offline=True)
        self.damages = DamageLog()
        self.library = VoiceLibrary(self.settings.voices_dir, limit=9, on_damage=self.damages.note)
        self.store = ModelStore(self.settings.models_dir, hf_endpoint=None, offline=True)
        self.licences = Licences(self.settings.licences_file, on_damage=self.damages.note)
        self.cache = ReferenceCache(
            self.settings.voice_features_dir, limit_bytes=10_000, digests=self.library.digests
        )
        self.models = [spec(OURS), spec(KEPT)]

    def fill(self):
        self.consent = self.library.add_consent("Anna agrees", recording(300), language="en")
        self.other_consent = self.library.add_consent("Bert agrees", recording(310), language="en")
        self.voice = self.library.add("Anna", recording(220), consent=self.consent.id)
        self.other = self.library.add("Bert", recording(330), consent=self.other_consent.id)
        self.library.set_alias("alloy", "Bert")
        for model in self.models:
            folder = self.settings.models_dir / model.id
            folder.mkdir(parents=True)
            (folder / "weights").write_bytes(b"w")
            write_manifest(folder, describe_folder(model.id, folder, "hub:a/b@main", {"weights": "0" * 64}))
            (self.settings.models_dir / ".locks").mkdir(exist_ok=True)
            (self.settings.models_dir / ".locks" / model.id).touch()
        (self.settings.models_dir / ".pins").mkdir()
        pin = {"key": OURS, "repo": "a/b", "revision": "main", "files": [], "pinned_at": 1}
        (self.settings.models_dir / ".pins" / f"{OURS}.json").write_text(json.dumps(pin))
        self.settings.caches_dir.mkdir()
        (self.settings.models_dir / ".staging" / f"{OURS}.hub" / "c").mkdir(parents=True)
        self.licences.accept(self.models)
        for voice in (self.voice, self.other):
            (self.cache.folder("mimic") / f"{voice.sha256}.pt").write_bytes(b"features")
        environment = self.settings.engines_dir / "echo"
        (environment / "env-1").mkdir(parents=True)
        record = {"name": "echo", "folder": "env-1", "requirement": "echo", "build": "", "state": "x"}
        record["description"] = {"python": "3.11", "search_path": []}
        (environment / "environment.json").write_text(json.dumps(record))
        (self.settings.engines_dir / ".locks").mkdir()

    def survey(self):
        return list(
            survey(
                self.settings,
                library=self.library,
                store=self.store,
                licences=self.licences,
                models=self.models,
            )
        )


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.fill()
    return made


FILES = {
    "voice": lambda it: it.settings.voices_dir / "voices" / it.voice.id / "voice.json",
    "voice's recording": lambda it: it.settings.voices_dir / "voices" / it.voice.id / "recording.wav",
    "consent": lambda it: it.settings.voices_dir / "consents" / it.consent.id / "consent.json",
    "consent's recording": lambda it: it.settings.voices_dir / "consents" / it.consent.id / "recording.wav",
    "aliases": lambda it: it.settings.voices_dir / "aliases.json",
    "licences": lambda it: it.settings.licences_file,
    "manifest": lambda it: it.settings.models_dir / OURS / ".speechhub.json",
    "pin": lambda it: it.settings.models_dir / ".pins" / f"{OURS}.json",
    "environment": lambda it: it.settings.engines_dir / "echo" / "environment.json",
}
FOLDERS = {
    "voice's folder": lambda it: it.settings.voices_dir / "voices" / it.voice.id,
    "consent's folder": lambda it: it.settings.voices_dir / "consents" / it.consent.id,
    "library": lambda it: it.settings.voices_dir,
    "voices": lambda it: it.settings.voices_dir / "voices",
    "consents": lambda it: it.settings.voices_dir / "consents",
    "features": lambda it: it.settings.voice_features_dir,
    "models": lambda it: it.settings.models_dir,
    "model's folder": lambda it: it.settings.models_dir / OURS,
    "staging of models": lambda it: it.settings.models_dir / ".staging",
    "locks of models": lambda it: it.settings.models_dir / ".locks",
    "pins": lambda it: it.settings.models_dir / ".pins",
    "caches": lambda it: it.settings.caches_dir,
    "engines": lambda it: it.settings.engines_dir,
    "locks of engines": lambda it: it.settings.engines_dir / ".locks",
}
LOCKS = {
    "lock of the library": lambda it: it.settings.voices_dir / ".lock",
    "lock of a model": lambda it: it.settings.models_dir / ".locks" / OURS,
}


def gone(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def file_instead(path):
    gone(path)
    path.write_bytes(b"not a folder")


def folder_instead(path):
    gone(path)
    path.mkdir()
    (path / "precious").write_bytes(b"keep me")


def sparse(path):
    with path.open("r+b") as file:
        file.truncate(GIGANTIC_BYTES)


def linked(path, target):
    gone(path)
    path.symlink_to(target)


def linked_out(path):
    outside = path.with_name("elsewhere")
    if path.is_dir():
        shutil.copytree(path, outside, dirs_exist_ok=True)
        (outside / "precious").write_bytes(b"keep me")
    else:
        outside.write_bytes(path.read_bytes())
    linked(path, outside)


def pipe(path):
    gone(path)
    os.mkfifo(path)


CONTENTS = {
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(4096)),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-30]),
    "noise": lambda path: path.write_bytes(os.urandom(len(path.read_bytes()))),
    "not UTF-8": lambda path: path.write_bytes(b'{"id": "\xff\xfe", "\xff": "\xc3"}'),
    "a number": lambda path: path.write_bytes(b"1"),
    "null": lambda path: path.write_bytes(b"null"),
    "numbers for text": lambda path: path.write_bytes(
        b'{"id": 1, "name": 2, "alloy": 3, "model": 4, "folder": 5, "files": 6}'
    ),
    "a list of numbers": lambda path: path.write_bytes(b"[1, 2]"),
    "nested deeply": lambda path: path.write_bytes(b'{"id":' + b"[" * 60_000),
    "nested deeply in a list": lambda path: path.write_bytes(b"[" * 60_000),
}
SHAPES = {
    "a folder": folder_instead,
    "a link out": linked_out,
    "a dangling link": lambda path: linked(path, path.parent / "nowhere"),
    "a link to itself": lambda path: linked(path, path.name),
    "a pipe": pipe,
    "gigantic": sparse,
}
PLACES = {
    "a file": file_instead,
    "a dangling link": lambda path: linked(path, path.parent / "nowhere"),
    "a link to itself": lambda path: linked(path, path.name),
}


def state(path):
    """Return what is at *path*, so that a change of it shows."""
    if path.is_symlink():
        return str(path.readlink())
    if path.is_dir():
        return sorted(str(it) for it in path.rglob("*"))
    if not path.is_file():
        return "special"
    return path.stat().st_size, path.read_bytes()[:100_000] if path.stat().st_size < GIGANTIC_BYTES else b""


def start(home):
    """Do what a server does at its start, and what requests ask of the library."""
    for damage in home.survey():
        home.damages.note(damage)
    home.library.recover()
    home.cache.sweep()
    home.library.voices(), home.library.consents(), home.library.aliases()
    with suppress(VoiceDamagedError):
        home.library.aliased("alloy")
    for model in home.models:
        home.licences.allow(model)
        home.store.status(model)
        home.store.parts(model)
    return discover_environments(home.settings.engines_dir)


def named(home, path, found):
    """Return whether an operator is told of *path*, or of the folder that it makes unusable."""
    told = {damage.path for damage in home.damages.found}
    return path in told or path.parent in told or any(str(path.parent) == b.entry_point for b in found.broken)


@pytest.mark.scenario("damaged-voice")
@pytest.mark.parametrize("how", [*CONTENTS, *SHAPES])
@pytest.mark.parametrize("what", FILES)
def test_a_damaged_file_is_named_and_left_alone(home, what, how):
    """Whatever it is and whatever is wrong with it: what is whole goes on working."""
    path = FILES[what](home)
    (CONTENTS | SHAPES)[how](path)
    before = state(path)

    found = start(home)

    assert named(home, path, found), [damage.text for damage in home.damages.found]
    assert state(path) == before
    assert home.library.recording(home.library.voice("Bert")).digest == home.other.sha256
    assert home.library.consent(home.other_consent.id) == home.other_consent
    assert home.store.status(spec(KEPT)).state is ModelState.READY
    assert home.cache.folder("mimic").joinpath(f"{home.other.sha256}.pt").exists()
    assert home.library.add("Cora", recording(440), consent=home.other_consent.id)
    if what != "aliases":
        assert home.library.aliased("alloy") == home.other
    if what != "licences":
        assert home.licences.allow(spec(OURS))
    if what != "manifest":
        assert home.store.status(spec(OURS)).state is ModelState.READY
    if what in ("voice", "voice's recording"):
        assert home.cache.folder("mimic").joinpath(f"{home.voice.sha256}.pt").exists()
        with pytest.raises(VoiceDamagedError):
            home.library.recording(home.library.voice(home.voice.id))


@pytest.mark.scenario("file-for-folder")
@pytest.mark.parametrize("how", PLACES)
@pytest.mark.parametrize("what", FOLDERS)
def test_a_folder_that_is_none_is_named_and_left_alone(home, what, how):
    """A file or a broken link where a folder should be takes only what would lie in there."""
    path = FOLDERS[what](home)
    PLACES[how](path)
    before = state(path)

    start(home)

    assert path in {damage.path for damage in home.damages.found}
    assert state(path) == before
    if what not in ("library", "voices"):
        assert home.library.voice("Bert") == home.other
    if not what.startswith("model"):
        assert home.store.status(spec(KEPT)).state is ModelState.READY


@pytest.mark.parametrize("what", ["voice's folder", "consent's folder", "features"])
def test_folders_of_voices_are_no_links(home, what):
    """What a link leads to is neither read nor emptied."""
    path = FOLDERS[what](home)
    linked_out(path)
    outside = path.resolve()
    before = state(outside)

    start(home)

    assert path in {damage.path for damage in home.damages.found}
    assert state(outside) == before


@pytest.mark.parametrize("how", ["a folder", "a dangling link", "a link to itself", "a pipe"])
@pytest.mark.parametrize("what", LOCKS)
def test_a_lock_that_is_none_is_named(home, what, how):
    """The library moves it aside as soon as it writes; no file is made where a link leads."""
    path = LOCKS[what](home)
    SHAPES[how](path)

    start(home)

    assert path in {damage.path for damage in home.damages.found}
    assert not (path.parent / "nowhere").exists()
    assert home.library.add("Cora", recording(440), consent=home.consent.id)


@pytest.mark.parametrize("how", ["a file", "a dangling link", "a link out"])
def test_staging_that_is_none_is_moved_aside(home, how):
    """Nothing behind a link is deleted, and voices can be added."""
    staging = home.settings.voices_dir / ".staging"
    outside = home.settings.home / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"keep me")
    staging.rmdir()
    if how == "a file":
        staging.write_bytes(b"")
    else:
        staging.symlink_to(outside if how == "a link out" else "nowhere")

    home.library.recover()

    assert (outside / "precious").read_bytes() == b"keep me"
    assert home.library.add("Cora", recording(440), consent=home.consent.id)
    assert [it for it in home.settings.voices_dir.iterdir() if ASIDE in it.name]


def test_links_in_the_cache_are_not_followed(home):
    """A sweep deletes nothing outside of the cache."""
    outside = home.settings.home / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"keep me")
    (home.settings.voice_features_dir / "other-model").symlink_to(outside)

    home.cache.sweep()

    assert (outside / "precious").read_bytes() == b"keep me"
    assert home.cache.folder("other-model") is None


@pytest.mark.parametrize("what", ["voices", "library"])
def test_a_library_that_cannot_be_read_costs_no_features(home, what):
    """All of them may belong to voices that are only out of sight."""
    kept = home.settings.voice_features_dir / "mimic" / f"{home.other.sha256}.pt"
    path = FOLDERS[what](home)
    hidden = path.with_name("hidden")
    path.rename(hidden)
    path.write_bytes(b"")

    home.cache.sweep()

    path.unlink()
    hidden.rename(path)
    assert kept.exists()


@pytest.mark.scenario("damaged-list")
@pytest.mark.parametrize("how", [*CONTENTS, *SHAPES])
def test_damaged_aliases_are_kept_when_an_alias_is_set(home, how):
    """The new file has the new alias, and what was there lies beside it."""
    path = FILES["aliases"](home)
    (CONTENTS | SHAPES)[how](path)
    before = state(path)

    home.library.set_alias("nova", "Anna")

    [aside] = [it for it in path.parent.iterdir() if it.name.startswith(path.name + ASIDE)]
    if how != "a folder":
        assert state(aside) == before
    assert home.library.aliased("nova") == home.voice


@pytest.mark.scenario("damaged-list")
@pytest.mark.parametrize("how", [*CONTENTS, *SHAPES])
def test_damaged_licences_are_kept_when_one_is_accepted(home, how):
    """What was accepted can be read up there."""
    path = FILES["licences"](home)
    (CONTENTS | SHAPES)[how](path)

    home.licences.accept([spec(KEPT)])

    assert [it for it in path.parent.iterdir() if it.name.startswith(path.name + ASIDE)]
    assert home.licences.allow(spec(KEPT))
    assert not home.licences.allow(spec(OURS))


def test_an_alias_of_a_damaged_voice_stays(home):
    """Deleting another voice does not touch aliases that cannot be read."""
    path = FILES["aliases"](home)
    path.write_bytes(b"{")

    home.library.remove("Anna")

    assert path.read_bytes() == b"{"


def test_fields_of_a_newer_version_stay(home):
    """They are no damage, and a change by an older speechhub keeps them."""
    path = FILES["consent"](home)
    path.write_bytes(json.dumps(json.loads(path.read_bytes()) | {"signed": "yes"}).encode())

    assert not home.survey()
    home.library.rename_consent(home.consent.id, "Anna still agrees")

    assert json.loads(path.read_bytes())["signed"] == "yes"
    assert home.library.consent(home.consent.id).name == "Anna still agrees"


@pytest.mark.parametrize("what", ["manifest", "environment"])
def test_a_record_of_a_newer_version_is_not_guessed_at(home, what):
    """Its version says that it may mean something else; it is named, and kept."""
    path = FILES[what](home)
    newer = json.dumps(json.loads(path.read_bytes()) | {"version": 99}).encode()
    path.write_bytes(newer)

    found = start(home)

    assert named(home, path, found)
    assert path.read_bytes() == newer


@pytest.mark.scenario("damaged-environment")
def test_an_environment_whose_record_is_damaged_is_not_cleared(home):
    """The folder that it named may be the one that works."""
    FILES["environment"](home).write_bytes(b"")
    environment = EnvironmentHome(home.settings.engines_dir / "echo")

    environment.clear_unused()

    assert (environment.path / "env-1").is_dir()


@pytest.mark.parametrize("folder", ["../../elsewhere", "/usr", "..", "", "bin"])
def test_a_record_names_a_folder_of_its_environment(home, folder):
    """No other Python is started for what a record says."""
    path = FILES["environment"](home)
    path.write_bytes(json.dumps(json.loads(path.read_bytes()) | {"folder": folder}).encode())

    [broken] = discover_environments(home.settings.engines_dir).broken

    assert "environment.json lacks the fields" in broken.error


def test_a_copied_voice_is_no_second_one(home):
    """A folder whose record tells of another voice is damaged; the voice itself works."""
    copy = home.settings.voices_dir / "voices" / ("voice_" + "0" * 24)
    shutil.copytree(home.settings.voices_dir / "voices" / home.voice.id, copy)

    start(home)

    assert [voice.id for voice in home.library.voices()].count(home.voice.id) == 1
    assert copy / "voice.json" in {damage.path for damage in home.damages.found}
    assert home.library.recording(home.voice).digest == home.voice.sha256


def test_a_consent_that_a_damaged_voice_names_stays(home):
    """As far as the record can still be read, it protects its consent."""
    path = FILES["voice"](home)
    path.write_bytes(path.read_bytes()[:-2])

    with pytest.raises(Exception, match="depend on consent"):
        home.library.remove_consent(home.consent.id)


def test_damaged_voices_count_towards_the_limit(home):
    """What is left out still takes its place on the disk."""
    library = VoiceLibrary(home.settings.voices_dir, limit=2)
    FILES["voice"](home).write_bytes(b"")

    with pytest.raises(Exception, match="2"):
        library.add("Cora", recording(440))


def test_each_damage_is_logged_once(home):
    """However often lists are asked for."""
    FILES["voice"](home).write_bytes(b"")

    for _ in range(3):
        start(home)

    assert len([it for it in home.damages.found if home.voice.id in str(it.path)]) == 1


@pytest.mark.parametrize("what", [*FILES, *FOLDERS])
def test_repair_moves_aside_and_deletes_nothing(home, what):
    """Afterwards there is nothing to complain about, and the damaged thing lies beside its place."""
    path = (FILES | FOLDERS)[what](home)
    keep_aside(path) if what == "model's folder" else None
    path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
    path.write_bytes(b"\xff broken")

    if what in ("pin", "pins"):  # without it, more might be downloaded than was pinned
        assert [repair(damage) for damage in home.survey()] == [""]
        assert path.exists()
        return
    for damage in home.survey():
        assert repair(damage)

    assert not home.survey()
    kept = [it for it in home.settings.home.rglob(f"*{ASIDE}*") if it.is_file() or any(it.rglob("*"))]
    if what != "environment":  # it is installed again instead
        assert any(
            b"\xff broken" in it.read_bytes() for top in kept for it in (top, *top.rglob("*")) if it.is_file()
        )


@contextmanager
def as_nobody(path):
    """Go without root's rights for a while, as a server does."""
    if os.geteuid() != 0:
        yield
        return
    for one in (path, *path.rglob("*")):
        os.lchown(one, NOBODY, -1)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_home():
    """A home in a folder that other users can reach."""
    top = Path(tempfile.mkdtemp(prefix="speechhub-home-"))
    top.chmod(0o755)
    made = Home(top / "home")
    made.fill()
    yield made
    shutil.rmtree(top)


@pytest.mark.parametrize("what", [*FILES, *FOLDERS])
def test_what_may_not_be_read_is_named_and_can_be_given_back(open_home, what):
    """Rights that a backup or another user took away: `doctor --fix` gives them back."""
    path = (FILES | FOLDERS)[what](open_home)
    with as_nobody(open_home.settings.home):
        path.chmod(0)

        found = start(open_home)

        assert named(open_home, path, found), [damage.text for damage in open_home.damages.found]
        if what not in ("library", "voices"):
            assert open_home.library.voice("Bert") == open_home.other
        for damage in open_home.survey():
            assert damage.denied
            assert repair(damage)
        assert not open_home.survey()
        path.chmod(0o700)
    assert open_home.library.recording(open_home.voice).digest == open_home.voice.sha256


def test_a_home_that_cannot_be_written_serves_what_it_has(open_home):
    """Reading works; adding says what is wrong, and clients are not told where."""
    with as_nobody(open_home.settings.home):
        open_home.settings.voices_dir.chmod(0o500)

        start(open_home)

        assert {voice.name for voice in open_home.library.voices()} == {"Anna", "Bert"}
        with pytest.raises(StorageError) as raised:
            open_home.library.add("Cora", recording(440))
        assert str(open_home.settings.home) in raised.value.message
        assert str(open_home.settings.home) not in raised.value.public
        open_home.settings.voices_dir.chmod(0o700)


@pytest.mark.parametrize("how", ["a file", "a dangling link"])
def test_a_home_that_is_no_folder_is_named(home, how):
    """Nothing in there can be used, and nothing fails for it."""
    path = home.settings.home
    PLACES[how](path)

    start(home)

    assert path in {damage.path for damage in home.damages.found}
    assert (home.library.voices(), home.library.aliases()) == ([], {})
    with suppress(VoiceNotFoundError, ConsentNotFoundError):
        home.library.voice("Anna")
    with pytest.raises((StorageError, OSError)):
        home.library.add("Cora", recording(440))
