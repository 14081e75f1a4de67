"""Where a mirror goes: storage, another machine, a branch. Real receivers, real programs."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from statuspage.config import PROJECT, SettingsError, load
from statuspage.export.staging import Draft, StagingFolder
from statuspage.export.targets import Keys, TargetError
from statuspage.export.targets.command import Command
from statuspage.export.targets.registry import parse
from statuspage.export.uploads import TargetStates, Uploader, target_states
from tests.helpers.s3_server import ACCESS, SECRET, bucket

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
KEYS = Keys(ACCESS, SECRET)
SMALL = {
    "index.html": (b"<h1>All systems operational</h1>", "text/html; charset=utf-8"),
    "incidents/abc.html": (b"<h1>Slow loads</h1>", "text/html; charset=utf-8"),
    "incidents/abc.rss": (b"<rss/>", "application/rss+xml"),
    "it's a name+with%signs.txt": (b"odd", "text/plain"),
    "copy.json": (b"{}", "application/json"),
}


@pytest.fixture
def stage(tmp_path) -> StagingFolder:
    made = StagingFolder(tmp_path / "stage")
    write(made, SMALL)
    return made


def write(stage, files, *, gone=()):
    drafts = [Draft(path, body, kind, f"/{path}") for path, (body, kind) in files.items()]
    stage.write(drafts, gone=gone, origin="https://status.example.com", revision=1, event=1,
                program="1", made_at=AT)  # fmt: skip


def target_at(text, tmp_path):
    (tmp_path / "work").mkdir(parents=True, exist_ok=True)
    return parse(text, tmp_path / "work", KEYS)


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "manifest.json" and ".git/" not in str(path)
    }


def bodies(files) -> dict[str, bytes]:
    return {path: body for path, (body, _) in files.items()}


def take_back(stage):
    """The incident is retracted, the front page says something else."""
    write(
        stage,
        {"index.html": (b"<h1>Nothing happened</h1>", "text/html; charset=utf-8")},
        gone=["incidents/abc.html", "incidents/abc.rss"],
    )
    left = {path: body for path, body in bodies(SMALL).items() if "incidents" not in path}
    return left | {"index.html": b"<h1>Nothing happened</h1>"}


# ── storage ────────────────────────────────────────────────────────────────────


def test_bucket_has_every_file_with_type_and_path(stage, tmp_path):
    with bucket() as (held, endpoint):
        target = target_at(f"s3://pages/status?endpoint={endpoint}", tmp_path)
        assert target.is_empty()
        assert target.publish(stage) == len(SMALL)
        assert not target.is_empty()
    assert held.objects["/pages/status/incidents/abc"] == SMALL["incidents/abc.html"]
    assert held.objects["/pages/status/incidents/abc.rss"] == SMALL["incidents/abc.rss"]
    assert held.objects["/pages/status/it%27s%20a%20name%2Bwith%25signs.txt"][0] == b"odd"


def test_empty_bucket_gets_the_front_page_first(stage, tmp_path):
    with bucket() as (held, endpoint):
        target = target_at(f"s3://pages?endpoint={endpoint}", tmp_path)
        for words in (b"new", b"newer"):
            write(stage, dict.fromkeys(("index.html", "incidents/a"), (words, "text/html")))
            target.publish(stage)
    put = [path.removeprefix("/pages/") for method, path in held.log if method == "PUT"]
    assert put[:2] == ["index.html", "copy.json"]
    assert put[-3:] == ["incidents/a", "index.html", "manifest.json"]


def test_only_changed_files_are_uploaded_and_missing_ones_deleted(stage, tmp_path):
    with bucket() as (held, endpoint):
        text = f"s3://pages/status?endpoint={endpoint}"
        target_at(text, tmp_path).publish(stage)
        held.log.clear()
        assert target_at(text, tmp_path).publish(stage) == 0
        take_back(stage)
        target_at(text, tmp_path).publish(stage)
    assert [path for method, path in held.log if method == "PUT"] == [
        "/pages/status/manifest.json",
        "/pages/status/index.html",
        "/pages/status/manifest.json",
    ]
    assert not [path for path in held.objects if "incidents" in path]


def test_wrong_key_is_reported_without_showing_it(stage, tmp_path):
    with bucket() as (held, endpoint):
        text = f"s3://{ACCESS}:wrong-and-hidden@pages/status?endpoint={endpoint}"
        target = target_at(text, tmp_path)
        with pytest.raises(TargetError, match="answered 403") as refused:
            target.publish(stage)
    assert "hidden" not in str(refused.value) + target.name
    assert not held.objects


def test_s3_without_its_extra_fails_with_a_sentence(stage, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    target = target_at("s3://pages/status", tmp_path)
    uploader = Uploader(target, stage, TargetStates(tmp_path), lambda: AT)
    assert not uploader.deliver()
    (state,) = target_states(tmp_path)
    assert state.error == "S3 needs a package: pip install obstore."


def test_s3_deletes_withdrawn_files_in_one_request(stage, tmp_path):
    with bucket() as (held, endpoint):
        target = target_at(f"s3://pages/status?endpoint={endpoint}", tmp_path)
        target.publish(stage)
        held.log.clear()
        take_back(stage)
        target.publish(stage)
    assert [method for method, _ in held.log] == ["PUT", "POST", "PUT"]
    assert [path for path in held.objects if "incidents" in path] == []


def test_s3_that_does_not_answer_is_named_in_one_line_without_the_key(stage, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        target = target_at(f"s3://me:hidden@pages/status?endpoint={endpoint}", tmp_path)
        with pytest.raises(TargetError) as refused:
            target.publish(stage)
    assert str(refused.value) == "s3://pages/status does not answer: GenericError"


# ── programs of the system ─────────────────────────────────────────────────────


def test_git_branch_has_one_commit_without_history(stage, tmp_path):
    remote = tmp_path / "pages.git"
    subprocess.run(["git", "init", "-q", "--bare", remote], check=True)
    target = target_at(f"git:{remote}#pages", tmp_path)
    assert target.is_empty()
    target.publish(stage)
    assert not target.is_empty()
    left = take_back(stage)
    target.publish(stage)
    checkout = tmp_path / "checkout"
    subprocess.run(["git", "clone", "-q", "-b", "pages", remote, checkout], check=True)
    assert {p: b for p, b in files_in(checkout).items() if not p.startswith(".git")} == left
    log = subprocess.run(["git", "-C", checkout, "rev-list", "--count", "HEAD"],
                         capture_output=True, text=True, check=True)  # fmt: skip
    assert log.stdout.strip() == "1"


def test_git_password_is_not_shown(stage, tmp_path):
    target = target_at("git:https://me:hidden@127.0.0.1:1/pages.git#pages", tmp_path)
    with pytest.raises(TargetError) as refused:
        target.publish(stage)
    assert "hidden" not in str(refused.value) + target.name
    with pytest.raises(TargetError) as refused:
        target.is_empty()
    assert "hidden" not in str(refused.value)


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_command_gets_the_changes_in_publication_order(stage, tmp_path):
    (tmp_path / "there").mkdir()
    program = executable(
        tmp_path / "send it",
        """there=$1
        case $2 in
        read) if [ -e "$there/$3" ]; then cat "$there/$3"; fi ;;
        publish)
            cat ../changed ../removed >> "$there/log"
            tar -c -T ../changed | tar -x -C "$there"
            while read -r path; do rm "$there/$path"; done < ../removed ;;
        esac""",
    )
    text = f"command:{program} {tmp_path}/there".replace("send it ", "'send it' ")
    target = target_at(text.replace(" ", "%20"), tmp_path)
    assert target.is_empty()
    assert target.publish(stage) == len(SMALL)
    assert not target.is_empty()
    left = take_back(stage)
    assert target_at(text.replace(" ", "%20"), tmp_path).publish(stage) == 1
    log = (tmp_path / "there/log").read_text().splitlines()
    assert log == [
        *("index.html", "copy.json", "incidents/abc.html", "incidents/abc.rss"),
        *("it's a name+with%signs.txt", "manifest.json"),
        *("index.html", "manifest.json", "incidents/abc.html", "incidents/abc.rss"),
    ]
    (tmp_path / "there/log").unlink()
    assert files_in(tmp_path / "there") == left
    assert not list((tmp_path / "work").rglob("index.html"))


def test_a_command_that_hangs_is_stopped_with_what_it_started(tmp_path):
    arguments = ["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/pid; wait"]
    target = Command("command:sh", arguments, tmp_path, program="sh", timeout_s=0.3)
    with pytest.raises(TargetError, match=r"^sh took more than 0.3 seconds\.$"):
        target.read("copy.json")
    with suppress(FileNotFoundError):  # A process that nobody waited for has no command line.
        assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/cmdline").read_bytes()


@pytest.mark.parametrize(
    "script, words",
    [
        ("echo 'no route to https://me:hid@den@host/x' >&2; exit 3", "no route to https://host/x"),
        ("echo first; echo the disk is full; exit 1", "the disk is full"),
        ("exit 4", "exit status 4"),
    ],
)
def test_a_command_that_fails_gives_its_last_line_without_passwords(script, words, tmp_path):
    program = executable(tmp_path / "bin" / "send", script)
    target = target_at(f"command:{program}", tmp_path)
    with pytest.raises(TargetError) as refused:
        target.read("copy.json")
    assert str(refused.value) == f"send: {words}"


@pytest.mark.parametrize("text", ["command:rsync", "rsync:host:x", "sftp://host/x", "git:host:x#y"])
def test_a_target_names_the_program_that_is_not_installed(text, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    program = text.partition(":")[0].replace("command", "rsync")
    with pytest.raises(TargetError, match=f"^The program {program} is not installed.$"):
        target_at(text, tmp_path).read("copy.json")


@pytest.mark.skipif(not shutil.which("rsync"), reason="rsync is not installed.")
def test_rsync_uploads_files_and_deletes_missing_ones(stage, tmp_path):
    place = tmp_path / "other machine"
    target = target_at(f"rsync:{place}", tmp_path)
    assert target.is_empty()
    target.publish(stage)
    assert not target.is_empty()
    assert files_in(place) == bodies(SMALL)
    left = take_back(stage)
    target.publish(stage)
    assert files_in(place) == left


@pytest.mark.skipif(not shutil.which("rclone"), reason="rclone is not installed.")
def test_the_rclone_recipe_of_the_docs_sends_and_removes(stage, tmp_path, monkeypatch):
    monkeypatch.setenv("RCLONE_CONFIG", str(tmp_path / "rclone.conf"))
    (tmp_path / "rclone.conf").write_text("[far]\ntype = alias\nremote = /\n")
    docs = (PROJECT / "docs/export.md").read_text()
    (script,) = re.findall(r"```sh\n#!/bin/sh\n(# rclone.sh .*?)```", docs, re.S)
    text = f"command:{executable(tmp_path / 'rclone.sh', script)}%20far:{tmp_path}/there"
    target = target_at(text, tmp_path)
    assert target.is_empty()
    assert target.publish(stage) == len(SMALL)
    assert files_in(tmp_path / "there") == bodies(SMALL)
    assert target.read("copy.json") == b"{}"
    assert target.read("not-there.json") is None
    left = take_back(stage)
    assert target_at(text, tmp_path).publish(stage) == 1
    assert files_in(tmp_path / "there") == left
    with pytest.raises(TargetError, match=r"^rclone.sh: .*didn't find section in config file"):
        target_at(text.replace("far:", "nearer:"), tmp_path).read("copy.json")


@pytest.fixture
def ssh_server(tmp_path, monkeypatch):
    """The port of an SSH server of our own, whose key the system's programs take here."""
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    subsystem = Path("/usr/lib/openssh/sftp-server")
    if not sshd or not subsystem.exists() or not shutil.which("sftp"):
        pytest.skip("OpenSSH's server is not installed.")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    # Below the home, for the server believes no file that others may write to.
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name],
                       check=True)  # fmt: skip
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = tmp_path / "sshd_config"
    settings.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {tmp_path}/host\nPidFile none\n"
        f"AuthorizedKeysFile {tmp_path}/user.pub\nStrictModes no\nUsePAM no\n"
        f"PermitRootLogin prohibit-password\nSubsystem sftp {subsystem}\n"
    )
    server = subprocess.Popen([sshd, "-D", "-e", "-f", settings], stderr=subprocess.DEVNULL)
    options = (
        f"-oIdentityFile={tmp_path}/user -oPort={port} -oStrictHostKeyChecking=no"
        " -oUserKnownHostsFile=/dev/null -oLogLevel=ERROR"
    )
    for name in ("ssh", "sftp"):
        executable(tmp_path / "bin" / name, f'exec {shutil.which(name)} {options} "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.02)
    yield port
    server.terminate()
    server.wait()


def test_sftp_uploads_files_and_deletes_missing_ones(stage, tmp_path, ssh_server):
    place = tmp_path / "far away"
    text = f"sftp://127.0.0.1:{ssh_server}{str(place).replace(' ', '%20')}"
    (tmp_path / "work").mkdir()
    target = target_at(text, tmp_path)
    assert target.is_empty()
    assert target.publish(stage) == len(SMALL)
    assert files_in(place) == bodies(SMALL)
    left = take_back(stage)
    assert target_at(text, tmp_path).publish(stage) == 1
    assert files_in(place) == left


@pytest.mark.skipif(not shutil.which("rsync"), reason="rsync is not installed.")
def test_rsync_uploads_over_ssh(stage, tmp_path, ssh_server):
    place = tmp_path / "far away"
    (tmp_path / "work").mkdir()
    target = target_at(f"rsync:127.0.0.1:{place}", tmp_path)
    assert target.is_empty()
    target.publish(stage)
    assert files_in(place) == bodies(SMALL)
    left = take_back(stage)
    target.publish(stage)
    assert files_in(place) == left


# ── couriers ───────────────────────────────────────────────────────────────────


def test_a_target_that_fails_is_told_once_shown_and_tried_again(app, stage, tmp_path, caplog):
    told = TargetStates(tmp_path)
    with bucket() as (held, endpoint):
        target = target_at(f"s3://pages/status?endpoint={endpoint}", tmp_path)
        uploader = Uploader(target, stage, told, lambda: AT)
        held.is_away = True
        assert [uploader.deliver(), uploader.deliver(), uploader.deliver()] == [False] * 3
        assert caplog.text.count("answered 503") == 1
        (state,) = target_states(tmp_path)
        assert (state.name, state.failing_since) == (
            "s3://pages/status",
            "2026-03-10T12:00:00Z",
        )
        held.is_away = False
        assert uploader.deliver()
    assert "export.target_recovered" in caplog.text
    (state,) = target_states(tmp_path)
    assert (state.error, state.made_at) == (None, "2026-03-10T12:00:00Z")


def test_hanging_target_does_not_delay_another(stage, tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hanging = target_at(
            f"s3://pages/status?endpoint=http://127.0.0.1:{silent.getsockname()[1]}", tmp_path
        )
        told = TargetStates(tmp_path)
        slow = Uploader(hanging, stage, told, lambda: AT)
        fast = Uploader(target_at(f"file:{tmp_path}/here", tmp_path), stage, told, lambda: AT)
        slow.start()
        fast.start()
        slow.wake()
        fast.wake()
        deadline = time.monotonic() + 5
        while not (tmp_path / "here/index.html").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (tmp_path / "here/index.html").exists()
        slow.stop()
        fast.stop()


def test_export_that_differs_only_in_age_is_not_uploaded_each_time(stage, tmp_path):
    class Target:
        name, every, sent = "counting", timedelta(minutes=15), 0

        def read(self, _path):
            return None

        def publish(self, _stage):
            self.sent += 1
            return 0

    now = [AT]
    target = Target()
    uploader = Uploader(target, stage, TargetStates(tmp_path), lambda: now[0])
    for minutes in (0, 5, 5, 5):
        now[0] += timedelta(minutes=minutes)
        write(stage, {"copy.json": (f"{now[0]}".encode(), "application/json")})
        assert uploader.deliver()
    assert target.sent == 2


# ── what an operator writes ────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    ["s3://", "s3://pages?endpoint=ftp://host", "rsync:", "rsync:-e evil", "sftp://host",
     "sftp://-oProxyCommand=evil/x", "git:remote", "git:--upload-pack=evil#x",
     "sftp://me:word@host/path", "command:", "command:%20", "command:'open", "ftp://host/x"],
)  # fmt: skip
def test_invalid_target_is_refused(text, tmp_path):
    with pytest.raises(TargetError):
        parse(text, tmp_path, KEYS)


