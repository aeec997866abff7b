"""What a node has trained today, counted on the disk before it is trained."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from fedqml.core.errors import InputError
from fedqml.core.files import write_json
from fedqml.federation.policy import Policy


def today() -> date:
    """Return the day, in UTC."""
    return datetime.now(UTC).date()


def spend(file: Path, policy: Policy, epochs: int, day: date) -> str | None:
    """Count a round that is about to be trained, if the policy leaves room for it today.

    What is counted stays so, whatever becomes of the training, also after a kill. A day begins when
    the clock first shows a later one; a clock that goes back begins none.

    Args:
        file: where the node keeps count.
        policy: how many rounds and epochs are allowed.
        epochs: local epochs of the round; they count once, however many clients train here.
        day: today.

    Returns:
        None if the round may be trained, or else a sentence that says why not; then nothing is
        counted.

    Raises:
        InputError: if the file cannot be read or written: nothing may be trained then.
    """
    try:
        with FileLock(file.with_name(f"{file.name}.lock")):
            used = _read(file)
            if used["day"] < day.isoformat():
                used = {"day": day.isoformat(), "rounds": 0, "epochs": 0}
            now = {**used, "rounds": used["rounds"] + 1, "epochs": used["epochs"] + epochs}
            for what in ("rounds", "epochs"):
                key = f"most_{what}_a_day"
                most = getattr(policy, key)
                if most is not None and now[what] > most:
                    return (
                        f"With this round {now[what]} {what} would be trained on {used['day']} "
                        f"(UTC), but this node accepts at most {most} a day. Go on tomorrow, or "
                        f"change `{key}` in {policy.file.name} on the node."
                    )
            write_json(file, now)
    except OSError as error:
        raise InputError(f"{file}, which counts rounds, cannot be written: {error}") from error
    return None


def _read(file: Path) -> dict[str, Any]:
    try:
        used = json.loads(file.read_text(encoding="utf-8"))
        date.fromisoformat(used["day"])
        if type(used["rounds"]) is int and type(used["epochs"]) is int:
            return used
    except FileNotFoundError:
        return {"day": "", "rounds": 0, "epochs": 0}
    except (ValueError, TypeError, LookupError):
        pass
    raise InputError(
        f"{file}, which counts the rounds of the day, holds something else, so nothing is trained. "
        "Whoever owns the node may delete it; the day is then counted anew."
    )
