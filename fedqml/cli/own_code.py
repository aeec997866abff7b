"""Where a user's own code is found."""

import sys
from pathlib import Path

from fedqml.experiments.config import locate


def find_own_code(experiment: str) -> None:
    """Let Python import what lies where the command is typed and beside the experiment.

    Both come last, so that a file of theirs named as a library's does not take its place.
    """
    sys.path += [str(Path.cwd()), str(locate(experiment).parent.resolve())]
