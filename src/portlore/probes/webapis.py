"""What speaks over HTTP for programs alone: Elasticsearch and OpenSearch, etcd, Docker's API, Kubernetes' API. Pure.

Each is one GET of what the service tells without a login: elastic.co and opensearch.org "Root", etcd.io "Versioning",
docs.docker.com "Engine API: /version", kubernetes.io "Status" and "/version".
"""

from __future__ import annotations

import re

from portlore.observed import Identification
from portlore.probes.dialogue import Asked, Dialogue, Probe, Protocol
from portlore.probes.gathering import bounded, evidence, text
from portlore.probes.http import Response, fetch, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Reader = Callable[[Response, dict[str, Any]], Identification | None]

MOST_JSON = 65_536


def read_elasticsearch(response: Response, said: dict[str, Any]) -> Identification | None:
    """/: the version and a motto; with security on the refusal of it."""
    version = said.get("version")
    motto, server = _word(said, "tagline"), response.header("x-elastic-product")
    if isinstance(version, dict) and ("Search" in motto or server):
        product = "OpenSearch" if version.get("distribution") == "opensearch" else "Elasticsearch"
        facts = [("cluster", _word(said, "cluster_name")), ("node", _word(said, "name")), ("login", "not required")]
        return Identification("elasticsearch", product, _word(version, "number"), facts=bounded(facts))
    realm = response.header("www-authenticate")
    if response.status == 401 and "OpenSearch Security" in realm:
        return Identification("elasticsearch", "OpenSearch", facts=(("login", "required"),))
    error = said.get("error")
    refused = isinstance(error, dict) and error.get("type") == "security_exception"
    if response.status in (401, 403) and (refused or server == "Elasticsearch"):
        return Identification("elasticsearch", "Elasticsearch", facts=(("login", "required"),))
    return None


def read_etcd(_response: Response, said: dict[str, Any]) -> Identification | None:
    """/version: of the server and of its cluster, on the members' port too."""
    version, cluster = _word(said, "etcdserver"), _word(said, "etcdcluster")
    if not version or "etcdcluster" not in said:
        return None
    return Identification("etcd", "etcd", version, facts=bounded([("cluster version", cluster)]))


def read_docker(_response: Response, said: dict[str, Any]) -> Identification | None:
    """/version of the Engine API, which Podman serves too."""
    if not {"Version", "ApiVersion"} <= set(said):
        return None
    parts = said.get("Components")
    first = parts[0] if isinstance(parts, list) and parts and isinstance(parts[0], dict) else {}
    product = "Podman" if "Podman" in _word(first, "Name") else "Docker Engine"
    facts = [
        ("API", _word(said, "ApiVersion")),
        ("system", f"{_word(said, 'Os')} {_word(said, 'KernelVersion')}".strip()),
    ]
    return Identification("docker", product, _word(said, "Version"), facts=bounded(facts))


def read_kubernetes(response: Response, said: dict[str, Any]) -> Identification | None:
    """/version, or a Status that says who may not have it."""
    version = _word(said, "gitVersion")
    if version and {"major", "minor", "platform"} <= set(said):
        facts = bounded([("system", _word(said, "platform")), ("git version", version)])
        return Identification("kubernetes", "Kubernetes", re.split(r"[-+]", version.removeprefix("v"))[0], facts=facts)
    if said.get("kind") == "Status" and said.get("apiVersion") == "v1" and said.get("code") == response.status:
        return Identification("kubernetes", "Kubernetes", facts=bounded([("refused", _word(said, "message"))]))
    return None


def _talk(name: str, path: str, read: Reader, asked: Asked) -> Dialogue:
    sent = request(path, asked.host, asked.port, tls=asked.tls)
    response, heard = yield from fetch(sent)
    found = read(response, _json(response)) if response is not None else None
    if found is None:
        return None
    return found.replace(evidence=evidence(name, sent, heard))


def talk_elasticsearch(asked: Asked) -> Dialogue:
    """GET /."""
    return (yield from _talk("elasticsearch", "/", read_elasticsearch, asked))


def talk_etcd(asked: Asked) -> Dialogue:
    """GET /version."""
    return (yield from _talk("etcd", "/version", read_etcd, asked))


def talk_docker(asked: Asked) -> Dialogue:
    """GET /version."""
    return (yield from _talk("docker", "/version", read_docker, asked))


def talk_kubernetes(asked: Asked) -> Dialogue:
    """GET /version."""
    return (yield from _talk("kubernetes", "/version", read_kubernetes, asked))


def _json(response: Response) -> dict[str, Any]:
    import json

    try:
        said = json.loads(response.body[:MOST_JSON])
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _word(said: dict[str, Any], name: str) -> str:
    value = said.get(name, "")
    return text(value.encode("utf-8", "replace")) if isinstance(value, str) else ""


ROOT = "Who reaches it becomes root of this machine: take it off the network, or demand certificates (tlsverify)."
PROTOCOLS = (
    Protocol(
        "elasticsearch",
        "Elasticsearch API",
        (),
        uses=("Elasticsearch (HTTP API)",),
        advice="With security off, who reaches it reads and deletes all of it; bind it to loopback or switch that on.",
        over="http",
    ),
    Protocol(
        "etcd",
        "etcd",
        ("etcd-client", "etcd-server"),
        uses=("etcd (clients)", "etcd (between members)", "etcd (legacy ports)"),
        advice="It holds a cluster's secrets: let nobody in without a client certificate.",
        over="http",
    ),
    Protocol(
        "docker",
        "Docker API",
        ("docker",),
        ("docker-s",),
        ("Docker Engine API (plain text)", "Docker Engine API (TLS)", "Docker Engine API (before mid-2014)"),
        ROOT,
        "http",
    ),
    Protocol(
        "kubernetes",
        "Kubernetes API",
        (),
        (),
        ("Kubernetes API server", "Kubernetes kube-scheduler", "Kubernetes kube-controller-manager"),
        "It rules the cluster: let administrators' networks alone reach it.",
        "http",
    ),
)
PROBES = (
    Probe("elasticsearch", "elasticsearch", "tcp", talk_elasticsearch, (9200,), rank=30),
    Probe("etcd", "etcd", "tcp", talk_etcd, (2379, 2380), rank=31),
    Probe("docker", "docker", "tcp", talk_docker, (2375, 2376), rank=32),
    Probe("kubernetes", "kubernetes", "tcp", talk_kubernetes, (6443, 8001), rank=33),
)
RECOGNISERS = ()
