"""``python -m speechhub``."""

from speechhub.cli import main

main()
