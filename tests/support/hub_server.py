"""A small, real HTTP server on loopback that speaks the model hub's protocol, so that the real
huggingface_hub client (and datasets and transformers on top of it) is tested and not a mock of it.

Reads: repository info, tree, paths-info, resolve (HEAD and GET with etag, commit, range), auth-check, search.
Writes: whoami, create, preupload, LFS batch with single PUTs or in parts, verify, commit. Faults are planted
with `Hub.fail`. Not spoken: Xet, pull requests.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.support.hub_store import LFS_SUFFIXES, Commit, Repo, Store, file_entry, sha256, tree

DROP = 0
"""Instead of a status: cut the connection half-way."""


@dataclass
class Fault:
    """What the server does wrong: `times` requests whose "METHOD /path" matches get `status`."""

    pattern: str
    status: int
    times: int
    headers: dict[str, str]

    def hits(self, request: str) -> bool:
        return self.times > 0 and re.search(self.pattern, request) is not None


@dataclass
class Hub:
    """A running server: its address, what it holds, what it was asked and what it shall do wrong."""

    url: str = ""
    store: Store = field(default_factory=Store)
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    """Every "METHOD /path" received, in order."""
    pages: list[str] = field(default_factory=list)
    """Requests (patterns) answered with a page of HTML, as a proxy in between would."""
    part_size: int | None = None
    """Larger files are sent in parts of so many bytes; real hubs do it above 5 GB."""
    parts: dict[tuple[str, int], bytes] = field(default_factory=dict)
    """Parts that have arrived, by hash of the whole and number."""
    signature: str = ""
    """Query that the addresses of large files carry."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, pattern: str, status: int, times: int = 1, **headers: str) -> None:
        """Plant a fault; header names are written with underscores."""
        plain = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.append(Fault(pattern, status, times, plain))

    def fault_for(self, request: str) -> Fault | None:
        with self.lock:
            self.requests.append(request)
            fault = next((fault for fault in self.faults if fault.hits(request)), None)
            if fault:
                fault.times -= 1
            return fault

    def count(self, pattern: str) -> int:
        return sum(re.search(pattern, request) is not None for request in self.requests)


