#!/usr/bin/env python3
"""Writes a one-layer OCI image archive from a folder, with Python 3 alone: no daemon, no root.

  oci_archive.py --name host/thing:1 --dir ROOTFS --out thing.tar --entrypoint /thing
                 [--cmd ARG]... [--env K=V]... [--label K=V]... [--user 65532:65532]
  oci_archive.py --unpack thing.tar FOLDER     the files of an archive that this script wrote

The same input gives the same bytes: times are 0, owners are root, names are sorted. The archive also carries Docker's
manifest.json, so `docker load`, `ctr images import`, `kind load image-archive` and `skopeo` all read it.
"""
import argparse
import hashlib
import io
import json
import os
import platform
import sys
import tarfile

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EPOCH = "1970-01-01T00:00:00Z"


def canonical(value):
    return json.dumps(value, sort_keys=True).encode()


def architecture():
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def write_layer(folder, out):
    """Packs folder into an uncompressed tar at out; returns its sha256. Nothing of the machine leaks into it."""

    def anonymous(info):
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = ""
        return info

    with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as tar:
        for root, dirs, files in os.walk(folder):
            dirs.sort()
            for name in sorted(files) + dirs:
                path = os.path.join(root, name)
                tar.add(path, os.path.relpath(path, folder), recursive=False, filter=anonymous)
    digest = hashlib.sha256()
    with open(out, "rb") as layer:
        while block := layer.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_image(name, folder, out, entrypoint, cmd=(), env=(), labels=None, user=None):
    """Writes the archive and returns the digest of its manifest."""
    if ":" not in name.rsplit("/", 1)[-1] or "/" not in name:
        raise ValueError(f"image name {name} needs the form host/name:tag (without a tag it means 'latest', "
                         "which a kubelet always tries to pull)")
    if not os.path.isdir(folder):
        raise ValueError(f"no folder {folder}")
    blobs = {}  # digest -> bytes, or the path of a file

    def put(data):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"digest": "sha256:" + digest, "size": len(data)}

    layer_file = out + ".layer"
    layer_digest = write_layer(folder, layer_file)
    blobs[layer_digest] = layer_file
    config = {
        "architecture": architecture(), "os": "linux", "created": EPOCH,
        "config": {"Entrypoint": list(entrypoint),
                   "Env": list(env) or ["PATH=/usr/local/bin:/usr/bin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + layer_digest]},
        "history": [{"created": EPOCH, "created_by": "scripts/oci_archive.py"}],
    }
    if cmd:
        config["config"]["Cmd"] = list(cmd)
    if user:
        config["config"]["User"] = user
    if labels:
        config["config"]["Labels"] = dict(labels)
    config_descriptor = {"mediaType": CONFIG, **put(canonical(config))}
    layer_descriptor = {"mediaType": LAYER, "digest": "sha256:" + layer_digest,
                        "size": os.path.getsize(layer_file)}
    manifest = {"mediaType": MANIFEST, **put(canonical({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config_descriptor,
        "layers": [layer_descriptor]}))}
    manifest["annotations"] = {"io.containerd.image.name": name,
                               "org.opencontainers.image.ref.name": name.rsplit(":", 1)[1]}
    manifest["platform"] = {"architecture": architecture(), "os": "linux"}

    def path_of(descriptor):
        return "blobs/sha256/" + descriptor["digest"].split(":")[1]

    docker = [{"Config": path_of(config_descriptor), "RepoTags": [name],
               "Layers": [path_of(layer_descriptor)]}]
    with tarfile.open(out + ".new", "w") as tar:

        def add(path, data):
            info = tarfile.TarInfo(path)
            if isinstance(data, str):
                info.size = os.path.getsize(data)
                with open(data, "rb") as file:
                    tar.addfile(info, file)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))

        add("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        add("index.json", canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]}))
        add("manifest.json", canonical(docker))
        for digest in sorted(blobs):
            add("blobs/sha256/" + digest, blobs[digest])
    os.remove(layer_file)
    os.rename(out + ".new", out)
    return manifest["digest"]


def unpack(archive, folder):
    with tarfile.open(archive) as tar:
        layers = json.load(tar.extractfile("manifest.json"))[0]["Layers"]
        for name in layers:
            with tarfile.open(fileobj=tar.extractfile(name)) as layer:
                # Our own archive: keep its modes (the sticky bit of /tmp), which the "data" filter would not.
                layer.extractall(folder, **({"filter": "fully_trusted"} if hasattr(tarfile, "data_filter") else {}))


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "--unpack":
        unpack(sys.argv[2], sys.argv[3])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--entrypoint", action="append", required=True)
    parser.add_argument("--cmd", action="append", default=[])
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--label", action="append", default=[])
    parser.add_argument("--user")
    args = parser.parse_args()
    try:
        digest = write_image(args.name, args.dir, args.out, args.entrypoint, args.cmd, args.env,
                             dict(label.split("=", 1) for label in args.label), args.user)
    except (OSError, ValueError) as error:
        sys.exit(f"error: oci_archive: {error}")
    print(args.name, digest, f"{os.path.getsize(args.out) / 1e6:.1f} MB", args.out)


if __name__ == "__main__":
    main()
