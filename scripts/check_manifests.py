"""Checks the manifests for Kubernetes against the schemas of its version; called by ``nox -s manifests``.

    .nox/manifests/bin/python scripts/check_manifests.py FILE …

Kubernetes' own kinds have schemas in kubernetes-validate. Kinds that an operator adds have none there: their
fields are checked against `KINDS`, which has those that our examples use and refuses all others, and the pods
in them as Kubernetes' own. What they mean is for tests/docs and deploy/ray/tests.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import yaml
from jsonschema import Draft202012Validator

VERSION: Final = "1.37"
TEXT: Final = {"type": "string", "minLength": 1}
COUNT: Final = {"type": "integer", "minimum": 0}
POD_TEMPLATE: Final = {"type": "object"}
"""Checked as a PodTemplate of Kubernetes'."""


def fields(required: Mapping[str, object], optional: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return the schema of an object with these fields and no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def several(items: object, most: int, least: int = 1) -> dict[str, object]:
    """Return the schema of a list."""
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


_START: Final = {"type": "object", "additionalProperties": TEXT}
_SIZED: Final = {"rayStartParams": _START, "template": POD_TEMPLATE}
RAY_SERVICE: Final = fields(
    {
        "serveConfigV2": TEXT,
        "rayClusterConfig": fields(
            {
                "rayVersion": TEXT,
                "headGroupSpec": fields(_SIZED, {"serviceType": {"enum": ["ClusterIP"]}}),
                "workerGroupSpecs": several(
                    fields(
                        {
                            **_SIZED,
                            "groupName": TEXT,
                            "replicas": COUNT,
                            "minReplicas": COUNT,
                            "maxReplicas": COUNT,
                        }
                    ),
                    most=10,
                ),
            },
            {"authOptions": fields({"mode": {"enum": ["disabled", "token"]}})},
        ),
    },
    {
        "upgradeStrategy": fields({"type": {"enum": ["NewCluster", "None"]}}),
        "excludeHeadPodFromServeSvc": {"type": "boolean"},
    },
)
"""`spec` of a RayService. Source: ray.io_rayservices.yaml of KubeRay 1.7, version v1."""

_PATH: Final = {
    "oneOf": [
        fields(
            {"type": {"enum": ["Exact", "PathPrefix"]}, "value": {"type": "string", "pattern": "^/[^#%]*$"}}
        ),
        fields({"type": {"const": "RegularExpression"}, "value": TEXT}),
    ]
}
_QUERY: Final = fields(
    {"name": {"type": "string", "pattern": r"^[A-Za-z0-9_-]+$"}, "value": TEXT},
    {"type": {"enum": ["Exact", "RegularExpression"]}},
)
HTTP_ROUTE: Final = fields(
    {
        "parentRefs": several(fields({"name": TEXT}), most=32),
        "hostnames": several({"type": "string", "pattern": r"^[a-z0-9.-]+$"}, most=16),
        "rules": several(
            fields(
                {
                    "matches": several(
                        fields({"path": _PATH}, {"queryParams": several(_QUERY, most=16)}), most=64
                    ),
                    "backendRefs": several(fields({"name": TEXT, "port": COUNT}), most=16),
                },
                {
                    "name": {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"},
                    "timeouts": fields(
                        {"request": {"type": "string", "pattern": r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"}}
                    ),
                },
            ),
            most=16,
        ),
    }
)
"""`spec` of an HTTPRoute. Source: httproutes.yaml, standard, of Gateway API 1.6, version v1."""

KINDS: Final[Mapping[tuple[str, str], dict[str, object]]] = {
    ("ray.io/v1", "RayService"): RAY_SERVICE,
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): HTTP_ROUTE,
}
"""Version and kind → the schema of its `spec`."""


def main(paths: list[str]) -> int:
    """Check the files at *paths*, print what is wrong, and return the exit code."""
    wrong = checked = 0
    for path in paths:
        for document in yaml.safe_load_all(Path(path).read_text("utf-8")):
            name = f"{path}: {document['kind']} {document['metadata']['name']}"
            found = list(problems(document))
            for problem in found:
                print(f"{name}: {problem}")
            wrong, checked = wrong + bool(found), checked + 1
    print(f"{checked} objects checked against Kubernetes {VERSION}, {wrong} wrong")
    return 1 if wrong or not checked else 0


def problems(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with one object."""
    schema = KINDS.get((document["apiVersion"], document["kind"]))
    if schema is None:
        yield from of_kubernetes(document)
        return
    for error in Draft202012Validator(schema).iter_errors(document["spec"]):
        yield f"spec.{'.'.join(map(str, error.absolute_path))}: {error.message}"
    for template in pods(document["spec"]):
        named = {"metadata": {"name": "pod"}, "template": template}
        yield from of_kubernetes({"apiVersion": "v1", "kind": "PodTemplate", **named})


def of_kubernetes(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what Kubernetes' own schema finds in an object of one of its own kinds."""
    try:
        kubernetes_validate.validate(document, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{'.'.join(map(str, error.path))}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError:
        yield "there is no schema for this kind; KINDS in scripts/check_manifests.py may have one"


def pods(value: object) -> Iterator[object]:
    """Yield every pod template in *value*."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "template":
                yield inner
            else:
                yield from pods(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from pods(inner)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