def test_unknown_target_stops_the_start_with_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("STATUSPAGE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("STATUSPAGE_MIRROR", "file:/srv/a ftp://me:hidden@host/b")
    with pytest.raises(SettingsError, match="STATUSPAGE_MIRROR contains 'ftp'") as refused:
        load()
    assert "hidden" not in str(refused.value)


def test_command_prints_the_export_status(app, settings):
    folder = settings.data_dir / "mirror"
    folder.mkdir(parents=True)
    (folder / "targets.json").write_text(
        json.dumps([{"name": "git:x#y", "made_at": "2026-03-10T11:00:00Z",
                     "failing_since": "2026-03-10T11:30:00Z", "error": "No route."}])
    )  # fmt: skip
    run = app.test_cli_runner().invoke(args=["mirror", "--status"])
    assert run.output == (
        "git:x#y  export of 2026-03-10T11:00:00Z, failing since 2026-03-10T11:30:00Z: No route.\n"
    )


# ── a mount point ──────────────────────────────────────────────────────────────


@pytest.fixture
def volume(tmp_path, monkeypatch) -> Path:
    """A folder that cannot be moved: another file system is mounted there."""
    folder = tmp_path / "volume"
    (folder / "lost+found").mkdir(parents=True)
    usual = Path.is_mount
    monkeypatch.setattr(Path, "is_mount", lambda path: path == folder or usual(path))
    return folder


def test_mount_point_gets_files_one_by_one_and_loses_deleted_ones(stage, tmp_path, volume):
    target = target_at(f"file:{volume}", tmp_path)
    assert target.publish(stage) == len(SMALL)
    assert files_in(volume) == bodies(SMALL)
    left = take_back(stage)
    (volume / ".index.html.0a1b2c3d").write_text("left by a crash")
    assert target.publish(stage) == 1
    assert files_in(volume) == left
    assert not volume.is_symlink()


def test_mount_point_with_foreign_files_is_left_alone(stage, tmp_path, volume):
    (volume / "thesis.txt").write_text("years of work")
    with pytest.raises(TargetError, match="not ours"):
        target_at(f"file:{volume}", tmp_path).publish(stage)
    assert files_in(volume) == {"thesis.txt": b"years of work"}
