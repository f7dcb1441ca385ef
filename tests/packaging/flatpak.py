# SPDX-License-Identifier: MIT
"""The installed Flatpak in its sandbox: what it is let see, and that the app finds there all that it needs: network,
keyring, tray, battery. The session and its services are the tests' own. TAP; started by scripts/test-flatpak.

  with-session --display flatpak.py EXPORTS"""

import configparser
import os
import select
import socket
import subprocess
import sys
from pathlib import Path

from gi.repository import Gio, GLib

from desk import APP, SECRET, Failure, run_tests, store_secret, wait_for

ITEM = "/org/ayatana/NotificationItem/org_modelrelay_Desktop"
STATES = ["connected", "connecting", "disconnected", "error", "paused", "relaying"]
TALK_TO = ["org.freedesktop.ScreenSaver", "org.freedesktop.secrets", "org.gnome.Mutter.IdleMonitor",
           "org.kde.StatusNotifierWatcher"]
BATTERY = """
<node><interface name="org.freedesktop.UPower"><property name="OnBattery" type="b" access="read"/></interface></node>"""


def expect(what, truth):
    if not truth:
        raise Failure(f"not so: {what}")


def look_inside(*command):
    """What a command in the sandbox says."""
    return subprocess.run(["flatpak", "run", f"--command={command[0]}", APP, *command[1:]], capture_output=True,
                          text=True, check=True).stdout


def read_item(desk, name):
    """A property of the icon in the tray, as a panel reads it."""
    return desk.call(desk.items[0], ITEM, "org.freedesktop.DBus.Properties", "Get",
                     GLib.Variant("(ss)", ("org.kde.StatusNotifierItem", name))).unpack()[0]


def test_session(desk):
    """/flatpak/version"""
    # flatpak and the app would start the machine's own portals; they mount something in the session's folder.
    services = Path(os.environ["XDG_DATA_HOME"]) / "dbus-1/services"
    services.mkdir(parents=True)
    for name in ["org.freedesktop.portal.Desktop", "org.freedesktop.portal.Documents"]:
        (services / f"{name}.service").write_text(f"[D-BUS Service]\nName={name}\nExec=/bin/false\n")
    desk.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig")
    desk.serve_notifications()
    desk.serve_tray()
    desk.open_keyring()
    # What stands for the system's bus, before anything asks for it.
    address = f"unix:path={os.environ['XDG_RUNTIME_DIR']}/system"
    bus = desk.start(["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address", f"--address={address}"])
    wait_for("the system's bus", bus.read_log)
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = address
    flags = Gio.DBusConnectionFlags
    desk.system = Gio.DBusConnection.new_for_address_sync(
        address, flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None)
    said = subprocess.run([desk.programs["app"], "--version"], capture_output=True, text=True, check=True).stdout
    expect("it names its version", said.startswith("modelrelay-desktop "))


def test_contents(desk):
    """/flatpak/contents"""
    expect("nothing but the app", look_inside("ls", "/app/bin") == "modelrelay-desktop\n")
    kept = set(look_inside("ls", "/app/share").split())
    expect(f"no files of other programs: {sorted(kept)}",
           not kept & {"bash-completion", "fish", "man", "modelrelay", "zsh"})


def test_exports(desk):
    """/flatpak/exports"""
    share = Path(desk.programs["exports"]) / "share"
    names = [f"applications/{APP}.desktop", f"dbus-1/services/{APP}.service",
             f"icons/hicolor/scalable/apps/{APP}.svg"]
    # A panel is outside, and finds the icons of the tray only here.
    names += [f"icons/hicolor/symbolic/apps/{APP}-{state}-symbolic.svg" for state in STATES]
    for name in names:
        expect(name, (share / name).exists())
    expect("the bus starts it in its sandbox", "flatpak run" in (share / names[1]).read_text())


