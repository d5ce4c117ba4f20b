"""Checks of a spec; they import nothing of the engine."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

from speechhub.domain.language import parse_language
from speechhub.domain.voice import Voice
from speechhub.engine.capabilities import Capabilities, SttCapabilities, TtsCapabilities
from speechhub.engine.options import EmotionMode
from speechhub.engine.spec import EngineSpec, HubSource, ModelFile, ModelSpec
from speechhub.engine.testing.compute import compute, prebuild
from speechhub.engine.testing.promise import promise, promise_type
from speechhub.engine.testing.subject import LoadPlan
from speechhub.errors import InvalidLanguageError

NAME: Final = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
SHA256: Final = re.compile(r"[0-9a-f]{64}")
REPO: Final = re.compile(r"[\w.-]+/[\w.-]+")
DEVICES: Final = ("cuda", "cpu")
SAMPLE_RATES: Final = range(8_000, 48_001)
"""In hertz; speech below is not understood, above nothing is gained."""
HEAVY: Final = frozenset({"torch", "transformers", "tensorflow", "jax"})
"""Packages that take seconds to import, even if they load their native code later."""

_REPORT: Final = """
import importlib, json, sys
import speechhub.engine
from speechhub.errors.origin import import_fault
before = set(sys.modules)
try:
    importlib.import_module(sys.argv[1])
except Exception as error:
    sys.exit(import_fault(error, sys.argv[1]))
