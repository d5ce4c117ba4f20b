"""The one table of mirrors: the meaning of the setting ``mirror``, for everything that downloads.

A mirror is tried first, but never alone: what it lacks comes from the usual source.
Pure data, standard library only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchSource:
    """A source of PyTorch's wheels, with one folder per build."""

    url: str
    """Address without the build's name: ``https://…/whl``."""
    flat: bool = False
    """Whether a build's folder is one list of files rather than a package index."""

    def of(self, build: str) -> str:
        """Return the address of *build*, such as ``cpu`` or ``cu126``."""
        return f"{self.url}/{build}{'/' if self.flat else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """Where packages and models come from."""

    python_index: str | None
    """Package index; None for the one that pip and uv are configured with."""
    torch: tuple[TorchSource, ...]
    """Sources of PyTorch's wheels, in the order in which they are tried."""
    hf_endpoint: str | None
    """Model hub; None for huggingface-hub's default."""
    python_builds: str | None = None
    """Where uv downloads Python itself; None for uv's default."""
    apt: str | None
    """Host and path that replace ``archive.ubuntu.com`` and ``deb.debian.org``; None for the system's own.
    Used when containers are built."""


PYTORCH: Final = TorchSource(url="https://download.pytorch.org/whl")
"""PyTorch's own source. Source: pytorch.org, "Get started"."""

PYPI: Final = "https://pypi.org/simple"
HUGGING_FACE: Final = "https://huggingface.co"
MODELSCOPE: Final = "https://www.modelscope.cn"

MIRRORS: Final[Mapping[str, Mirror]] = MappingProxyType(
    {
        "none": Mirror(python_index=None, torch=(PYTORCH,), hf_endpoint=None, apt=None),
        "china": Mirror(
            python_index="https://pypi.tuna.tsinghua.edu.cn/simple",
            torch=(
                TorchSource(url="https://mirrors.tuna.tsinghua.edu.cn/pytorch-wheels"),
                TorchSource(url="https://mirrors.aliyun.com/pytorch-wheels", flat=True),
                PYTORCH,
            ),
            hf_endpoint="https://hf-mirror.com",
            python_builds="https://mirror.nju.edu.cn/github-release/astral-sh/python-build-standalone",
            apt="mirrors.tuna.tsinghua.edu.cn",
        ),
    }
)
"""Value of the setting ``mirror`` → where things come from."""
