"""Commits of what a proposal wrote, where the workspace is in a git repository."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["commit"]

_LOG = logging.getLogger(__name__)

_WITHIN: Final = 20.0


def commit(folder: Path, paths: Sequence[str], *, message: str, author: str, committer: str) -> str:
    """Commit these paths alone; the commit's hash, or "" where there is no repository, or git refuses.

    The files are written already and in force: a commit that fails is logged, and undoes nothing.
    """
    here = folder.resolve()
    if not any((up / ".git").exists() for up in (here, *here.parents)):
        return ""
    program = shutil.which("git")
    if program is None:
        _LOG.error("the change is in force and not committed: there is a repository, and no git: install it")
        return ""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "GIT_AUTHOR_NAME": author,
        "GIT_AUTHOR_EMAIL": author if "@" in author else "",
        "GIT_COMMITTER_NAME": committer,
        "GIT_COMMITTER_EMAIL": committer if "@" in committer else "",
        "GIT_TERMINAL_PROMPT": "0",
    }

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603  # git itself, and our own words
            [program, "-C", str(folder), *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_WITHIN,
            check=False,
        )

    try:
        found = git("rev-parse", "--is-inside-work-tree")
        if found.returncode != 0:
            # Mostly a repository of another user's, which git reads only where `safe.directory` names it.
            _LOG.error("the change is in force and not committed: %s", found.stderr.strip())
            return ""
        if git("check-ignore", "--quiet", "--", *paths).returncode == 0:
            return ""  # kept out of version control on purpose, as the demo's
        done = git("add", "--all", "--", *paths)
        if done.returncode == 0:
            done = git("commit", "--quiet", "--message", message, "--only", "--", *paths)
        if done.returncode != 0:
            _LOG.error("the change is in force and not committed: %s", done.stderr or done.stdout)
            return ""
        return git("rev-parse", "HEAD").stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        _LOG.error("the change is in force and not committed: %s", error)  # the words are enough
        return ""