new = {name: getattr(sys.modules[name], "__file__", None) for name in set(sys.modules) - before}
print(json.dumps(new))
"""


def names(plan: LoadPlan) -> None:
    """Names are lower case with digits, dots and dashes; models are told apart by theirs."""
    spec = plan.spec
    for name in (spec.name, *(model.id for model in spec.models)):
        promise(
            NAME.fullmatch(name) is not None, f"{name!r} is not such a name; try something like 'my-asr'."
        )
    _unique((model.id for model in spec.models), "model")
    promise(
        "\n" not in spec.description, "description is one line for people: take the line breaks out of it."
    )


def devices(plan: LoadPlan) -> None:
    """The kinds of device are named, best first: ``cuda``, ``cpu``."""
    promise(bool(plan.spec.devices), "devices is empty: then the engine can run nowhere.")
    for kind in plan.spec.devices:
        promise(kind in DEVICES, f"{kind!r} is not a kind of device; the kinds are {', '.join(DEVICES)}.")
    _unique(plan.spec.devices, "device")


def capabilities(plan: LoadPlan) -> None:
    """Capabilities have possible values and do not contradict each other."""
    for declared in (
        plan.spec.capabilities,
        *(plan.spec.capabilities_of(model) for model in plan.spec.models),
    ):
        if isinstance(declared, SttCapabilities):
            _stt_capabilities(declared)
        elif isinstance(declared, TtsCapabilities):
            _tts_capabilities(declared)


def languages(plan: LoadPlan) -> None:
    """Languages are ISO 639-1 codes, and each is named once."""
    for model in plan.spec.models:
        check_languages(model.languages, f"model {model.id!r}")


def voices(plan: LoadPlan) -> None:
    """Voices that the spec promises are told apart by their ids; STT models have none."""
    for model in plan.spec.models:
        promise(
            not model.voices or isinstance(plan.spec.capabilities, TtsCapabilities),
            f"model {model.id!r} turns speech into text: it cannot have voices.",
        )
        check_voices(model.voices, f"model {model.id!r}")


def files(plan: LoadPlan) -> None:
    """Files have relative paths, digests in lower-case hex and sources that can be asked."""
    for model in plan.spec.models:
        _unique((file.path for file in model.files), f"path in model {model.id!r}")
        for file in model.files:
            _file(file)
        if model.hub is not None:
            _hub(model.hub)
        _parts(model, plan.spec.capabilities_of(model))
        promise(model.memory_bytes >= 0, f"memory_bytes of model {model.id!r} is below 0; unknown is 0.")


def licences(plan: LoadPlan) -> None:
    """A licence that must be accepted has a name and an address."""
    for model in plan.spec.models:
        promise(
            not model.must_accept_licence or bool(model.licence and model.licence_url),
            f"model {model.id!r} has a licence that must be accepted, without a name and an address: give "
            "`licence` and `licence_url`.",
        )


def light_description(plan: LoadPlan) -> None:
    """Reading the spec imports neither the engine nor anything heavy."""
    home = _home_of(plan.spec)
    if home is None:  # defined in the test itself, not in a plugin
        return
    ran = subprocess.run(
        [sys.executable, "-c", _REPORT, home],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    promise(ran.returncode == 0, f"{home} cannot be imported in a fresh Python: {ran.stderr.strip()}")
    new: dict[str, str | None] = json.loads(ran.stdout.splitlines()[-1])
    factory = plan.spec.factory.partition(":")[0]
    promise(
        factory not in {home, *new},
        f"Importing {home}, which holds the spec, imports {factory}, which holds the engine: give each a "
        "module of its own and name the class in `factory` only.",
    )
    heavy = sorted({top for name, path in new.items() if _is_heavy(top := name.partition(".")[0], path)})
    promise(
        not heavy,
        f"Importing {home} imports {', '.join(heavy)}: move that import to the engine's module, because the "
        "hub reads every installed spec when it starts.",
    )


DESCRIPTION_CHECKS: Final = (
    names,
    devices,
    compute,
    prebuild,
    capabilities,
    languages,
    voices,
    files,
    licences,
    light_description,
)


def check_languages(codes: Iterable[str], owner: str) -> None:
    """Hold language codes against their promise."""
    codes = tuple(codes)
    for code in codes:
        check_language(code, owner)
    _unique(codes, f"language of {owner}")


def check_language(code: str, owner: str) -> None:
    """Hold one language code against its promise."""
    try:
        canonical = parse_language(code)
    except InvalidLanguageError:
        canonical = None
    promise(
        canonical == code,
        f"{code!r} of {owner} is not an ISO 639-1 code{f'; write {canonical!r}' if canonical else ''}.",
    )


def check_voices(given: Iterable[Voice], owner: str) -> None:
    """Hold voices against their promises."""
    given = tuple(given)
    for voice in given:
        promise_type(voice, Voice, f"{voice!r} of {owner} is not a speechhub.engine.Voice.")
        promise(
            voice.id.strip() == voice.id != "",
            f"Voice id {voice.id!r} of {owner} is blank, or has spaces around.",
        )
        check_languages(voice.languages, f"voice {voice.id!r}")
    # Clients may write Alice for alice.
    _unique((voice.id.lower() for voice in given), f"voice id (case ignored) of {owner}")


def _stt_capabilities(declared: SttCapabilities) -> None:
    promise(
        declared.sample_rate in SAMPLE_RATES,
        f"sample_rate is {declared.sample_rate}; it is in hertz, {SAMPLE_RATES[0]} to {SAMPLE_RATES[-1]}.",
    )
    promise(declared.max_batch >= 1, f"max_batch is {declared.max_batch}; one recording at a time is 1.")
    promise(
        declared.longest_input_s is None or declared.longest_input_s >= 1,
        f"longest_input_s is {declared.longest_input_s}; give at least a second, or None for no limit.",
    )
    check_languages(declared.word_languages, "word_languages")
    promise(
        declared.segment_timestamps or not (declared.word_timestamps or declared.diarization),
        "word_timestamps and diarization need segment_timestamps: words and speakers are parts of segments.",
    )


def _tts_capabilities(declared: TtsCapabilities) -> None:
    promise(
        declared.longest_input_chars is None or declared.longest_input_chars >= 1,
        f"longest_input_chars is {declared.longest_input_chars}; give at least 1, or None for no limit.",
    )
    promise(
        declared.reference_sample_rate in SAMPLE_RATES,
        f"reference_sample_rate is {declared.reference_sample_rate}; it is in hertz, {SAMPLE_RATES[0]} to "
        f"{SAMPLE_RATES[-1]}.",
    )
    promise(
        declared.longest_reference_s is None or declared.longest_reference_s >= 1,
        f"longest_reference_s is {declared.longest_reference_s}; give at least a second, or None for all.",
    )
    promise(
        EmotionMode.AUTO not in declared.emotions,
        "emotions holds 'auto', which is not a way to tell an emotion: leave it out.",
    )
    _unique(declared.emotions, "emotion mode")


def _file(file: ModelFile) -> None:
    _relative(file.path)
    promise(
        file.sha256 is None or SHA256.fullmatch(file.sha256) is not None,
        f"sha256 of {file.path!r} must be 64 lower-case hex digits, as sha256sum prints them.",
    )
    promise(
        file.size_bytes is None or file.size_bytes >= 0, f"size_bytes of {file.path!r} is {file.size_bytes}."
    )
    for part in file.wheel:
        _relative(part.path)
        promise(
            bool(part.distribution and part.version),
            f"The wheel with {file.path!r} needs a distribution and the one version that is known.",
        )


def _parts(model: ModelSpec, able: Capabilities) -> None:
    _unique((part.name for part in model.parts), f"part in model {model.id!r}")
    taken = [file.path for file in model.files]
    for part in model.parts:
        promise(
            NAME.fullmatch(part.name) is not None,
            f"{part.name!r} is not a valid name for a part; try something like 'aligner'.",
        )
        _relative(part.folder)
        _hub(part.hub)
        promise(
            part.enables == "" or (part.optional and getattr(able, part.enables, None) is True),
            f"part {part.name!r} enables {part.enables!r}, which must be a capability that the model "
            "declares, and the part optional.",
        )
        _unique((file.path for file in part.files), f"path in part {part.name!r}")
        for file in part.files:
            _file(file)
        others = [*taken, *(other.folder for other in model.parts if other is not part)]
        for other in others:
            promise(
                not PurePosixPath(other).is_relative_to(part.folder),
                f"{other!r} lies in folder {part.folder!r}, which belongs to part {part.name!r} alone.",
            )


def _hub(source: HubSource) -> None:
    for repo in (source.repo, source.modelscope or source.repo):
        promise(REPO.fullmatch(repo) is not None, f"hub repo {repo!r} must read 'owner/name'.")
    promise(bool(source.revision), f"hub {source.repo!r} needs a revision: a commit, a tag or a branch.")
    promise(
        source.prefix == "" or source.prefix.endswith("/"), f"hub prefix {source.prefix!r} must end with '/'."
    )


def _relative(path: str) -> None:
    parts = PurePosixPath(path).parts
    promise(
        bool(parts) and not path.startswith("/") and ".." not in parts and "\\" not in path,
        f"{path!r} must be a relative path with forward slashes and without '..'.",
    )


def _unique(values: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for value in values:
        promise(value not in seen, f"Two are called {value!r}: each {what} must be unique.")
        seen.add(value)


def _home_of(spec: EngineSpec) -> str | None:
    """Return the plugin's module that holds *spec*; None if no plugin does."""
    for point in importlib.metadata.entry_points(group=f"speechhub.{spec.slot}"):
        if getattr(sys.modules.get(point.module), point.attr, None) is spec:
            return point.module
    package = spec.factory.partition(":")[0].partition(".")[0]
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] == package and any(value is spec for value in vars(module).values()):
            return name
    return None


def _is_heavy(top: str, path: str | None) -> bool:
    if top in HEAVY:
        return True
    native = path is not None and path.endswith(".so")
    return native and top not in sys.stdlib_module_names and top != "numpy"
