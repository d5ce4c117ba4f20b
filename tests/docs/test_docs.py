"""The pages mention everything that there is, and nothing that there is not."""

import os
import re
from pathlib import Path

import click
import msgspec
import pytest

import speechhub.errors
from speechhub.cli import main
from speechhub.errors import LiveSessionLostError, NotIdleError
from speechhub.http.app import create_app
from speechhub.http.errors import error_object, status_of
from speechhub.http.multipart import UnsupportedMediaTypeError
from speechhub.http.schemas import asr as asr_schemas
from speechhub.http.schemas import audio as schemas
from speechhub.http.schemas import health as health_schemas
from speechhub.http.schemas import models as model_schemas
from speechhub.http.schemas import realtime as realtime_schemas
from speechhub.http.schemas import story as story_schemas
from speechhub.http.schemas import voices as voice_schemas
from speechhub.hub import Hub
from speechhub.settings import ModelSettings, Settings, load_settings
from tests.docs.pages import ROOT, anchors, blocks, links, page, pages, prose

PAGES = pages()
ALL_TEXT = "\n".join(PAGES.values())
SERVER = "http://127.0.0.1:8000"
OTHER_PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")


# ── Everything is mentioned ──────────────────────────────────────────────────


@pytest.mark.parametrize("name", [*Settings.__struct_fields__, *ModelSettings.__struct_fields__])
def test_every_setting_is_explained(name):
    """Each setting has its line in the tables of configuration.md."""
    assert f"\n| `{name}` |" in page("configuration.md")


def routes():
    app = create_app(Hub.assemble(Settings()))
    return [
        (method, re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path))
        for route in app.routes
        for method in sorted(getattr(route, "methods", []))
        if method not in ("OPTIONS", "HEAD")
    ]


@pytest.mark.mission("9.1", "16.4")
@pytest.mark.parametrize(
    ("method", "path"), [r for r in routes() if not r[1].startswith(("/schema", "/page/"))]
)
def test_every_route_is_explained(method, path):
    """Each route stands in the table of http-api.md, and has an example for curl."""
    examples = "\n".join(block.code for block in blocks("http-api.md", "bash"))
    called = re.sub(r"\\\{\w+\\\}", r"[$\\w.-]+", re.escape(SERVER + path))

    assert f"`{method} {path}`" in page("http-api.md")
    assert re.search(called + r"(?=[\s?']|$)", examples)


def test_every_page_of_the_schema_that_is_named_exists():
    """The addresses of the OpenAPI description are right."""
    served = {path for _, path in routes()}

    named = set(re.findall(r"`(/schema[\w./]*)`", page("http-api.md")))
    assert named <= served
    assert "/schema/openapi.json" in named


STRUCTS = [
    schemas.CreateSpeech,
    schemas.EmotionFields,
    schemas.EmotionVector,
    schemas.TranscriptionFields,
    schemas.TranscriptionJson,
    schemas.TranscriptionVerbose,
    model_schemas.Model,
    health_schemas.Health,
    health_schemas.GpuHealth,
    health_schemas.EngineWanted,
    health_schemas.EngineSwitch,
    health_schemas.EngineUnload,
    health_schemas.EngineList,
    health_schemas.SwitchHealth,
    health_schemas.DeviceHealth,
    health_schemas.ModelHealth,
    health_schemas.PluginHealth,
    schemas.TranscriptionDiarized,
    schemas.DiarizedSegment,
    schemas.GroqRequest,
    schemas.InputAudio,
    schemas.LanguageCode,
    schemas.TextDelta,
    schemas.TextDone,
    schemas.SpeechDelta,
    schemas.SpeechDone,
    schemas.PlainTokenUsage,
    voice_schemas.VoiceList,
    voice_schemas.VoiceItem,
    voice_schemas.SpeechVoice,
    model_schemas.ModelVoice,
    voice_schemas.VoiceObject,
    voice_schemas.VoiceDeleted,
    voice_schemas.VoiceConsent,
    voice_schemas.VoiceConsentList,
    voice_schemas.VoiceConsentDeleted,
    voice_schemas.RenameVoiceConsent,
    model_schemas.AudioModelList,
    model_schemas.AudioModel,
    story_schemas.EngineStory,
    story_schemas.StoryWait,
    story_schemas.StoryMoment,
    asr_schemas.AsrQuery,
    asr_schemas.DetectionQuery,
    asr_schemas.AsrJson,
    asr_schemas.AsrSegment,
    asr_schemas.AsrWord,
    asr_schemas.DetectedLanguage,
    realtime_schemas.CreateClientSecret,
    realtime_schemas.ExpiresAfter,
    realtime_schemas.ClientSecret,
    realtime_schemas.TranscriptionSessionFields,
]


