"""Engines' own Python environments, under ``$SPEECHHUB_HOME/engines``: make, find, check, remove.

Engines' pins conflict, so one of them may live in an environment that holds it and nothing else. The hub
reads what is there from files; only an installation, or a change of the environment, runs its Python.

Kept empty: the repository's scripts import `pip_config` before anything is installed.
"""
