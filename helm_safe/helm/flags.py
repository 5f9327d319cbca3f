"""Flags of the native rollback: which Helm has them, and which exclude each other.

Helm itself notices a wrong pair only after it made the record, which burns a revision: so they are judged here, before.
"""

from __future__ import annotations

from helm_safe.model.errors import UsageError
from helm_safe.model.revisions import Revision
from helm_safe.model.settings import NativeOptions
from helm_safe.model.snapshot import HelmVersion

DESCRIPTION_LIMIT = 256
SERVER_SIDE = ("auto", "true", "false")


def rollback_arguments(
    name: str, revision: int, options: NativeOptions, version: HelmVersion, timeout: float
) -> list[str]:
    """The words after `helm`. timeout: seconds that each hook may take. Raises UsageError like `check_flags`."""
    check_flags(version, options)
    words = ["rollback", name, str(revision), "--timeout", f"{max(1, round(timeout))}s"]
    # Every attempt, a failed one too, prunes the history first, and with it perhaps the target: 0 keeps all.
    words += ["--history-max", str(options.history_max or 0)]
    words += ["--no-hooks"] if options.no_hooks else []
    words += ["--cleanup-on-fail"] if options.cleanup_on_fail else []
    words += ["--force-conflicts"] if options.force_conflicts else []
    words += ["--force-replace"] if options.force_replace else []
    words += [f"--server-side={options.server_side}"] if options.server_side != "auto" else []
    words += [f"--description={options.description}"] if options.description else []
    return words


def check_flags(version: HelmVersion, options: NativeOptions, target: Revision | None = None) -> None:
    """Raise UsageError for flags that this Helm lacks or that exclude each other.

    target: when given, `--server-side=auto` is resolved as Helm does, from the target's record.
    """
    _check_known(version, options)
    _check_values(options)
    if options.force_conflicts and options.force_replace:
        raise UsageError("--force-conflicts and --force-replace exclude each other", "Leave one of them out.")
    mode = options.server_side
    if mode == "auto" and target is not None:
        mode = "true" if target.server_side and version.major > 3 else "false"
    if options.force_replace and mode == "true":
        raise UsageError(
            "--force-replace cannot be used with server-side apply, and the target revision was applied that way",
            "Leave it out, or add --server-side=false.",
        )
    if options.force_conflicts and mode == "false":
        raise UsageError(
            "--force-conflicts has a meaning only with server-side apply, and the target revision is applied without",
            "Leave it out, or add --server-side=true.",
        )


def _check_known(version: HelmVersion, options: NativeOptions) -> None:
    newer = {
        "--force-conflicts": options.force_conflicts,
        "--force-replace": options.force_replace,
        "--server-side": options.server_side != "auto",
    }
    lacking = [flag for flag, used in newer.items() if used and version.major < 4]
    if options.description and (version.major, version.minor) < (4, 3):
        lacking.append("--description")
    if lacking:
        needed = "Helm 4.3" if lacking == ["--description"] else "Helm 4"
        raise UsageError(f"Helm {version} has no {', '.join(lacking)}", f"Leave it out, or use {needed} or newer.")


def _check_values(options: NativeOptions) -> None:
    if options.server_side not in SERVER_SIDE:
        raise UsageError(f"--server-side={options.server_side} is unknown", f"Known: {', '.join(SERVER_SIDE)}.")
    if len(options.description) > DESCRIPTION_LIMIT:
        raise UsageError(f"--description is longer than {DESCRIPTION_LIMIT} characters", "Shorten it.")
    if options.history_max is not None and options.history_max < 0:
        raise UsageError(f"--history-max {options.history_max} is below 0", "0 keeps all revisions.")


def history_max(requested: int | None, numbers: list[int], target: int) -> int:
    """A limit that the user's wish may raise but that never prunes the target or what came after it.

    numbers: all revisions that exist. Two more are counted: the one that the rollback makes, and a second attempt.
    """
    if not requested:
        return 0
    return max(requested, sum(number >= target for number in numbers) + 2)