@pytest.mark.mission("2.4")
@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_field_is_explained(struct):
    """Each field of a request or an answer is named in http-api.md, arrays with their brackets or without."""
    text = page("http-api.md")
    fields = [field.encode_name for field in msgspec.structs.fields(struct)]
    forms = ("`{}`", "`{}[]`", '"{}": ')

    assert [name for name in fields if not any(form.format(name) in text for form in forms)] == []


def test_every_module_of_the_scheduler_is_explained():
    """The page about turns has a line for each, and for none that is gone."""
    modules = {path.stem for path in (ROOT / "src/speechhub/lifecycle/scheduler").glob("[!_]*.py")}
    table = (
        page("lifecycle.md").partition("| Module of `speechhub.lifecycle.scheduler` |")[2].split("\n\n")[0]
    )

    named = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]

    assert set(re.findall(r"`(\w+)`", "".join(named))) == modules


def error_classes(kind=speechhub.errors.SpeechhubError):
    yield kind
    for below in kind.__subclasses__():
        yield from error_classes(below)


INTERNAL_ERRORS = {NotIdleError, LiveSessionLostError}  # a live session takes another way when it gets them
SERVED_ERRORS = {
    kind for kind in error_classes() if kind.__module__.startswith(("speechhub.errors", "speechhub.http"))
} - INTERNAL_ERRORS


@pytest.mark.mission("8.5")
@pytest.mark.parametrize("kind", sorted(SERVED_ERRORS, key=lambda kind: kind.__name__))
def test_every_error_is_explained(kind):
    """Each error has its line, with the status, type and code that it really gets, in http-api.md."""
    error = kind.__new__(kind)
    shown = error_object(error)
    code = f"`{shown.code}`" if shown.code else "null"

    assert f"\n| {status_of(error)} | `{shown.type}` | {code} |" in page("http-api.md")


def test_every_line_of_the_error_table_is_an_error():
    """The table of http-api.md promises no code that nothing raises."""
    codes = set(re.findall(r"^\| \d{3} \| `\w+` \| `(\w+)` \|", page("http-api.md"), re.MULTILINE))

    assert codes == {kind.code for kind in SERVED_ERRORS if kind.code}
    assert UnsupportedMediaTypeError in SERVED_ERRORS


def commands(command=main, path="speechhub"):
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{path} {name}")


@pytest.mark.parametrize(("path", "command"), list(commands()), ids=str)
def test_every_command_is_explained(path, command):
    """Each command has its section in cli.md, with all of its options."""
    section = page("cli.md").partition(f"\n## {path}\n")[2].partition("\n## ")[0]

    options = [name for param in command.params for name in param.opts if isinstance(param, click.Option)]
    assert section
    assert [name for name in options if name not in section] == []


ENGINE_PAGES = {"qwen-asr": "qwen3-asr"}
"""Pages that are named after the model, where the package is the engine's."""


def plugin_models():
    for source in sorted((ROOT / "plugins").glob("*/src/*/__init__.py")):
        engine = source.parts[-4].removeprefix("speechhub-")
        for model in re.findall(r"ModelSpec\(\s*id=\"([^\"]+)\"", source.read_text("utf-8")):
            yield engine, model


@pytest.mark.parametrize(("engine", "model"), list(plugin_models()))
def test_every_model_of_an_engine_is_listed(engine, model):
    """Each model that comes with our engines stands on its engine's page and on the index of engines."""
    assert f"`{model}`" in page(f"engines/{ENGINE_PAGES.get(engine, engine)}.md")
    assert f"`{model}`" in page("engines/index.md")


# ── What is mentioned is there ───────────────────────────────────────────────


@pytest.mark.mission("16.1", "16.11", "18.1")
@pytest.mark.parametrize("name", [*(f"docs/{name}" for name in PAGES), *OTHER_PAGES])
def test_links_lead_somewhere(name):
    """Each link to a file of the repository finds it, and each anchor its heading."""
    text = (ROOT / name).read_text("utf-8")
    broken = []
    for link in links(text):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = ((ROOT / name).parent / path).resolve() if path else ROOT / name
        known = anchors(target.read_text("utf-8")) if anchor and target.suffix == ".md" else {anchor}
        if not target.exists() or anchor not in known:
            broken.append(link)

    assert not broken


