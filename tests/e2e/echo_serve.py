"""Run ``speechhub`` with one more route, which repeats what it hears over a WebSocket.

It stands in front of the command line that it is given: PYTHON -m speechhub …
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from speechhub.cli import main
from speechhub.http import app
from tests.fakes.echo_route import EchoController

if __name__ == "__main__":
    app.CONTROLLERS = (*app.CONTROLLERS, EchoController)
    sys.argv = ["speechhub", *sys.argv[4:]]
    main()
