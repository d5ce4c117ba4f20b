"""Lets the tests of this folder import `recordings`.

There is no `__init__.py` here on purpose: pytest would import the folder as `codecs`, in place of the
standard library's.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
