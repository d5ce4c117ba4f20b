"""The code on the pages runs, or at least can be read by what it is written for."""

import json
import shutil
import subprocess

import pytest

from speechhub.settings import load_settings
from tests.docs.pages import blocks, pages

OWN_TEST = "writing-an-engine.md"
"""The page that test_writing_an_engine.py follows step by step."""
SERVER = "http://127.0.0.1:8000"
KINDS = {"bash", "bash refused", "sh", "python", "javascript", "json", "toml", "text"}
PAGES = [name for name in pages() if name != OWN_TEST]


def of_kind(*kinds):
    found = [block for name in PAGES for block in blocks(name, *kinds)]
    return pytest.mark.parametrize("block", found, ids=str)


def test_every_block_says_what_it_is():
    """A block of an unknown kind would be tested by nobody."""
    odd = [str(block) for name in PAGES for block in blocks(name) if block.kind not in KINDS]

    assert not odd


def test_whatever_calls_the_server_is_run():
    """Blocks that only get shown, of the kind ``sh``, do not call the server."""
    shown = [str(block) for name in PAGES for block in blocks(name, "sh") if SERVER in block.code]

    assert not shown


@pytest.mark.mission("16.4")
@pytest.mark.parametrize("name", [name for name in PAGES if blocks(name, "bash", "bash refused")])
def test_shell_blocks_run(name, shell):
    """The shell blocks of a page work one after the other, in one folder, on a server with echo engines."""
    for block in blocks(name, "bash", "bash refused"):
        done = shell.bash(block.code)

        said = f"{block}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
        if block.kind == "bash":
            assert done.returncode == 0, said
        else:
            assert set(json.loads(done.stdout)["error"]) == {"message", "type", "param", "code"}, said


@pytest.mark.parametrize("name", [name for name in PAGES if SERVER in str(blocks(name, "python"))])
def test_python_blocks_run(name, shell):
    """The Python blocks of a page, one after the other, make a program that works."""
    program = "\n".join(block.code for block in blocks(name, "python"))

    done = shell.python(program)

    assert done.returncode == 0, f"docs/{name}\n{done.stdout}\n{done.stderr}"
    assert done.stdout


def test_the_readme_works(shell):
    """What README shows of a server and a shell works, on echo engines; its start is another test's."""
    found = [block for block in blocks("../README.md", "sh", "python") if "scripts/serve" not in block.code]
    assert {block.kind for block in found} == {"sh", "python"}

    for block in found:
        done = shell.python(block.code) if block.kind == "python" else shell.bash(block.code)

        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"


@of_kind("python")
def test_python_blocks_compile(block):
    """A block is valid Python by itself."""
    compile(block.code, str(block), "exec")


@of_kind("bash", "bash refused", "sh")
def test_shell_blocks_parse(block):
    """A block is valid shell."""
    done = subprocess.run(["bash", "-n"], input=block.code, text=True, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr


@of_kind("javascript")
def test_javascript_blocks_parse(block, tmp_path):
    """A block is a valid module."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node here")
    module = tmp_path / "block.mjs"
    module.write_text(block.code, "utf-8")

    done = subprocess.run([node, "--check", module], text=True, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr


@of_kind("json")
def test_json_blocks_parse(block):
    """A block is valid JSON."""
    json.loads(block.code)


@of_kind("toml")
def test_toml_blocks_load(block, tmp_path, monkeypatch):
    """A block is a configuration file that speechhub reads."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "block.toml").write_text(block.code, "utf-8")

    load_settings(config_file=tmp_path / "block.toml", environ={})
