"""docs/gpu-check.md: its options, steps and fields are those of the program."""

import re
import sys
from dataclasses import fields
from types import SimpleNamespace

from tests.docs.pages import ROOT, page

sys.path.append(str(ROOT / "scripts"))

from gpu_check import __main__ as program
from gpu_check.cards import PretendedCard
from gpu_check.options import options, parser_of_options
from gpu_check.report import FORMAT, Outcome, Report
from gpu_check.steps import STEPS

CODE = re.compile(r"`([^`]+)`")


def first_column(heading):
    """Return what stands as code in the first column of the table below a heading."""
    section = page("gpu-check.md").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    return [name for cell in cells for name in CODE.findall(cell)]


def test_options_are_those_of_the_program():
    described = {name.split()[0] for name in first_column("Run it")}

    assert described == {
        it for it in parser_of_options()._option_string_actions if it not in ("-h", "--help")
    }


def test_steps_are_those_of_the_program_in_order():
    assert first_column("The steps") == ["checkpoints", *STEPS]


def test_report_has_the_fields_that_are_described(tmp_path):
    """In the same order, those of a step included."""
    chosen = options(["--device", "cpu", "--tiny", "--report", str(tmp_path / "r.json")])
    card = PretendedCard(tmp_path / "card")
    about = program._about(card, card.device(), chosen, "tiny", {})
    described = first_column("The report")

    assert described == ["format", *about, "steps[]"]
    [line] = [it for it in page("gpu-check.md").splitlines() if it.startswith("| `steps[]` |")]
    assert CODE.findall(line) == ["steps[]", *(field.name for field in fields(Outcome))]
    assert f"| `format` | {FORMAT}; " in page("gpu-check.md")


def test_report_and_table_say_whether_the_warm_up_is_left_out(tmp_path):
    """It is on a pretended card with models of full size, whose times say less of a card then."""
    pretended = PretendedCard(tmp_path / "card")
    real = SimpleNamespace(environment={}, sample=lambda: None)
    chosen = options(["--report", str(tmp_path / "r.json")])
    said = {}
    for name, card, size in (("p", pretended, "full"), ("t", pretended, "tiny"), ("r", real, "full")):
        about = program._about(card, pretended.device(), chosen, size, {})
        said[name] = about["warm_up"]
        assert Report(about).table().endswith(f"Warm-up of the engines: {about['warm_up']}.")

    assert said == {"p": "left out", "t": "in load_s", "r": "in load_s"}
    assert all(f"`{it}`" in page("gpu-check.md") for it in said.values())
