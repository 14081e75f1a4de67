"""A branch of a Git repository, as hosters of pages take it: always one commit without a past,
so that what was withdrawn is not kept in a history."""

import hashlib
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from statuspage.export.staging import Stage
from statuspage.export.targets import TargetError
from statuspage.export.targets.programs import SSH_OPTIONS, run

AUTHOR = {
    "GIT_AUTHOR_NAME": "Status page",
    "GIT_AUTHOR_EMAIL": "status@localhost",
    "GIT_COMMITTER_NAME": "Status page",
    "GIT_COMMITTER_EMAIL": "status@localhost",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_SSH_COMMAND": " ".join(("ssh", *SSH_OPTIONS)),
}


class Git:
    every = timedelta(minutes=15)

    def __init__(self, remote: str, branch: str, work: Path) -> None:
        self.name = f"git:{_without_secrets(remote)}#{branch}"
        self._remote = remote
        self._branch = branch
        digest = hashlib.sha256(f"{remote}#{branch}".encode()).hexdigest()
        self._folder = work / f"git-{digest[:12]}"
        self._pushed: str | None = None

    def is_empty(self) -> bool:
        return self._head() is None

    def read(self, path: str) -> bytes | None:
        head = self._head()
        if head is None:
            return None
        if not self._has(head):
            there = f"refs/heads/{self._branch}"
            self._with_remote("fetch", "--quiet", "--depth=1", "--no-tags", self._remote, there)
        try:
            return self._git("cat-file", "blob", f"{head}:{path}").encode()
        except TargetError:
            return None

    def _head(self) -> str | None:
        """The commit that the branch is at."""
        said = self._with_remote("ls-remote", self._remote, f"refs/heads/{self._branch}")
        return said.split()[0] if said else None

    def _has(self, commit: str) -> bool:
        try:
            self._git("cat-file", "-e", f"{commit}^{{tree}}")
        except TargetError:
            return False
        return True

    def publish(self, stage: Stage) -> int:
        with stage.writing:
            manifest = stage.manifest
            self._git("add", "--all", "--force", ".", tree=stage.site)
            tree = self._git("write-tree", tree=stage.site)
        if tree == self._pushed:
            return 0
        commit = self._git("commit-tree", tree, "-m", f"The page at {manifest.made_at}")
        there = f"refs/heads/{self._branch}"
        self._with_remote("push", "--quiet", "--force", self._remote, f"{commit}:{there}")
        self._pushed = tree
        self._git("update-ref", "refs/heads/pushed", commit)
        self._git("gc", "--auto", "--quiet", "--prune=now")
        return len(manifest.files)

    def _with_remote(self, *arguments: str) -> str:
        try:
            return self._git(*arguments)
        except TargetError as error:
            said = str(error).replace(self._remote, _without_secrets(self._remote))
            raise TargetError(said) from None

    def _git(self, *arguments: str, tree: Path | None = None) -> str:
        if not (self._folder / "HEAD").exists():
            run(["git", "init", "--quiet", "--bare", str(self._folder)])
        where = ["--git-dir", str(self._folder)]
        if tree is not None:
            where += ["--work-tree", str(tree)]
        options = ["-c", "core.autocrlf=false", "-c", "core.bare=false", "-c", "gc.autoDetach=0"]
        said = run(
            ["git", *where, *options, "-C", str(tree or self._folder), *arguments],
            environment=AUTHOR,
        )
        return said.decode().strip()


def _without_secrets(remote: str) -> str:
    parts = urlsplit(remote)
    if not parts.scheme or "@" not in parts.netloc:
        return remote
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
