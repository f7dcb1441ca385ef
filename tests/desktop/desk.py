# SPDX-License-Identifier: MIT
"""A desktop for the real app: services of a session that a test can look into, the programs, and what a person sees.

Runs under with-session --display. Everything that was started is stopped by its pid."""

import http.client
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

APP = "org.modelrelay.Desktop"
APP_PATH = "/org/modelrelay/Desktop"
SECRET = "a-worker-secret"

NOTIFICATIONS = """
<node><interface name="org.freedesktop.Notifications">
  <method name="Notify">
    <arg type="s" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/>
    <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="as" direction="in"/>
    <arg type="a{sv}" direction="in"/><arg type="i" direction="in"/><arg type="u" direction="out"/>
  </method>
  <method name="CloseNotification"><arg type="u" direction="in"/></method>
  <method name="GetCapabilities"><arg type="as" direction="out"/></method>
  <method name="GetServerInformation">
    <arg type="s" direction="out"/><arg type="s" direction="out"/><arg type="s" direction="out"/>
    <arg type="s" direction="out"/>
  </method>
</interface></node>"""

WATCHER = """
<node><interface name="org.kde.StatusNotifierWatcher">
  <method name="RegisterStatusNotifierItem"><arg type="s" direction="in"/></method>
  <method name="RegisterStatusNotifierHost"><arg type="s" direction="in"/></method>
  <property name="RegisteredStatusNotifierItems" type="as" access="read"/>
  <property name="IsStatusNotifierHostRegistered" type="b" access="read"/>
  <property name="ProtocolVersion" type="i" access="read"/>
  <signal name="StatusNotifierItemRegistered"><arg type="s"/></signal>
  <signal name="StatusNotifierHostRegistered"/>
</interface></node>"""


class Failure(Exception):
    pass


def wait_for(what, condition, seconds=10):
    """The first truth that condition() tells; the session's services answer meanwhile."""
    context = GLib.MainContext.default()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        while context.iteration(False):
            pass
        truth = condition()
        if truth:
            return truth
        time.sleep(0.02)
    raise Failure(f"not within {seconds} s: {what}")


