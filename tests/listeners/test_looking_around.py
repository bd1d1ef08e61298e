"""What files tell of an owner: control groups, units, containers, kernel parts, port forwarders."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlore.listeners.cgroups import path_of, place_of
from portlore.listeners.containers import Runtimes
from portlore.listeners.forwarders import Target, local_addresses, target_of
from portlore.listeners.kernel import KERNEL, KernelSockets, part_named
from portlore.listeners.processes import hides_processes
from portlore.listeners.units import parse_unit, program_of, read_unit
from portlore.opening import load
from portlore.seen import Container

ID = "0123456789abcdef" * 4
UID = "12345678-9abc-def0-1234-56789abcdef0"
SLICE = UID.replace("-", "_")

PLACES = [  # path, unit, runtime and container, pod
    ("/system.slice/nginx.service", "nginx.service", None, None),
    ("/system.slice/system-postgresql.slice/postgresql@15-main.service", "postgresql@15-main.service", None, None),
    ("/system.slice/ssh.socket", "ssh.socket", None, None),
    (r"/system.slice/dev-disk\x2dby.mount", "dev-disk-by.mount", None, None),
    ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope", None, None),
    ("/user.slice/user-1000.slice/user@1000.service/app.slice/syncthing.service", "syncthing.service", None, None),
    ("/user.slice/user-1000.slice/user@1000.service/init.scope", "init.scope", None, None),
    ("/init.scope", "init.scope", None, None),
    ("/", None, None, None),
    ("", None, None, None),
    (f"/system.slice/docker-{ID}.scope", f"docker-{ID}.scope", ("docker", ID), None),
    (f"/docker/{ID}", None, ("docker", ID), None),
    (f"/docker/{ID}/init", None, ("docker", ID), None),
    (f"/machine.slice/libpod-{ID}.scope/container", f"libpod-{ID}.scope", ("podman", ID), None),
    (f"/machine.slice/libpod-conmon-{ID}.scope", f"libpod-conmon-{ID}.scope", None, None),
    (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope", f"libpod-{ID}.scope",
     ("podman", ID), None),
    (f"/libpod_parent/libpod-{ID}", None, ("podman", ID), None),
    (f"/kubepods/besteffort/pod{UID}/{ID}", None, ("containerd", ID), UID),
    (f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SLICE}.slice/cri-containerd-{ID}.scope",
     f"cri-containerd-{ID}.scope", ("containerd", ID), UID),
    (f"/kubepods.slice/kubepods-pod{SLICE}.slice/crio-{ID}.scope", f"crio-{ID}.scope", ("cri-o", ID), UID),
    (f"/system.slice/containerd.service/kubepods-burstable-pod{SLICE}.slice:cri-containerd:{ID}", "containerd.service",
     ("containerd", ID), UID),
    (f"/system.slice/nerdctl-{ID}.scope", f"nerdctl-{ID}.scope", ("containerd", ID), None),
    ("/lxc.payload.web1/system.slice/nginx.service", None, ("lxc", "web1"), None),
    ("/lxc/web2", None, ("lxc", "web2"), None),
    ("/machine.slice/machine-old.scope", "machine-old.scope", ("machine", "old"), None),
    ("/user.slice/user-1000.slice/user@1000.service", "user@1000.service", None, None),
    ("/machine.slice/systemd-nspawn@deb.service/payload", "systemd-nspawn@deb.service", ("nspawn", "deb"), None),
]  # fmt: skip


@pytest.mark.parametrize(("path", "unit", "container", "pod"), PLACES, ids=[p[0][-40:] or "empty" for p in PLACES])
def test_a_control_group_tells_unit_container_and_pod(
    path: str, unit: str | None, container: tuple[str, str] | None, pod: str | None
) -> None:
    place = place_of(path)
    assert place.unit == unit
    assert (None if place.container is None else (place.container.runtime, place.container.id)) == container
    assert place.pod_uid == pod


@given(st.text(max_size=200))
def test_any_path_of_a_group_is_read(path: str) -> None:
    place_of(path)
    place_of("/" + path + f"/docker-{ID}.scope")
    path_of(path)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("0::/system.slice/a.service\n", "/system.slice/a.service"),
        ("9:name=systemd:/system.slice/a.service\n4:memory:/x\n0::/\n", "/system.slice/a.service"),
        (f"9:name=systemd:/\n4:memory:/docker/{ID}\n0::/\n", f"/docker/{ID}"),
        ("0::/\n", "/"),
        ("", "/"),
    ],
)
def test_of_several_hierarchies_the_one_that_tells_most_is_taken(text: str, path: str) -> None:
    assert path_of(text) == path


def write(root: Path, path: str, text: str) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")


UNIT = """\
# a comment
[Service]
ExecStart=
ExecStart=-/usr/sbin/web --flag \\
  more
