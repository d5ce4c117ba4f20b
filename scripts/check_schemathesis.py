"""Throw generated requests at this server: no 5xx, and no answer that its OpenAPI description lacks.

    .venv/bin/python scripts/check_schemathesis.py                       some 200 requests, by our description
    .venv/bin/python scripts/check_schemathesis.py --examples 200        more, for each route and phase
    .venv/bin/python scripts/check_schemathesis.py --spec OPENAPI_JSON   by OpenAI's description

The seed is fixed. schemathesis (PyPI) has an environment of its own. OPENAPI_JSON is openapi.json from
openai/openai-openapi; neither media types nor errors are held against it, because it lists neither audio and
text nor any status but 200 and 429.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
from _conformance import ROOT, environment, recording, server

OUR_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
"""Not whether wrong data are refused and right ones accepted: unknown fields are ignored, models may lack."""
OPENAI_CHECKS = ("not_a_server_error", "response_schema_conformance")
OPENAI_PATHS = re.compile(r"/audio/(transcriptions|translations|speech)|/models(/.*)?")
VALIDATE = (
    "import json, sys, openapi_spec_validator as v; v.validate(json.load(open(sys.argv[1]))); print('valid')"
)
LIMIT_S = 1800

Json = dict[str, Any]


def main() -> int:
    """Run schemathesis; return its exit code."""
    parser = argparse.ArgumentParser(description="Test a server with requests made from a description.")
    parser.add_argument("--url", help="of a running server; without it, one is started")
    parser.add_argument("--spec", type=Path, help="OpenAI's openapi.json; without it, our own description")
    parser.add_argument("--examples", type=int, default=30, help="requests for each route and phase")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--phases", default="examples,fuzzing", help="see schemathesis")
    parser.add_argument("--audio", type=Path, help="the recording to send; without it, a tone")
    arguments = parser.parse_args()
    python = environment("schemathesis")
    with tempfile.TemporaryDirectory() as name, server({}, url=arguments.url) as url:
        folder = Path(name)
        audio = folder / "audio.wav"
        audio.write_bytes(arguments.audio.read_bytes() if arguments.audio else recording())
        if arguments.spec:
            document = folder / "openai.json"
            document.write_text(json.dumps(audio_part(json.loads(arguments.spec.read_bytes()))), "utf-8")
            options = [str(document), "--url", f"{url}/v1", "--mode", "positive"]
            options += ["--checks", ",".join(OPENAI_CHECKS)]
        else:
            document = folder / "speechhub.json"
            document.write_text(json.dumps(own_description(url)), "utf-8")
            subprocess.run([str(python), "-c", VALIDATE, str(document)], check=True, timeout=60)
            options = [str(document), "--url", url, "--mode", "all", "--checks", ",".join(OUR_CHECKS)]
        options += ["--max-examples", str(arguments.examples), "--seed", str(arguments.seed)]
        options += ["--phases", arguments.phases, "--generation-database", "none", "--no-color"]
        options += [
            "--header",
            "Authorization: Bearer any",
            "--exclude-method",
            "DELETE",
            "--warnings",
            "off",
        ]
        options += ["--suppress-health-check", "all", "--request-timeout", "30", "--continue-on-failure"]
        if reports := os.environ.get("TEST_REPORTS"):
            options += ["--report-junit-path", f"{reports}/schemathesis.xml"]
        environ = {"AUDIO": str(audio), "SCHEMATHESIS_HOOKS": "_schemathesis_hooks"}
        environ["PYTHONPATH"] = str(ROOT / "scripts")
        return subprocess.run(
            [str(python.with_name("schemathesis")), "run", *options],
            cwd=folder,
            env=os.environ | environ,
            check=False,
            timeout=LIMIT_S,
        ).returncode


def own_description(url: str) -> Json:
    """Fetch the description that the server serves."""
    answer = httpx.get(f"{url}/schema/openapi.json", timeout=30).raise_for_status()
    return answer.json()  # type: ignore[no-any-return]


def audio_part(document: Json) -> Json:
    """Return OpenAI's description of the routes that speechhub has; all of it takes minutes to read."""
    paths = {path: item for path, item in document["paths"].items() if OPENAI_PATHS.fullmatch(path)}
    needed: set[tuple[str, str]] = set()
    parts: list[Any] = [paths]
    while parts:
        for kind, name in re.findall(r'"#/components/(\w+)/([^"/]+)', json.dumps(parts.pop())):
            if (kind, name) not in needed:
                needed.add((kind, name))
                parts.append(document["components"][kind][name])
    components: dict[str, Json] = {}
    for kind, name in sorted(needed):
        components.setdefault(kind, {})[name] = document["components"][kind][name]
    part = {key: document[key] for key in ("openapi", "info")} | {"paths": paths, "components": components}
    # OpenAI's own verbose_json fits two of the schemas of which it says that one fits.
    part_of_it: Json = json.loads(json.dumps(part).replace('"oneOf"', '"anyOf"'))
    return part_of_it


if __name__ == "__main__":
    sys.exit(main())
