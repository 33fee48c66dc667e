#!/usr/bin/env python3
"""Pushes an OCI archive to a container registry, with Python alone.

  push_image.py ARCHIVE.tar registry.example.com/project/name:tag

Credentials come from Docker's configuration (DOCKER_CONFIG or ~/.docker/config.json, written by `docker login`,
`podman login --authfile` or by hand; no credential helpers). https, but http for localhost and 127.0.0.1.
Speaks the OCI distribution protocol: blobs that the registry has are not sent again.
"""
import base64
import json
import os
import re
import sys
import tarfile
import urllib.error
import urllib.parse
import urllib.request


class PushError(Exception):
    pass


def split_name(name):
    """registry, repository, tag of a full image name."""
    registry, _, rest = name.partition("/")
    repository, _, tag = rest.rpartition(":")
    if not repository or not tag or "." not in registry and ":" not in registry and registry != "localhost":
        raise PushError(f"image name {name} needs the form registry.example.com/project/name:tag")
    return registry, repository, tag


def stored_credentials(registry):
    """'user:password' in base64 for the registry, or None."""
    folder = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    try:
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
            entries = json.load(file).get("auths", {})
    except FileNotFoundError:
        return None
    for key in (registry, f"https://{registry}", f"https://{registry}/v2/", f"https://{registry}/v1/"):
        if entries.get(key, {}).get("auth"):
            return entries[key]["auth"]
    return None


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Registry:
    def __init__(self, host, repository):
        local = host.split(":")[0] in ("localhost", "127.0.0.1")
        self.base = f"{'http' if local else 'https'}://{host}"
        self.host, self.repository = host, repository
        self.authorization = None
        self.opener = urllib.request.build_opener(NoRedirect)

    def call(self, method, url, data=None, headers=None, retry=True):
        """(status, headers, body); asks for a token once when the registry wants one."""
        request = urllib.request.Request(urllib.parse.urljoin(self.base, url), data, headers or {}, method=method)
        if self.authorization:
            request.add_unredirected_header("Authorization", self.authorization)
        try:
            with self.opener.open(request, timeout=300) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            if error.code == 401 and retry:
                self.authorization = self.authorize(error.headers.get("WWW-Authenticate", ""))
                return self.call(method, url, data, headers, retry=False)
            return error.code, error.headers, error.read()
        except OSError as error:
            raise PushError(f"{self.host} cannot be reached: {error}") from error

    def authorize(self, challenge):
        basic = stored_credentials(self.host)
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "basic":
            if not basic:
                raise PushError(f"{self.host} wants a password and none is stored (docker login {self.host})")
            return "Basic " + basic
        values = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        if kind.lower() != "bearer" or "realm" not in values:
            raise PushError(f"{self.host} asks for an unknown kind of authorization: {challenge}")
        query = {"scope": f"repository:{self.repository}:pull,push"}
        if "service" in values:
            query["service"] = values["service"]
        request = urllib.request.Request(values["realm"] + "?" + urllib.parse.urlencode(query))
        if basic:
            request.add_header("Authorization", "Basic " + basic)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                body = json.load(answer)
        except OSError as error:
            raise PushError(f"{self.host} gave no token: {error} (docker login {self.host})") from error
        return "Bearer " + (body.get("token") or body.get("access_token") or "")

    def expect(self, wanted, what, answer):
        status, headers, body = answer
        if status not in wanted:
            raise PushError(f"{what}: {self.host} answered {status}: {body[:300].decode(errors='replace').strip()}")
        return headers

    def push_blob(self, digest, data):
        """Uploads data unless the registry has it; True when it was sent."""
        path = f"/v2/{self.repository}/blobs"
        if self.call("HEAD", f"{path}/{digest}")[0] == 200:
            return False
        headers = self.expect((202,), "starting an upload", self.call("POST", f"{path}/uploads/", b""))
        location = headers["Location"]
        url = location + ("&" if "?" in location else "?") + urllib.parse.urlencode({"digest": digest})
        self.expect((201,), f"uploading {digest[:19]}", self.call("PUT", url, data, {"Content-Type": "application/octet-stream"}))
        return True

    def push_manifest(self, tag, media_type, data):
        self.expect((201,), f"tagging {tag}",
                    self.call("PUT", f"/v2/{self.repository}/manifests/{tag}", data, {"Content-Type": media_type}))


def push(archive, name):
    host, repository, tag = split_name(name)
    registry = Registry(host, repository)
    with tarfile.open(archive) as tar:

        def read(path):
            return tar.extractfile(path).read()

        def blob(digest):
            return read("blobs/" + digest.replace(":", "/"))

        manifest_descriptor = json.loads(read("index.json"))["manifests"][0]
        raw = blob(manifest_descriptor["digest"])
        manifest = json.loads(raw)
        for descriptor in manifest["layers"] + [manifest["config"]]:
            sent = registry.push_blob(descriptor["digest"], blob(descriptor["digest"]))
            print(f"{descriptor['digest'][:19]} {descriptor['size'] / 1e6:.1f} MB {'pushed' if sent else 'is there'}", flush=True)
        registry.push_manifest(tag, manifest["mediaType"], raw)
    print(f"{name}@{manifest_descriptor['digest']}")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        push(sys.argv[1], sys.argv[2])
    except (PushError, OSError, KeyError, tarfile.TarError) as error:
        sys.exit(f"error: push_image: {sys.argv[2]}: {error}")


if __name__ == "__main__":
    main()
