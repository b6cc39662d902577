"""The real nginx, with the site of `deploy/nginx.conf` or with one that is set up wrong."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.program import ROOT

SITE = ROOT / "deploy" / "nginx.conf"
FOLDERS = ("body", "proxy", "fastcgi", "uwsgi", "scgi")
MAIN = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 512; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""
WRONG_SITE = """
server {{
    listen 127.0.0.1:{port};
    location / {{
        proxy_pass http://127.0.0.1:{behind};
        {directives}
    }}
}}
"""
HOST = "proxy_set_header Host $http_host;"
UPGRADE = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"


class Nginx:
    """nginx in a folder of its own; `stop` ends it at once, sockets and all."""

    def __init__(self, folder: Path, site: str) -> None:
        self.folder = folder
        for name in FOLDERS:
            (folder / name).mkdir(parents=True)
        (folder / "site.conf").write_text(site)
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
        ports = [int(port) for port in re.findall(r"listen 127\.0\.0\.1:(\d+)", site)]
        self._process = subprocess.Popen(
            [
                "setpriv",
                "--pdeathsig=KILL",
                "nginx",
                "-p",
                str(folder),
                "-e",
                str(folder / "error.log"),
                "-c",
                str(folder / "nginx.conf"),
            ],
            stderr=subprocess.DEVNULL,
        )
        for port in ports:
            self._wait_for(port)

    def log(self) -> str:
        return (self.folder / "error.log").read_text()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)

    def _wait_for(self, port: int) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(f"nginx does not listen on {port}: {self.log()}")


def program() -> str:
    """A machine without nginx fails the tests that need it."""
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if found is None:
        raise RuntimeError("these tests need nginx: apt-get install nginx-light")
    return found


def deployed_site(*, ports: dict[int, int], web_ports: tuple[int, int], certificate: tuple[str, str]) -> str:
    """`deploy/nginx.conf` with other ports, another certificate and loopback only, and no other change.

    ports: what stands in place of 80 and 443. certificate: files of the certificate and of its key.
    """
    changes = {r" +listen \[::\]:.*\n": ("", 2), r"monitor\.example": ("localhost", 2)}
    changes |= {rf"listen {port}\b": (f"listen 127.0.0.1:{ours}", 1) for port, ours in ports.items()}
    changes |= {
        rf"127\.0\.0\.1:{port}\b": (f"127.0.0.1:{ours}", 1) for port, ours in zip((8051, 8052), web_ports, strict=True)
    }
    changes |= {r"/etc/ssl/monitor/fullchain\.pem": (certificate[0], 1)}
    changes |= {r"/etc/ssl/monitor/privkey\.pem": (certificate[1], 1)}
    site = SITE.read_text()
    for pattern, (ours, times) in changes.items():
        head, mark, body = site.partition("upstream monitor_web")  # the comments above may name things, too
        changed, count = re.subn(pattern, ours, body)
        assert count == times, f"{pattern} is {count} times in {SITE}"
        site = head + mark + changed
    return site


def wrong_site(port: int, behind: int, directives: str) -> str:
    """A site that somebody set up without reading on."""
    return WRONG_SITE.format(port=port, behind=behind, directives=directives)
