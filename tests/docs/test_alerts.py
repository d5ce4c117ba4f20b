"""The alerts: valid, tested, and each with its section that says what to do."""

import re
import shutil
import subprocess

import pytest
import yaml

from tests.docs.pages import ROOT, anchors, page

FOLDER = ROOT / "deploy" / "prometheus"
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do(rule):
    """It leads to its section of the page, which has steps; its severity is explained there too."""
    name, text = rule["alert"], page("alerts.md")
    section = text.partition(f"\n### {name}\n")[2].partition("\n#")[0]

    assert rule["annotations"]["runbook"] == f"docs/alerts.md#{name.lower()}"
    assert name.lower() in anchors(text)
    assert re.search(r"^1\. ", section, re.MULTILINE)
    assert f"`{rule['labels']['severity']}`" in text
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}


def test_every_section_has_its_alert():
    """The page tells of no alert that is not there."""
    assert re.findall(r"^### (\w+)$", page("alerts.md"), re.MULTILINE) == [rule["alert"] for rule in RULES]


@pytest.mark.mission("18.6")
@pytest.mark.parametrize(("what", "file"), [("check", "alerts.yaml"), ("test", "alerts.test.yaml")])
def test_prometheus_takes_the_rules(what, file):
    """Prometheus reads them, and they fire, and keep quiet, when they should."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("there is no promtool here; Debian's package prometheus has it")

    done = subprocess.run(
        [promtool, what, "rules", file], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
