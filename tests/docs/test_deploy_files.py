"""What is shipped for servers agrees with the program: parts, settings, ports, users."""

import re
import shutil
import signal
import subprocess

import pytest
import requests
import yaml

from statuspage.cli.processes import PARTS
from statuspage.config import PROJECT, Settings
from tests.helpers.nginx import free_port, nginx

DEPLOY = PROJECT / "deploy"
SHIPPED = sorted(path for path in DEPLOY.rglob("*") if path.is_file())


def manifests():
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / "statuspage.yaml").read_text()))


def started_by_systemd():
    units = (DEPLOY / "systemd").glob("*.service")
    return [path for path in units if " -m statuspage" in path.read_text()]


def services():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_deploy_files_name_only_existing_settings(path):
    known = {f"STATUSPAGE_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"STATUSPAGE_[A-Z_0-9]+", path.read_text())) <= known


def test_deploy_files_start_every_part():
    units = [path.read_text() for path in (DEPLOY / "systemd").glob("*.service")]
    commands = re.findall(r"^ExecStart=.* -m statuspage(.*)$", "".join(units), re.M)
    of_units = {part for command in commands for part in command.split()}
    of_compose = {part for service in services().values() for part in service.get("command", [])}
    of_kubernetes = {
        part
        for manifest in manifests()
        if manifest["kind"] == "Deployment"
        for part in manifest["spec"]["template"]["spec"]["containers"][0]["args"]
    }
    assert of_units == of_kubernetes == set(PARTS)
    assert of_compose - {"redis-server", "--appendonly", "yes"} == set(PARTS)


def test_image_has_the_needed_programs_and_no_root():
    text = (DEPLOY / "Containerfile").read_text()
    copied = re.findall(r"^COPY ((?:[\w./]+ )+)[\w./]+$", text, re.M)
    for name in " ".join(copied).split():
        assert (PROJECT / name).exists(), name
    needed = ("app.py", "statuspage", "migrations", "templates", "static")
    assert set(needed) <= set(" ".join(copied).split())
    (user,) = re.findall(r"^USER (\d+)$", text, re.M)
    for manifest in manifests():
        if manifest["kind"] == "Deployment":
            assert manifest["spec"]["template"]["spec"]["securityContext"]["runAsUser"] == int(user)
    assert re.search(r"^EXPOSE 8000$", text, re.M)


def test_kubernetes_service_variables_are_not_settings():
    """It tells each pod of the Service `statuspage` as STATUSPAGE_PORT=tcp://…"""
    for manifest in manifests():
        if manifest["kind"] == "Deployment":
            assert manifest["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_stop_timeouts_let_the_worker_return_its_deliveries():
    """The group waits 12 seconds for its processes."""
    assert services()["worker"]["stop_grace_period"] == "15s"
    for manifest in manifests():
        if manifest["kind"] == "Deployment":
            pod = manifest["spec"]["template"]["spec"]
            assert pod.get("terminationGracePeriodSeconds", 30) >= 15
    for path in started_by_systemd():
        assert "TimeoutStopSec=15" in path.read_text()


def test_systemd_treats_a_stop_as_success():
    for path in started_by_systemd():
        assert f"SuccessExitStatus={128 + signal.SIGTERM}\n" in path.read_text()


def test_deploy_files_disable_the_demo_and_always_restart():
    of_settings = {
        manifest["data"]["STATUSPAGE_DEMO"] for manifest in manifests() if "data" in manifest
    }
    named = "STATUSPAGE_DEMO=0"
    assert of_settings == {"0"}
    assert named in (DEPLOY / "example.env").read_text()
    (run,) = re.findall(
        r"^podman run .*(?:\n  .*)*", (PROJECT / "docs/deploying.md").read_text(), re.M
    )
    assert named in run
    for path in started_by_systemd():
        assert "StartLimitIntervalSec=0" in path.read_text()


def test_nightly_backup_is_a_backup_of_the_page():
    page, backup = (
        (DEPLOY / "systemd" / f"{name}.service").read_text()
        for name in ("statuspage", "statuspage-backup")
    )
    for field in ("User", "WorkingDirectory", "EnvironmentFile", "Environment"):
        found = rf"^{field}=(.*)$"
        assert re.findall(found, page, re.M) == re.findall(found, backup, re.M), field


def test_backup_of_separate_parts_may_write_its_folder():
    worker = (DEPLOY / "systemd" / "statuspage-worker.service").read_text()
    fields = re.findall(r"^(?:Environment|StateDirectory)=.*$", worker, re.M)
    text = "\n".join(["[Service]", *fields, ""]).replace("\n", r"\n")
    assert f"printf '{text}'" in (PROJECT / "docs" / "deploying.md").read_text()


@pytest.mark.parametrize(
    "path", ["deploy/nginx/compose.conf", "deploy/nginx/published.conf", "docs/serving.md"]
)
def test_nginx_hides_its_version_and_queues_nobody(path):
    text = (PROJECT / path).read_text()
    assert "server_tokens off;" in text
    assert "proxy_cache_lock on" not in text
    assert "proxy_cache_path" not in text or "inactive=24h" in text


def test_documented_redirect_uses_the_own_name_and_drops_tokens(tmp_path):
    text = (PROJECT / "docs" / "deploying.md").read_text()
    example = re.search(r"^```nginx\n(.*?)^```", text, re.M | re.S)[1]
    port = free_port()
    plain = example.partition("server {\n    listen 443")[0].replace("80;", f"127.0.0.1:{port};")
    with nginx(plain, tmp_path, port) as url:
        answer = requests.get(f"{url}/history?page=2", allow_redirects=False)
        assert answer.headers["Location"] == "https://status.example.com/history?page=2"
        assert answer.headers["Server"] == "nginx"
        assert requests.get(f"{url}/v1/pages", allow_redirects=False).status_code == 403


def test_nginx_accepts_the_compose_configuration(tmp_path):
    if not shutil.which("nginx"):
        pytest.skip("nginx is not installed: its configuration is not checked.")
    text = (DEPLOY / "nginx" / "compose.conf").read_text()
    # Groups that are restarted in turn must not be left alone for what they were a moment ago.
    hosts = re.findall(r"server ([\w-]+):8000 max_fails=0;", text)
    assert hosts == [name for name in services() if name.startswith("web-")]
    # Names of the compose network are known inside of it only.
    text = re.sub(r"server [\w-]+:8000 ", "server 127.0.0.1:8000 ", text)
    text = text.replace("/var/cache/nginx/status", str(tmp_path / "cache"))
    text = text.replace("listen 80;", f"listen unix:{tmp_path}/nginx.sock;")
    whole = f"pid {tmp_path}/nginx.pid; events {{}} http {{ access_log off; {text} }}"
    (tmp_path / "nginx.conf").write_text(whole)
    command = ["nginx", "-t", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)]
    checked = subprocess.run([*command, "-e", "stderr"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