def test_closed(desk):
    """/flatpak/closed"""
    secret = Path(os.environ["HOME"]) / "private"
    secret.write_text("private")
    expect("no file of the home is seen", look_inside("sh", "-c", f"test -e {secret} && echo seen || true") == "")
    info = configparser.ConfigParser()
    info.read_string(look_inside("cat", "/.flatpak-info"))
    # No filesystems, no devices: without them there is no GPU.
    expect(f"it may nothing else: {dict(info['Context'])}", set(info["Context"]) == {"shared", "sockets"})


def test_bus(desk):
    """/flatpak/bus"""
    for name in [TALK_TO[0], TALK_TO[2], "org.example.Private"]:
        Gio.bus_own_name_on_connection(desk.bus, name, Gio.BusNameOwnerFlags.NONE, None, None)
        wait_for(name, lambda name=name: desk.has_owner(name))
    ask = "gdbus call --session --dest org.freedesktop.DBus --object-path / --method org.freedesktop.DBus.NameHasOwner"
    script = f'for name; do echo "$name $({ask} $name)"; done'
    told = look_inside("sh", "-c", script, "sh", *TALK_TO, "org.example.Private").splitlines()
    expect(f"it sees whom it needs, and nobody else: {told}",
           told == [f"{name} (true,)" for name in TALK_TO] + ["org.example.Private (false,)"])


def test_relay(desk):
    """/flatpak/network-and-keyring"""
    listener = socket.create_server(("127.0.0.1", 0))
    desk.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    store_secret(desk.url)
    look_inside("gsettings", "set", APP, "relays", f"['{desk.url}']")
    desk.app = desk.start_app("--background")
    wait_for("a worker comes", lambda: select.select([listener], [], [], 0)[0])
    connection, _ = listener.accept()
    with connection, listener:
        wait_for("it says what it wants", lambda: select.select([connection], [], [], 0)[0])
        request = connection.recv(65536).decode()
    expect("it asks to be a worker", request.startswith("GET /v1/worker/connect"))
    expect("with the secret of the keyring", f"X-Worker-Secret: {SECRET}\r\n" in request)


def test_worker(desk):
    """/flatpak/worker1"""
    wait_for("its relay", lambda: [relay["url"] for relay in desk.get_worker("Relays") or []] == [desk.url])
    wait_for("its version", lambda: desk.get_worker("Version"))


def test_tray(desk):
    """/flatpak/tray"""
    wait_for("the helper's icon", lambda: desk.items)
    wait_for("its name", lambda: read_item(desk, "IconName") in [f"{APP}-{state}-symbolic" for state in STATES])
    menu = desk.call(desk.items[0], read_item(desk, "Menu"), "com.canonical.dbusmenu", "GetLayout",
                     GLib.Variant("(iias)", (0, -1, ["label"]))).unpack()
    expect("a menu", len(menu[1][2]) > 1)


def test_battery(desk):
    """/flatpak/battery"""
    desk.system.register_object("/org/freedesktop/UPower", Gio.DBusNodeInfo.new_for_xml(BATTERY).interfaces[0], None,
                                lambda *_: GLib.Variant("b", True), None)
    Gio.bus_own_name_on_connection(desk.system, "org.freedesktop.UPower", Gio.BusNameOwnerFlags.NONE, None, None)
    wait_for("sharing pauses", lambda: read_item(desk, "IconName") == f"{APP}-paused-symbolic")


def test_quit(desk):
    """/flatpak/quit"""
    subprocess.run([desk.programs["app"], "--quit"], timeout=20, check=True)
    desk.app.expect_exit(6)
    wait_for("its name is free", lambda: not desk.has_owner(APP))


if __name__ == "__main__":
    run_tests([test_session, test_contents, test_exports, test_closed, test_bus, test_relay, test_worker, test_tray,
               test_battery, test_quit],
              {"app": f"{sys.argv[1]}/bin/{APP}", "exports": sys.argv[1]})