def test_every_page_can_be_reached_from_the_index():
    """No page is lost."""
    reached, todo = set(), ["index.md"]
    while todo:
        name = todo.pop()
        if name in reached or name not in PAGES:
            continue
        reached.add(name)
        targets = [link.partition("#")[0] for link in links(PAGES[name])]
        todo += [os.path.normpath(Path(name).parent / target) for target in targets]

    assert set(PAGES) - reached == set()


def test_every_variable_that_is_named_exists():
    """A name SPEECHHUB_… on a page is a setting's."""
    known = {f"SPEECHHUB_{name.upper()}" for name in Settings.__struct_fields__} | {"SPEECHHUB_CONFIG"}

    assert set(re.findall(r"SPEECHHUB_[A-Z_]*[A-Z]", ALL_TEXT)) - known == set()


CALLS = [
    (str(block), line.strip())
    for name in PAGES
    for block in blocks(name, "bash", "sh")
    for line in block.code.replace("\\\n", " ").splitlines()
    if re.match(r"\s*(?:\w+=\S* )*speechhub ", line)
] + [
    (name, f"speechhub {call}")
    for name in PAGES
    for call in re.findall(r"`speechhub ([a-z][^`]*)`", prose(PAGES[name]))
]


@pytest.mark.mission("16.8", "18.9")
@pytest.mark.parametrize(("place", "line"), CALLS)
def test_commands_on_the_pages_exist(place, line):
    """A command line on a page names a command, and options that it has."""
    words = line.partition("speechhub ")[2].split("|")[0].split()
    command = main
    while words and isinstance(command, click.Group) and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    options = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    options |= {"-h", "--help"}

    assert command is not main or (words and words[0] in ("COMMAND", *options)), place
    assert [word for word in words if re.match(r"--?[a-z]", word) and word not in options] == []


@pytest.mark.parametrize("name", PAGES)
def test_each_sentence_has_its_line(name):
    """Prose has one sentence in a line, so that changes show what they change."""
    lines = [line for line in prose(PAGES[name]).splitlines() if not line.startswith(("|", "[Index]"))]

    assert [line for line in lines if re.search(r"[a-z)`][.!?] [A-Z`]", line)] == []


@pytest.mark.parametrize("name", ["getting-started.md", "mirrors.md"])
def test_translations_show_the_same_code(name):
    """A page in Chinese has every command and program of the English one; only comments are translated."""
    translated = {code_of(block) for block in blocks(f"zh/{name}")}

    assert [str(block) for block in blocks(name) if code_of(block) not in translated] == []


def test_the_readme_in_chinese_shows_the_same_examples():
    """What README shows of a server and a shell is on its translation, too."""
    translated = {code_of(block)[1] for block in blocks("zh/README.md")}
    examples = [
        block for block in blocks("../README.md", "sh", "python") if "scripts/serve" not in block.code
    ]

    assert [str(block) for block in examples if code_of(block)[1] not in translated] == []


def code_of(block):
    return block.kind, re.sub(r"[ \t]+# .*$", "", block.code, flags=re.MULTILINE)


def test_the_readme_is_short():
    """A newcomer reads it in a minute."""
    assert (ROOT / "README.md").read_text("utf-8").count("\n") < 150


def test_every_test_that_is_named_exists():
    """A page that says which test holds something is right about its name."""
    sources = [
        path for folder in ("tests", "plugins", "deploy") for path in (ROOT / folder).rglob("test_*.py")
    ]
    known = {name for path in sources for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))} | {
        path.stem for path in sources
    }
    named = set(re.findall(r"`(?:[\w/]+/)?(test_\w+)(?:\.py)?`", ALL_TEXT))

    assert len(named) > 10
    assert named - known == set()


@pytest.mark.parametrize(
    ("readme", "started", "begins"),
    [
        (ROOT / "README.md", "getting-started.md", "The first run "),
        (ROOT / "docs/zh/README.md", "zh/getting-started.md", "第一次运行在"),
    ],
)
def test_how_long_the_first_run_takes_is_said_alike(readme, started, begins):
    """README and getting started have one sentence for it."""
    said = [line for line in readme.read_text("utf-8").splitlines() if line.startswith(begins)]

    assert len(said) == 1
    assert said[0] in page(started).splitlines()


def test_the_chinese_voice_of_the_chinese_page_is_a_setting_that_works(tmp_path):
    """Its table adds a model to Piper, which then speaks for tts-1."""
    (block,) = blocks("zh/getting-started.md", "toml")
    path = tmp_path / "speechhub.toml"
    path.write_text(block.code, "utf-8")

    settings = load_settings(config_file=path, environ={})

    assert settings.tts_model is not None
    voice = settings.models[settings.tts_model]
    assert (voice.engine, voice.languages) == ("piper", ("zh",))
