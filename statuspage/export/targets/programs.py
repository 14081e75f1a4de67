"""Programs of the system that carry files: argument lists, never a shell, always a time limit."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from statuspage.export.targets import TargetError

TIMEOUT_S = 300
SSH_OPTIONS = (
    "-oBatchMode=yes",
    "-oConnectTimeout=10",
    "-oServerAliveInterval=10",
    "-oServerAliveCountMax=3",
)


def run(
    arguments: Sequence[str],
    *,
    sent: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """What the program wrote. Raises `TargetError` with its last line."""
    program = shutil.which(arguments[0])
    if program is None:
        raise TargetError(f"The program {arguments[0]} is not installed.")
    try:
        done = subprocess.run(
            [program, *arguments[1:]],
            input=sent,
            stdin=subprocess.DEVNULL if sent is None else None,
            capture_output=True,
            timeout=TIMEOUT_S,
            env={**os.environ, **(environment or {})},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TargetError(f"{arguments[0]} took more than {TIMEOUT_S} seconds.") from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise TargetError(f"{arguments[0]}: {lines[-1] if lines else done.returncode}")
    return done.stdout