class RefusalError(Exception):
    """An error answer: status, the hub's error code, its message."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Handler(BaseHTTPRequestHandler):
    """One connection. `hub` is set on the subclass that the server is started with."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def _serve(self) -> None:
        self.path, _, query = self.path.partition("?")
        self.path = unquote(self.path)
        self.query = parse_qs(query)
        fault = self.hub.fault_for(f"{self.command} {self.path}")
        self.cut = fault is not None and fault.status == DROP
        if self.cut and self.command in ("POST", "PUT"):
            self._drop()
            return
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        if fault and not self.cut:
            self._send(fault.status, b'{"error": "planted"}', **fault.headers)
            return
        if any(re.search(pattern, f"{self.command} {self.path}") for pattern in self.hub.pages):
            self._send(502, b"<html>bad gateway</html>", **{"Content-Type": "text/html"})
            return
        try:
            self._route()
        except RefusalError as refusal:
            headers = {"X-Error-Code": refusal.code, "X-Error-Message": refusal.message}
            self._send(
                refusal.status,
                json.dumps({"error": refusal.message}).encode(),
                **{name: value for name, value in headers.items() if value},
            )

    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815

    def _drop(self) -> None:
        """Read half of what is sent, answer nothing."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0) // 2)
        self.close_connection = True
        self.connection.close()

    def _send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if self.cut else body)
        self.close_connection |= self.cut

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), **{"Content-Type": "application/json"})

    def _route(self) -> None:
        for method, pattern, action in ROUTES:
            match = re.fullmatch(pattern, self.path)
            if match and self.command in method.split():
                action(self, **match.groupdict(default=""))
                return
        raise RefusalError(404, message=f"no such route: {self.command} {self.path}")

    # -- who asks ------------------------------------------------------------------------------------------

    @property
    def _token(self) -> str:
        return str(self.headers.get("Authorization", "")).removeprefix("Bearer ")

    def _user(self) -> str:
        store = self.hub.store
        user = store.writers.get(self._token) or store.readers.get(self._token)
        if user is None:
            raise RefusalError(401, message="Invalid credentials in Authorization header")
        return user

    def _writer(self, repo_id: str) -> None:
        user = self._user()
        if self._token not in self.hub.store.writers or not repo_id.startswith(f"{user}/"):
            raise RefusalError(403, message="You don't have the rights to write there")

    def _repo(self, kind: str, repo_id: str) -> Repo:
        repo = self.hub.store.repos.get((kind or "model", repo_id))
        granted = self._token in self.hub.store.writers
        if repo is None or (repo.private and not granted):
            raise RefusalError(404 if granted else 401, "RepoNotFound", "Repository not found")
        return repo

    def _commit(self, kind: str, repo_id: str, revision: str) -> Commit:
        repo = self._repo(kind, repo_id)
        commit = repo.at(revision or "main")
        if commit is None:
            raise RefusalError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def _open(self, repo: Repo) -> None:
        if repo.gated and self._token not in self.hub.store.writers:
            raise RefusalError(403 if self._token else 401, "GatedRepo", f"Access to {repo.id} is restricted")

    # -- reads ---------------------------------------------------------------------------------------------

    def info(self, kind: str, repo: str, revision: str) -> None:
        commit, found = self._commit(kind, repo, revision), self._repo(kind, repo)
        self._json(
            {
                "_id": "1", "id": repo, "modelId": repo, "sha": commit.sha, "private": found.private,
                "gated": "manual" if found.gated else False, "tags": [], "downloads": 0, "likes": 0,
                "lastModified": "2026-01-01T00:00:00.000Z", "createdAt": "2026-01-01T00:00:00.000Z",
                "siblings": [{"rfilename": path} for path in sorted(commit.files)],
            }
        )  # fmt: skip

    def search(self, kind: str) -> None:
        wanted = self.query.get("search", [""])[0].lower()
        ids = [name for k, name in self.hub.store.repos if k == kind and wanted in name.lower()]
        self._json([{"_id": "1", "id": name, "modelId": name, "tags": []} for name in ids])

    def tree(self, kind: str, repo: str, revision: str, folder: str) -> None:
        commit = self._commit(kind, repo, revision)
        recursive = self.query.get("recursive", ["False"])[0].lower() in ("true", "1")
        entries = tree(commit, folder.strip("/"), recursive)
        if not entries and folder:
            raise RefusalError(404, "EntryNotFound", f"{folder} does not exist")
        self._json(entries)

    def paths_info(self, kind: str, repo: str, revision: str) -> None:
        commit = self._commit(kind, repo, revision)
        everything = {entry["path"]: entry for entry in tree(commit, "", True)}
        asked = parse_qs(self.body.decode()).get("paths", [])
        self._json([everything[path] for path in asked if path in everything])

    def resolve(self, kind: str, repo: str, revision: str, path: str) -> None:
        commit = self._commit(kind, repo, revision)
        self._open(self._repo(kind, repo))
        if path not in commit.files:
            raise RefusalError(404, "EntryNotFound", "Entry not found")
        data, entry = commit.files[path], file_entry(commit, path)
        headers = {"ETag": f'"{entry.get("lfs", entry)["oid"]}"', "X-Repo-Commit": commit.sha}
        start = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if start:
            first, last = int(start[1]), len(data) - 1
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            self._send(206, data[first:], **headers)
        elif self.command == "HEAD":
            self._send(200, **headers, **{"Content-Length": str(len(data))})
        else:
            self._send(200, data, **headers)

    def auth_check(self, kind: str, repo: str, write: str) -> None:
        if write:
            self._writer(repo)
        self._open(self._repo(kind, repo))
        self._send(200, b"{}")

    # -- writes --------------------------------------------------------------------------------------------

    def whoami(self) -> None:
        role = "write" if self._token in self.hub.store.writers else "read"
        self._json(
            {
                "type": "user", "id": "1", "name": self._user(), "orgs": [],
                "auth": {"type": "access_token", "accessToken": {"displayName": "test", "role": role}},
            }
        )  # fmt: skip

    def create(self) -> None:
        asked = json.loads(self.body)
        repo_id = f"{asked['organization'] or self._user()}/{asked['name']}"
        self._writer(repo_id)
        key = (asked.get("type", "model"), repo_id)
        existed = key in self.hub.store.repos
        if not existed:
            self.hub.store.add(repo_id, {".gitattributes": b""}, *key[:1])
            self.hub.store.repos[key].private = asked.get("visibility") == "private"
        body = json.dumps({"url": f"{self.hub.url}/{repo_id}", "name": repo_id, "id": "1"}).encode()
        self._send(409 if existed else 200, body)

    def preupload(self, kind: str, repo: str, revision: str) -> None:
        self._writer(repo)
        commit = self._commit(kind, repo, revision)
        answer = []
        for file in json.loads(self.body)["files"]:
            path = file["path"]
            mode = "lfs" if path.endswith(LFS_SUFFIXES) or file["size"] > 10_000_000 else "regular"
            entry = file_entry(commit, path) if path in commit.files else {}
            oid = entry.get("lfs", entry).get("oid")
            answer.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self._json({"files": answer})

    def lfs_batch(self, repo: str) -> None:
        self._writer(repo)
        objects = []
        for wanted in json.loads(self.body)["objects"]:
            known = wanted["oid"] in self.hub.store.objects
            actions = {
                "upload": self._lfs_action(wanted["oid"], wanted["size"]),
                "verify": {"href": f"{self.hub.url}/lfs-verify/{repo}"},
            }
            objects.append({**wanted} if known else {**wanted, "actions": actions})
        self._json({"transfer": "multipart" if self.hub.part_size else "basic", "objects": objects})

    def _lfs_action(self, oid: str, size: int) -> dict[str, Any]:
        url, part = self.hub.url, self.hub.part_size
        if part is None or size <= part:
            return {"href": f"{url}/lfs/{oid}{self.hub.signature}"}
        places = {
            f"{n:05d}": f"{url}/lfs-part/{oid}/{n}{self.hub.signature}"
            for n in range(1, -(-size // part) + 1)
        }
        return {"href": f"{url}/lfs-join/{oid}", "header": {"chunk_size": str(part), **places}}

    def lfs_part(self, oid: str, number: str) -> None:
        self.hub.parts[oid, int(number)] = self.body
        self._send(200, ETag=sha256(self.body))

    def lfs_join(self, oid: str) -> None:
        asked = json.loads(self.body)["parts"]
        parts = [self.hub.parts[oid, part["partNumber"]] for part in asked]
        if [sha256(part) for part in parts] != [part["etag"] for part in asked]:
            raise RefusalError(400, message="a part is not what its etag says")
        self._keep(oid, b"".join(parts))

    def lfs_verify(self, repo: str) -> None:
        self._writer(repo)
        wanted = json.loads(self.body)
        if len(self.hub.store.objects.get(wanted["oid"], b"")) != wanted["size"]:
            raise RefusalError(404, message="the object did not arrive")
        self._send(200)

    def lfs_put(self, oid: str) -> None:
        self._keep(oid, self.body)

    def _keep(self, oid: str, data: bytes) -> None:
        if sha256(data) != oid:
            raise RefusalError(422, message="the content does not have the promised hash")
        self.hub.store.objects[oid] = data
        self._send(200)

    def commit(self, kind: str, repo: str, revision: str) -> None:
        self._writer(repo)
        before = self._commit(kind, repo, revision)
        files, lfs, message = dict(before.files), set(before.lfs), ""
        for line in self.body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                message = value["summary"]
            elif item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.hub.store.objects[value["oid"]]
                lfs.add(value["path"])
            elif item["key"] == "deletedFile":
                files.pop(value["path"])
        made = self._repo(kind, repo).commit(files, frozenset(lfs), message)
        self._json({"commitUrl": f"{self.hub.url}/{repo}/commit/{made.sha}", "commitOid": made.sha})

    def validate_yaml(self) -> None:
        self._json({"errors": [], "warnings": []})


_ID = r"(?P<repo>[^/]+/[^/]+)"
_API = rf"/api/(?P<kind>model|dataset)s/{_ID}"
ROUTES: list[tuple[str, str, Any]] = [
    ("GET", r"/api/whoami-v2", Handler.whoami),
    ("POST", r"/api/repos/create", Handler.create),
    ("POST", r"/api/validate-yaml", Handler.validate_yaml),
    ("GET", r"/api/(?P<kind>model|dataset)s", Handler.search),
    ("GET", rf"{_API}/auth-check(?P<write>/write)?", Handler.auth_check),
    ("GET", rf"{_API}/tree/(?P<revision>[^/]+)(?P<folder>/.*)?", Handler.tree),
    ("GET", rf"{_API}(?:/revision/(?P<revision>[^/]+))?", Handler.info),
    ("POST", rf"{_API}/paths-info/(?P<revision>[^/]+)", Handler.paths_info),
    ("POST", rf"{_API}/preupload/(?P<revision>[^/]+)", Handler.preupload),
    ("POST", rf"{_API}/commit/(?P<revision>[^/]+)", Handler.commit),
    ("POST", rf"/{_ID}\.git/info/lfs/objects/batch", Handler.lfs_batch),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", Handler.lfs_put),
    ("PUT", r"/lfs-part/(?P<oid>[0-9a-f]{64})/(?P<number>\d+)", Handler.lfs_part),
    ("POST", r"/lfs-join/(?P<oid>[0-9a-f]{64})", Handler.lfs_join),
    ("POST", rf"/lfs-verify/{_ID}", Handler.lfs_verify),
    (
        "GET HEAD",
        rf"/(?:(?P<kind>dataset)s/)?{_ID}/resolve/(?P<revision>[^/]+)/(?P<path>.+)",
        Handler.resolve,
    ),
]


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub on a free loopback port, for as long as the block lasts."""
    hub = Hub()
    handler = type("BoundHandler", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
