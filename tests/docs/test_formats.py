"""The tables of containers and codecs are those of the code."""

import re

from speechhub.codecs.containers import CONTAINERS
from speechhub.codecs.decoders import CODECS
from tests.docs.pages import DOCS


def test_the_tables_of_formats_are_the_codes():
    page = (DOCS / "http-api.md").read_text()
    section = page.partition("### Containers and codecs\n")[2].partition("\n#")[0]
    rows = [line.strip("| ").split(" | ") for line in re.findall(r"^\|.*", section, re.MULTILINE)]

    containers = [[made.name, ", ".join(made.endings)] for made in CONTAINERS.values()]
    codecs = [[name] for name in CODECS]

    heads = [["Container", "Names of files end in"], ["---", "---"]], [["Codec"], ["---"]]
    assert rows == [*heads[0], *containers, *heads[1], *codecs]
