"""Checks whether an engine's environment is still what was installed, and works."""

from speechhub.environments.folders import EnvironmentHome
from speechhub.environments.pins import frozen
from speechhub.environments.read import DescriptionError, describe
from speechhub.environments.record import FREEZE_NAME, read_record
from speechhub.home import Damage, read_small


def check_environment(home: EnvironmentHome) -> tuple[str, ...]:
    """Import the engines' code in their environment and compare its packages with those of the installation.

    Returns:
        One sentence for each thing that is wrong; empty if all is well.
    """
    try:
        record = read_record(home.path)
    except (ValueError, OSError) as error:
        return (f"{error}.",)
    if record is None:
        return ("it was never completed; 'speechhub engines install' makes it, 'remove' deletes it.",)
    try:
        description = describe(home.python(record), factories=True)
    except (DescriptionError, ValueError) as error:
        return (f"{error}.",)
    problems = [f"{plugin.distribution}: {plugin.error}" for plugin in description.broken]
    if not description.engines:
        problems.append("it no longer contains an engine.")
    frozen_before = read_small(home.folder(record) / FREEZE_NAME)
    if frozen_before is None:
        problems.append(f"{FREEZE_NAME} is gone.")
    elif isinstance(frozen_before, Damage):
        problems.append(f"{FREEZE_NAME} {frozen_before.problem}.")
    else:
        before = frozen_before.decode("utf-8", "replace").splitlines()
        now = frozen(description.folders).splitlines()
        problems += [f"{pin} was installed and is gone." for pin in sorted(set(before) - set(now))]
        problems += [f"{pin} was added later." for pin in sorted(set(now) - set(before))]
    return tuple(problems)