Restart=on-failure
"""


def test_a_unit_tells_the_program_it_starts_and_whether_it_comes_back(tmp_path: Path) -> None:
    write(tmp_path, "/usr/lib/systemd/system/web.service", UNIT)
    unit = read_unit("web.service", str(tmp_path))
    assert unit is not None
    assert (unit.program, unit.restart) == ("/usr/sbin/web", "on-failure")
    assert (unit.comes_back, unit.comes_back_from_kill) == (False, True)  # TERM is a clean end, KILL a failure


def test_etc_wins_over_usr_and_drop_ins_over_both(tmp_path: Path) -> None:
    write(tmp_path, "/usr/lib/systemd/system/web.service", UNIT)
    write(tmp_path, "/etc/systemd/system/web.service", "[Service]\nExecStart=/opt/web\nRestart=no\n")
    write(tmp_path, "/etc/systemd/system/web.service.d/10.conf", "[Service]\nRestart=always\n")
    unit = read_unit("web.service", str(tmp_path))
    assert unit is not None
    assert (unit.program, unit.restart) == ("/opt/web", "always")


def test_an_instance_is_read_from_its_template_and_a_socket_from_its_service(tmp_path: Path) -> None:
    write(tmp_path, "/usr/lib/systemd/system/db@.service", "[Service]\nExecStart=/usr/bin/db %i\n")
    write(tmp_path, "/usr/lib/systemd/system/ssh.socket", "[Socket]\nListenStream=22\n")
    write(tmp_path, "/usr/lib/systemd/system/ssh.service", "[Service]\nExecStart=/usr/sbin/sshd -D\n")
    write(tmp_path, "/usr/lib/systemd/system/each.socket", "[Socket]\nAccept=yes\n")
    write(tmp_path, "/usr/lib/systemd/system/each@.service", "[Service]\nExecStart=/usr/sbin/each\n")
    programs = [
        read_unit(name, str(tmp_path)) for name in ("db@main.service", "ssh.socket", "each.socket", "no.service")
    ]
    assert [unit and unit.program for unit in programs] == ["/usr/bin/db", "/usr/sbin/sshd", "/usr/sbin/each", None]
    assert read_unit("../../etc/passwd", str(tmp_path)) is None


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("@/usr/sbin/sshd sshd -D", "/usr/sbin/sshd"),
        ("!!/bin/x", "/bin/x"),
        ('"/bin/a b"', "/bin/a"),
        ("/bin/sh -c x", ""),
        ("", ""),
    ],
)
def test_a_command_is_told_by_its_program(command: str, program: str) -> None:
    assert program_of(command) == program


@given(st.text(max_size=300))
def test_any_text_is_read_as_a_unit(text: str) -> None:
    parse_unit(text)
    program_of(text)


def test_dockers_own_file_names_a_container(tmp_path: Path) -> None:
    labels = {"io.kubernetes.pod.name": "p", "io.kubernetes.pod.namespace": "n"}
    state = {"Name": "/web", "Config": {"Labels": labels}}
    write(tmp_path, f"/var/lib/docker/containers/{ID}/config.v2.json", json.dumps(state))
    named = Runtimes(str(tmp_path)).named(Container("docker", ID), None)
    assert (named.name, named.pod) == ("web", "n/p")


def test_the_files_of_other_runtimes_name_theirs(tmp_path: Path) -> None:
    write(
        tmp_path,
        "/var/lib/containers/storage/overlay-containers/containers.json",
        json.dumps([{"id": ID, "names": ["db"]}]),
    )
    cri = {"annotations": {"io.kubernetes.cri.container-name": "app", "io.kubernetes.cri.sandbox-name": "pod-1",
                           "io.kubernetes.cri.sandbox-namespace": "prod"}}  # fmt: skip
    write(tmp_path, f"/run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json", json.dumps(cri))
    crio = {
        "annotations": {
            "io.kubernetes.container.name": "c",
            "io.kubernetes.pod.name": "q",
            "io.kubernetes.pod.namespace": "m",
        }
    }
    write(tmp_path, f"/run/containers/storage/overlay-containers/{ID}/userdata/config.json", json.dumps(crio))
    runtimes = Runtimes(str(tmp_path))
    assert runtimes.named(Container("podman", ID), None).name == "db"
    told = runtimes.named(Container("containerd", ID), UID)
    assert (told.name, told.pod) == ("app", "prod/pod-1")
    told = runtimes.named(Container("cri-o", ID), UID)
    assert (told.name, told.pod) == ("c", "m/q")


def test_a_pod_is_named_by_its_folder_of_logs_else_by_its_identifier(tmp_path: Path) -> None:
    (tmp_path / f"var/log/pods/prod_web-1_{UID}").mkdir(parents=True)
    runtimes = Runtimes(str(tmp_path))
    assert runtimes.named(Container("containerd", ID), UID).pod == "prod/web-1"
    assert runtimes.pod("other") == "other"


@pytest.mark.parametrize("text", ["", "[", "[]", '"x"', '{"Name": 3}', '{"Config": []}', "\x00", "{" * 5000])
def test_a_state_file_that_says_nothing_is_no_error(tmp_path: Path, text: str) -> None:
    write(tmp_path, f"/var/lib/docker/containers/{ID}/config.v2.json", text)
    write(tmp_path, "/var/lib/containers/storage/overlay-containers/containers.json", text)
    runtimes = Runtimes(str(tmp_path))
    assert runtimes.named(Container("docker", ID), None).name is None
    assert runtimes.named(Container("podman", ID), None).name is None


def test_dockers_socket_is_asked_where_it_may_be(tmp_path: Path) -> None:
    (tmp_path / "var/run").mkdir(parents=True)
    listed = [{"Id": ID, "Names": ["/web"], "Ports": [{"PublicPort": 8080, "PrivatePort": 80, "Type": "tcp"}]}]
    answers = {b"/containers/json": listed, f"/containers/{ID}/json".encode(): {"Name": "/web"}}
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "var/run/docker.sock"))
        server.listen()

        def serve() -> None:
            for _ in range(2):
                line = server.accept()[0]
                asked = line.recv(4096).split()[1]
                body = json.dumps(answers[asked]).encode()
                line.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + body)
                line.close()

        thread = threading.Thread(target=serve)
        thread.start()
        runtimes = Runtimes(str(tmp_path))
        assert runtimes.publisher("tcp", 8080) == Container("docker", ID, "web")
        assert runtimes.publisher("udp", 8080) is None  # the list is asked once
        assert runtimes.named(Container("docker", ID), None).name == "web"
        thread.join()


def test_kernel_sockets_are_named_by_what_shows_that_part_to_be_at_work(tmp_path: Path) -> None:
    write(tmp_path, "/proc/fs/nfsd/threads", "8\n")
    write(tmp_path, "/sys/class/net/wg0/uevent", "DEVTYPE=wireguard\nINTERFACE=wg0\n")
    write(tmp_path, "/sys/class/net/vx/uevent", "DEVTYPE=vxlan\n")
    write(tmp_path, "/proc/sys/fs/nfs/nlm_tcpport", "4045\n")
    kernel = KernelSockets(str(tmp_path))
    told = [kernel.name(*what) for what in (("tcp", 2049), ("udp", 4789), ("udp", 51820), ("tcp", 4045), ("tcp", 9))]
    assert [one and one[0] for one in told] == [
        "the kernel's NFS server",
        "a VXLAN tunnel (vx)",
        "WireGuard (wg0), most likely",
        "the kernel's NFS lock manager (lockd)",
        None,
    ]
    assert kernel.name("tcp", 703, 2049) == ("the kernel's NFS client", "nfsstat -m")
    part = part_named("the kernel's NFS server")
    assert part is not None
    assert "nfs" in part.services


def test_a_machine_without_any_of_it_names_nothing(tmp_path: Path) -> None:
    assert KernelSockets(str(tmp_path)).name("udp", 51820) is None


def test_the_services_of_kernel_parts_are_registered() -> None:
    registry = load().registry
    for part in KERNEL:
        for service in part.services:
            assert registry.named(service), service


def test_a_docker_proxy_tells_where_it_sends_to() -> None:
    command = (
        "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80"
    )
    assert target_of(command.split()) == Target("tcp", "172.17.0.2", 80)
    assert target_of(["docker-proxy"]) is None
    assert target_of(["docker-proxy", "-container-ip", "1.2.3.4", "-container-port", "x"]) is None


def test_of_two_namespaces_with_one_address_neither_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    from portlore.listeners.forwarders import NOBODY, Behind, Namespaces

    spaces = Namespaces([])
    spaces._by_namespace = {"net:[1]": [10], "net:[2]": [20], "net:[3]": [30]}
    spaces._addresses = {10: {"172.17.0.2"}, 20: {"172.17.0.2"}, 30: {"172.17.0.3"}}
    listening = {10: 5, 20: 6, 30: 7}
    monkeypatch.setattr(spaces, "_listener", lambda pid, target: listening[pid])
    assert spaces.behind(Target("tcp", "172.17.0.2", 80)) == NOBODY
    assert spaces.behind(Target("tcp", "172.17.0.3", 80)) == Behind((30,), 7)
    listening[20] = 0
    assert spaces.behind(Target("tcp", "172.17.0.2", 80)) == Behind((10,), 5)


FIB = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 172.17.0.2
        /32 host LOCAL
     |-- 172.17.255.255
        /32 link BROADCAST
"""


def test_the_addresses_of_a_namespace_are_read_from_its_tables() -> None:
    six = "fd000000000000000000000000000005 02 40 00 80     eth0\nnonsense\n"
    assert local_addresses(FIB, six) == {"172.17.0.2", "fd00::5"}
    assert local_addresses("", "") == set()


@pytest.mark.parametrize(
    ("options", "hidden"),
    [("rw,hidepid=2", True), ("rw,hidepid=invisible", True), ("rw,hidepid=0", False), ("rw", False)],
)
def test_hidepid_is_read_off_the_mounts(options: str, hidden: bool) -> None:
    line = f"22 1 0:20 / /proc rw,nosuid - proc proc {options}\n"
    assert hides_processes(lambda _: line) is hidden
