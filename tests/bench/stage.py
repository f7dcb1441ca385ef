# SPDX-License-Identifier: MIT
"""The processes of the benchmark: fake backend, relay and worker, nginx. Starts them, knows their ports and pids, stops
them. What is measured, and what it is compared with, is in scripts/bench and report.py."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

START_SECONDS = 10
WORKER_SLOTS = 4096
NGINX_CONFIG = """
daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile {files};
error_log {dir}/nginx.log warn;
pid {dir}/nginx.pid;
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  keepalive_requests 100000000;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 4096; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    client_max_body_size 0;
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 1h;
    }}
  }}
}}
"""


class Failure(Exception):
    """Something that ends the benchmark, said in one sentence."""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_for(condition, what):
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"{what} did not happen within {START_SECONDS} s")
        time.sleep(0.005)


def http_get(port, path):
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as sock:
            sock.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
            parts = iter(lambda: sock.recv(65536), b"")
            return b"".join(parts).decode()
    except OSError:
        return ""


def build(build_dir, source_dir):
    """Builds what is measured and the tools; release-like unless the directory was set up otherwise."""
    if not (build_dir / "build.ninja").exists():
        run_quietly(["meson", "setup", str(build_dir), str(source_dir), "--buildtype=debugoptimized"])
    programs = ["server/modelrelay-server", "worker/modelrelay-worker"]
    tools = ["tests/bench/bench-backend", "tests/bench/bench-client"]
    run_quietly(["ninja", "-C", str(build_dir), *programs, *tools])


def run_quietly(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)
    if done.returncode != 0:
        sys.stderr.write(done.stdout)
        raise Failure(f"failed: {' '.join(command)}")


def find_nginx(keep_dir):
    """The path of nginx: the installed one, or Debian's package unpacked beside the build. Nothing is installed,
    because the package would start a service."""
    installed = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    unpacked = keep_dir / "nginx-package"
    if installed:
        return installed
    if not (unpacked / "usr/sbin/nginx").exists():
        unpacked.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            run_quietly(["apt-get", "-q", "update"])
        run_quietly(["apt-get", "-q", "download", "nginx"], cwd=unpacked)
        run_quietly(["dpkg", "-x", str(next(unpacked.glob("nginx_*.deb"))), str(unpacked)])
    return str(unpacked / "usr/sbin/nginx")


class Stage:
    """One backend, with nginx and a relay and its worker in front of it. A context manager."""

    def __init__(self, build_dir, log_dir, nginx, log_level):
        self.build_dir = build_dir
        self.log_dir = log_dir
        self.nginx_path = nginx
        self.log_level = log_level
        self.env = dict(os.environ, WORKER_SECRET=secrets.token_hex(16), DATABASE_URL=f"sqlite:{log_dir}/relay.db",
                        MODELRELAY_DBUS="none")
        self.processes = []
        self.ports = {}
        self.pids = {}

    def __enter__(self):
        try:
            self.start_backend()
            self.start_relay()
            self.start_worker()
            self.start_nginx()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def spawn(self, name, command, **more):
        with open(self.log_dir / f"{name}.log", "ab") as log:
            options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "env": self.env, **more}
            process = subprocess.Popen([str(part) for part in command], **options)
        self.processes.append(process)
        return process

    def start_backend(self):
        command = [self.build_dir / "tests/bench/bench-backend"]
        process = self.spawn("backend", command, stdout=subprocess.PIPE, text=True)
        self.ports["direct"] = int(process.stdout.readline().split()[-1])
        self.pids["backend"] = process.pid

    def relay_command(self, port, log_level):
        listen = f"127.0.0.1:{port}"
        return [self.build_dir / "server/modelrelay-server", "--listen", listen, "--log-level", log_level]

    def start_relay(self, name="relay", target="modelrelay", options=()):
        port = free_port()
        process = self.spawn(name, [*self.relay_command(port, self.log_level), *options])
        wait_for(lambda: "200 OK" in http_get(port, "/health"), "the relay's first answer")
        self.ports[target] = port
        self.pids[name] = process.pid

    def start_worker(self, name="worker", target="modelrelay"):
        relay = self.ports[target]
        command = [self.build_dir / "worker/modelrelay-worker", "--proxy-url", f"http://127.0.0.1:{relay}"]
        command += ["--backend-url", f"http://127.0.0.1:{self.ports['direct']}", "--log-level", self.log_level]
        process = self.spawn(name, [*command, "--max-concurrency", WORKER_SLOTS])
        wait_for(lambda: '"workers_connected":1' in http_get(relay, "/health"), "the worker's registration")
        self.pids[name] = process.pid

    def start_pair(self, name, options):
        """Another relay and worker, measured as @name."""
        self.start_relay(f"{name}-relay", name, options)
        self.start_worker(f"{name}-worker", name)

    def create_key(self, target, token, spec):
        """Makes an API key and returns its secret."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[target]}/admin/keys", json.dumps(spec).encode(),
                                         {"Authorization": f"Bearer {token}"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=5) as answer:
            return json.load(answer)["secret"]

    def start_nginx(self):
        port = free_port()
        text = NGINX_CONFIG.format(
            dir=self.log_dir, port=port, backend=self.ports["direct"], files=20000, connections=16384,
            user="user root;" if os.geteuid() == 0 else "")
        config = self.log_dir / "nginx.conf"
        config.write_text(text)
        log = self.log_dir / "nginx.log"
        master = self.spawn("nginx", [self.nginx_path, "-c", config, "-p", self.log_dir, "-e", log])
        wait_for(lambda: '"bench"' in http_get(port, "/v1/models"), "nginx's first answer")
        children = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()
        self.ports["nginx"] = port
        self.pids["nginx"] = int(children[0])

    def client_command(self, target, mode, options):
        watched = {"direct": [], "nginx": ["nginx"], "modelrelay": ["relay", "worker"]}.get(target, [f"{target}-relay"])
        command = [self.build_dir / "tests/bench/bench-client", mode, "--port", self.ports[target]]
        command += ["--control", self.ports["direct"]]
        for name in watched:
            command += ["--pid", f"{name}={self.pids[name]}"]
        for name, value in options.items():
            command += [f"--{name}", value]
        return [str(part) for part in command]

    def client(self, target, mode, key=None, **options):
        """Runs the load client to its end and returns its figures."""
        command = self.client_command(target, mode, options)
        env = dict(self.env, BENCH_API_KEY=key) if key else self.env
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=env, check=False)
        if not done.stdout:
            raise Failure(f"no figures from: {' '.join(command)}")
        return json.loads(done.stdout)

    def client_beside(self, target, mode, **options):
        """Starts the load client to run beside others."""
        command = self.client_command(target, mode, options)
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=self.env)

    def wakeups(self, name):
        """Voluntary context switches of all threads so far."""
        total = 0
        for status in Path(f"/proc/{self.pids[name]}/task").glob("*/status"):
            total += int(status.read_text().split("\nvoluntary_ctxt_switches:")[1].split()[0])
        return total

    def start_to_listening_ms(self):
        """Milliseconds from the start of a second relay to its log line that it listens."""
        begin = time.monotonic()
        command = [str(part) for part in self.relay_command(0, "info")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=self.env)
        try:
            for line in process.stderr:
                if "listening address=" in line:
                    return (time.monotonic() - begin) * 1000
            raise Failure("the relay ended before it listened")
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
