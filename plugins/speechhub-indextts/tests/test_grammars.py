"""Grammars are built by the installation, read by loads, and built by them only where they are missing."""

import pickle

import pytest

from speechhub.engine import EngineLoadError, LoadContext, SynthesizeRequest
from speechhub_indextts import ENGINE, grammars
from speechhub_indextts.engine import IndexTtsEngine
from speechhub_indextts.grammars import Grammar, Shelf, file_name, prebuild
from speechhub_indextts.settings import IndexTtsSettings

from .conftest import reference


class Toy:
    """A grammar that takes no time to build, and tells who built it."""

    def __init__(self, builder):
        self.builder = builder

    def normalize(self, text, verbose):
        return f"{text} by {self.builder}"


@pytest.fixture
def reader(monkeypatch):
    """The package's reader as a new process has it."""
    from indextts25.utils import nemo_tn

    monkeypatch.setattr(nemo_tn, "_CACHE_DIR", "/nowhere")
    monkeypatch.setattr(nemo_tn.get_text_normalizer(), "_cache", {})
    return nemo_tn


@pytest.fixture
def building(reader, monkeypatch):
    """Have the reader build toys; return the languages that it built."""
    import nemo_text_processing.text_normalization.normalize as nemo

    built = []
    monkeypatch.setattr(nemo, "Normalizer", lambda *, input_case, lang: built.append(lang) or Toy("a load"))
    return built


def prepared(prebuilt_dir, work_dir, **options):
    """Prepare as a worker does; return what a text in a language becomes."""
    context = LoadContext(
        model="any", model_dir=None, work_dir=work_dir, prebuilt_dir=prebuilt_dir, options=options
    )
    IndexTtsEngine().prepare(context)
    shelf = Shelf(context.settings(IndexTtsSettings), work_dir=work_dir, prebuilt_dir=prebuilt_dir)
    return lambda language, text: Grammar(language, shelf).normalize(text)


def left(folder, language, grammar):
    folder.mkdir(exist_ok=True)
    (folder / file_name(language)).write_bytes(pickle.dumps(grammar))
    return folder


def test_a_load_reads_what_the_installation_built(grammar_of_chinese, load, reader, monkeypatch):
    """The real grammar, by the function that the spec names; nothing is built, and nothing written."""
    import nemo_text_processing.text_normalization.normalize as nemo

    assert getattr(grammars, ENGINE.prebuild.rpartition(":")[2]) is prebuild
    folder = grammar_of_chinese.folder
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    monkeypatch.setattr(nemo.Normalizer, "__init__", _broken)  # reading does without it

    engine = load("2.5", prebuilt_dir=folder, normalization=True, grammars=("zh",))

    request = SynthesizeRequest(text="我有25元", voice="", reference=reference(), language="zh")
    [segment] = engine._generation.segments(engine._line(request))
    engine.close()
    assert "二十五" in segment.text
    assert [path.name for path in before] == [file_name("zh")]
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def _broken(*_, **__):
    raise AssertionError("a grammar is built")


def test_a_language_that_was_not_built_is_built_into_the_engines_folder(building, tmp_path):
    """Once: the next process reads it. The installation's folder stays as it is."""
    prebuilt = left(tmp_path / "prebuilt", "zh", Toy("the installation"))

    said = prepared(prebuilt, tmp_path / "work")

    assert said("zh", "5") == "5 by the installation"
    assert said("en", "5") == said("es", "5").replace("es", "en") == "5 by a load"
    assert building == ["en", "es"]
    kept = {path.name for path in (tmp_path / "work" / "grammars").iterdir()}
    assert kept == {file_name("en"), file_name("es")}
    assert [path.name for path in prebuilt.iterdir()] == [file_name("zh")]


def test_what_is_kept_is_read_again(building, tmp_path):
    work = tmp_path / "grammars"
    left(work, "en", Toy("a former load"))

    assert prepared(None, tmp_path, grammars=("en",))("en", "5") == "5 by a former load"
    assert building == []


def test_what_does_not_fit_or_is_damaged_is_built(building, tmp_path, caplog):
    """The name says which versions it is for, so that an upgrade by pip is no trap."""
    prebuilt = left(tmp_path / "prebuilt", "en", Toy("the installation"))
    (prebuilt / file_name("en")).rename(prebuilt / "en-cased-nemo0.1-pynini0.1.pkl")
    (prebuilt / file_name("zh")).write_bytes(b"half of it")

    said = prepared(prebuilt, tmp_path)

    assert said("en", "5") == said("zh", "5") == "5 by a load"
    assert "cannot read the grammar of zh that the installation built" in caplog.text
    assert "building the grammar of en, which can take minutes" in caplog.text


def test_an_installation_that_cannot_write_says_so(building, tmp_path, monkeypatch):
    """The reader itself only warns, and the first load would find nothing."""
    monkeypatch.setattr("pickle.dump", _full)

    with pytest.raises(EngineLoadError, match="grammar of en could not be written"):
        prebuild(tmp_path)


def _full(*_):
    raise OSError(28, "No space left on device")


def test_languages_without_a_grammar_build_none(building, tmp_path, caplog):
    """NeMo has one of Japanese, which the reader never uses."""
    prepared(None, tmp_path, grammars=("ja",))

    assert building == []
    assert "no grammar for ja" in caplog.text


def test_without_a_folder_grammars_are_not_kept(building, caplog):
    """They go to one that is new, private, and gone with the process; it is told when it costs something."""
    shelf = Shelf(IndexTtsSettings(), work_dir=None, prebuilt_dir=None)
    assert not caplog.text

    shelf.take("en")

    assert shelf.folder.stat().st_mode & 0o077 == 0
    assert [path.name for path in shelf.folder.iterdir()] == [file_name("en")]
    assert "no folder to keep grammars in" in caplog.text


@pytest.mark.parametrize("open_to_all", ["folder", "file"])
def test_grammars_that_others_can_write_are_refused(tmp_path, open_to_all):
    """They are pickles: a user who can change one runs code in the worker."""
    kept = tmp_path / "zh.pkl"
    kept.touch(mode=0o600)
    (tmp_path if open_to_all == "folder" else kept).chmod(0o777)

    with pytest.raises(EngineLoadError, match=r"grammar_dir .* chmod go-w"):
        Shelf(IndexTtsSettings(grammar_dir=str(tmp_path)), work_dir=None, prebuilt_dir=None)
