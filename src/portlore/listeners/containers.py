"""Edge: names of containers and pods, from the state files of their runtimes or, where allowed, Docker's socket.

Nothing here is needed to see that a socket is a container's: its control group tells that. Root reads every file; other
users get the names of their own rootless containers, and Docker's where they may ask it.
"""

from __future__ import annotations

import json
import os

from portlore.listeners.linux import read_bytes
from portlore.seen import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

LARGEST = 1 << 24  # bytes of a state file
PATIENCE = 2.0  # seconds for Docker's answer
KEYS = (  # where annotations and labels have the container's name, the pod's, its namespace
    ("io.kubernetes.cri.container-name", "io.kubernetes.cri.sandbox-name", "io.kubernetes.cri.sandbox-namespace"),
    ("io.kubernetes.container.name", "io.kubernetes.pod.name", "io.kubernetes.pod.namespace"),
)


class Runtimes:
    """Looks names up; keeps what it has read. ``root`` is put before every path, for tests."""

    def __init__(self, root: str = "") -> None:
        self._root = root
        self._podman: dict[str, str] | None = None
        self._published: list[object] | None = None

    def named(self, container: Container, pod_uid: str | None) -> Container:
        """The container with its name and pod, as far as a file tells."""
        name, pod = container.name, None
        for labels, own in self._told(container):
            name = own or name
            for name_key, pod_key, namespace_key in KEYS:
                name = _text(labels, name_key) or name
                if pod_name := _text(labels, pod_key):
                    pod = f"{_text(labels, namespace_key) or 'default'}/{pod_name}"
        return container.replace(name=name, pod=pod or (self.pod(pod_uid) if pod_uid else None))

    def pod(self, uid: str) -> str:
        """A pod as ``namespace/name``, by the folder that kubelet keeps its logs in; else its identifier."""
        try:
            folders = os.listdir(f"{self._root}/var/log/pods")
        except OSError:
            folders = []
        for folder in folders:
            parts = folder.split("_")
            if len(parts) == 3 and parts[2] == uid:
                return f"{parts[0]}/{parts[1]}"
        return uid

    def _told(self, container: Container) -> Iterator[tuple[Mapping[str, object], str | None]]:
        """Annotations or labels, and the name of the runtime's own."""
        identifier = container.id
        if container.runtime == "docker":
            state = self._json(f"/var/lib/docker/containers/{identifier}/config.v2.json") or self._docker(identifier)
            if state:
                name = _text(state, "Name")
                yield _mapping(_mapping(state.get("Config")).get("Labels")), name.removeprefix("/") if name else None
        elif container.runtime == "podman":
            yield {}, self._podman_names().get(identifier)
        elif container.runtime == "containerd":
            tasks = "/run/containerd/io.containerd.runtime.v2.task"
            try:
                spaces = os.listdir(self._root + tasks)
            except OSError:
                spaces = []
            for space in spaces:
                if state := self._json(f"{tasks}/{space}/{identifier}/config.json"):
                    notes = _mapping(state.get("annotations"))
                    yield notes, _text(notes, "nerdctl/name")
        elif container.runtime == "cri-o":
            for parent in ("/run/containers/storage", "/var/lib/containers/storage"):
                state = self._json(f"{parent}/overlay-containers/{identifier}/userdata/config.json")
                yield _mapping((state or {}).get("annotations")), None

    def _podman_names(self) -> dict[str, str]:
        """Podman's containers by identifier: root's and, where they may be read, every user's."""
        if self._podman is None:
            from pwd import getpwall

            self._podman = {}
            homes = dict.fromkeys(f"{one.pw_dir}/.local/share" for one in getpwall() if one.pw_dir.startswith("/"))
            for parent in ("/var/lib", *homes):
                path = f"{parent}/containers/storage/overlay-containers/containers.json"
                listed = self._parse(read_bytes(self._root + path, LARGEST))
                for one in listed if isinstance(listed, list) else ():
                    entry = _mapping(one)
                    names = entry.get("names")
                    if isinstance(names, list) and names and isinstance(entry.get("id"), str):
                        self._podman[str(entry["id"])] = str(names[0])
        return self._podman

    def _json(self, path: str) -> dict[str, Any] | None:
        found = self._parse(read_bytes(self._root + path, LARGEST))
        return found if isinstance(found, dict) else None

    @staticmethod
    def _parse(data: bytes | None) -> object:
        try:
            return json.loads(data) if data else None
        except (ValueError, RecursionError):
            return None

    def publisher(self, transport: str, port: int) -> Container | None:
        """The container that publishes a port of the host through Docker, for those who may ask Docker."""
        if self._published is None:
            listed = self._ask_docker("/containers/json")
            self._published = listed if isinstance(listed, list) else []
        for one in self._published:
            entry = _mapping(one)
            ports = entry.get("Ports")
            for raw in ports if isinstance(ports, list) else ():
                given = _mapping(raw)
                if given.get("PublicPort") == port and given.get("Type") == transport:
                    names = entry.get("Names")
                    name = str(names[0]).removeprefix("/") if isinstance(names, list) and names else None
                    return Container("docker", str(entry.get("Id", "")), name)
        return None

    def _docker(self, identifier: str) -> dict[str, Any] | None:
        """What Docker says of a container."""
        found = self._ask_docker(f"/containers/{identifier}/json")
        return found if isinstance(found, dict) else None

    def _ask_docker(self, question: str) -> object:
        """What Docker's own socket answers those who may write to it."""
        path = f"{self._root}/var/run/docker.sock"
        if not os.access(path, os.W_OK):
            return None
        import socket

        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(PATIENCE)
                line.connect(path)
                line.sendall(f"GET {question} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
                answer = b""
                while (piece := line.recv(1 << 16)) and len(answer) < LARGEST:
                    answer += piece
        except OSError:
            return None
        head, _, body = answer.partition(b"\r\n\r\n")
        return self._parse(body) if b" 200 " in head.split(b"\r\n")[0] + b" " else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(table: Mapping[str, object], key: str) -> str | None:
    value = table.get(key)
    return value if isinstance(value, str) and value else None