def stays(what, condition, seconds):
    """condition() stays true for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        while GLib.MainContext.default().iteration(False):
            pass
        if not condition():
            raise Failure(f"no longer: {what}")
        time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """A process; its output is kept for when something fails."""

    def __init__(self, argv, env=None, stdin=subprocess.DEVNULL):
        self.argv = argv
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(argv, env={**os.environ, **(env or {})}, stdin=stdin, stdout=self.log,
                                        stderr=subprocess.STDOUT, text=True)

    def read_log(self):
        self.log.flush()
        return os.pread(self.log.fileno(), 1 << 20, 0).decode(errors="replace")

    def runs(self):
        return self.process.poll() is None

    def expect_exit(self, seconds):
        """It ends by itself, and well."""
        wait_for(f"{self.argv[0]} ends", lambda: not self.runs(), seconds)
        if self.process.returncode != 0:
            raise Failure(f"{self.argv[0]} ended with {self.process.returncode}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.runs():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def read_status(self, name):
        """A number of /proc/PID/status."""
        with open(f"/proc/{self.process.pid}/status") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))

    def is_sanitized(self):
        with open(f"/proc/{self.process.pid}/maps") as maps:
            return "libasan" in maps.read()


class Stream(threading.Thread):
    """A streamed chat request; how many events came, and when and how it ended."""

    def __init__(self, port, model, words):
        super().__init__(daemon=True)
        self.port, self.model, self.words = port, model, words
        self.events = 0
        self.complete = False
        self.ended_at = None
        self.start()

    def run(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            connection.request("POST", "/v1/chat/completions", json.dumps({
                "model": self.model, "stream": True, "max_tokens": self.words,
                "messages": [{"role": "user", "content": "word " * self.words}],
            }), {"Content-Type": "application/json"})
            for line in connection.getresponse():
                self.events += line.startswith(b"data: {")
                self.complete |= line.startswith(b"data: [DONE]")
        except (OSError, http.client.HTTPException):
            pass
        self.ended_at = time.monotonic()


class Desk:
    def __init__(self, programs):
        self.programs = programs  # by name: app, relay, backend, ctl
        self.running = []
        self.notes = []  # what notifications said
        self.items = []  # icons in the tray
        self.bus = Gio.bus_get_sync(Gio.BusType.SESSION)
        self.watcher_id = 0

    # --- the session ---

    def serve_notifications(self):
        def call(connection, sender, path, interface, method, parameters, invocation):
            if method == "Notify":
                self.notes.append(" ".join(parameters.unpack()[3:5]))
                invocation.return_value(GLib.Variant("(u)", (len(self.notes),)))
            elif method == "GetCapabilities":
                invocation.return_value(GLib.Variant("(as)", (["actions", "body"],)))
            elif method == "GetServerInformation":
                invocation.return_value(GLib.Variant("(ssss)", ("desk", "test", "1", "1.2")))
            else:
                invocation.return_value(None)

        self._own("org.freedesktop.Notifications", "/org/freedesktop/Notifications", NOTIFICATIONS, call)

    def serve_tray(self):
        """As a panel does; that an icon looks right is tested with a real one."""
        def call(connection, sender, path, interface, method, parameters, invocation):
            if method == "RegisterStatusNotifierItem":
                self.items.append(sender)
            invocation.return_value(None)

        def get(connection, sender, path, interface, name):
            return {"RegisteredStatusNotifierItems": GLib.Variant("as", self.items),
                    "IsStatusNotifierHostRegistered": GLib.Variant("b", True),
                    "ProtocolVersion": GLib.Variant("i", 0)}[name]

        self.watcher_id = self._own("org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher", WATCHER, call, get)

    def _own(self, name, path, xml, call, get=None):
        interface = Gio.DBusNodeInfo.new_for_xml(xml).interfaces[0]
        self.bus.register_object(path, interface, call, get, None)
        return Gio.bus_own_name_on_connection(self.bus, name, Gio.BusNameOwnerFlags.NONE, None, None)

    def open_keyring(self):
        keyring = self.start(["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"],
                             stdin=subprocess.PIPE)
        keyring.process.stdin.write("\n")
        keyring.process.stdin.close()
        wait_for("the keyring", lambda: self.has_owner("org.freedesktop.secrets"))

    # --- programs ---

    def start(self, argv, env=None, stdin=subprocess.DEVNULL):
        program = Program(argv, env, stdin)
        self.running.append(program)
        return program

    def start_app(self, *options):
        app = self.start([self.programs["app"], *options], {"GIO_USE_VFS": "local"})
        wait_for("the app is on the bus", lambda: self.has_owner(APP))
        return app

    def start_relay(self, port):
        relay = self.start([self.programs["relay"], "--listen", f"127.0.0.1:{port}", "--dbus", "session",
                            "--database", "sqlite::memory:"], {"WORKER_SECRET": SECRET})
        wait_for("the relay listens", lambda: "listening" in relay.read_log())
        return relay

    def start_backend(self, port, *models):
        options = [word for model in models for word in ("--model", model)]
        self.start([self.programs["backend"], "--listen", f"127.0.0.1:{port}", "--tokens-per-second", "50", *options])

    def close(self):
        for program in reversed(self.running):
            program.stop()

    # --- the app as other programs see it ---

    def call(self, name, path, interface, method, parameters=None):
        return self.bus.call_sync(name, path, interface, method, parameters, None,
                                  Gio.DBusCallFlags.NO_AUTO_START, 5000, None)

    def has_owner(self, name):
        return self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
                         GLib.Variant("(s)", (name,))).unpack()[0]

    def act(self, action, target=None):
        parameters = [] if target is None else [GLib.Variant("s", target)]
        self.call(APP, APP_PATH, "org.gtk.Actions", "Activate", GLib.Variant("(sava{sv})", (action, parameters, {})))

    def get_worker(self, property_name):
        """A property of Worker1; None while there is no worker."""
        try:
            answer = self.call(APP, "/org/modelrelay/Worker1", "org.freedesktop.DBus.Properties", "Get",
                               GLib.Variant("(ss)", ("org.modelrelay.Worker1", property_name)))
        except GLib.Error:
            return None
        return answer.unpack()[0]

    def wait_state(self, state, seconds=10):
        wait_for(f"the worker is {state}", lambda: self.get_worker("State") == state, seconds)

    # --- what is seen ---

    def find_windows(self, name):
        """Windows on the screen with this title."""
        found = subprocess.run(["xdotool", "search", "--onlyvisible", "--name", f"^{name}$"], capture_output=True,
                               text=True, check=False)
        return found.stdout.split()

    def count_managed(self):
        """Windows that the window manager knows of, minimised ones as well."""
        listed = subprocess.run(["xprop", "-root", "_NET_CLIENT_LIST"], capture_output=True, text=True, check=True)
        return listed.stdout.count("0x")

    def wait_window(self, name):
        return wait_for(f"the window “{name}”", lambda: self.find_windows(name))[0]

    def press(self, window, *keys):
        subprocess.run(["xdotool", "windowactivate", "--sync", window, "key", *keys], check=True,
                       capture_output=True)


def read_models(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/v1/models")
    return [model["id"] for model in json.load(connection.getresponse())["data"]]


def set_setting(key, value):
    subprocess.run(["gsettings", "set", APP, key, value], check=True)


def store_secret(relay):
    subprocess.run(["secret-tool", "store", "--label=ModelRelay", "xdg:schema", APP, "relay", relay], input=SECRET,
                   text=True, check=True)


def run_tests(tests, programs):
    """TAP; the first failure ends it, with what the programs said."""
    desk = Desk(programs)
    print(f"1..{len(tests)}", flush=True)
    for number, test in enumerate(tests, 1):
        began = time.monotonic()
        try:
            test(desk)
            bad = [line for program in desk.running for line in program.read_log().splitlines()
                   if any(sign in line for sign in ("error library message", "domain=Gtk", "CRITICAL", "Sanitizer"))]
            if bad:
                raise Failure(bad[0])
        except (Failure, GLib.Error, subprocess.CalledProcessError) as error:
            print(f"not ok {number} {test.__doc__}\n# {error}")
            for program in desk.running:
                print("\n".join(f"# {shlex.join(program.argv[:1])}: {line}"
                                for line in program.read_log().splitlines()[-30:]))
            desk.close()
            sys.exit(1)
        print(f"ok {number} {test.__doc__}\n# {time.monotonic() - began:.1f} s", flush=True)
    desk.close()
