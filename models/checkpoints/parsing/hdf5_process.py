"""Turns HDF5 on its standard input into plain records on its standard output: run as a process of its own.

The HDF5 library is large and written in C; a hostile file may crash it. Here it can take nothing with it: the process
has a bound on memory and time, may write no file, and knows nothing. It imports nothing of the project, so that it
starts fast.

Output: 8 bytes little endian length, so many bytes of JSON, then the tensors' bytes one after the other. The JSON is
``{"attributes": {group: {name: text or [text]}}, "tensors": {name: [shape, dtype, start]}}``, or
``{"refused": why, "name": where}``.
"""

import io
import json
import sys

import h5py
import numpy as np

KEPT_ATTRIBUTES = ("model_config", "keras_version", "backend", "layer_names", "weight_names", "name")
SKIPPED_GROUPS = ("optimizer", "optimizer_weights", "_optimizer")


class Refused(Exception):
    """Why the file is not read: a word of ``models.checkpoints.parsing.hdf5.REASONS``, and where."""


def limit_resources(memory: int, seconds: int) -> None:
    """Keep this process within bounds, where the system knows how to."""
    try:
        import resource
    except ImportError:
        return
    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_FSIZE, 0)):
        resource.setrlimit(kind, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def as_text(value: object) -> object:
    """An attribute as text, or as a list of texts; None if it is something else."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "OSU":
        return [as_text(each) for each in value.tolist()]
    return None


def read_tree(file: h5py.File, most: int, budget: int, length: int) -> tuple[dict, dict, list]:
    """Attributes by group, tensors by name, and the tensors' bytes."""
    attributes: dict[str, dict] = {}
    tensors: dict[str, list] = {}
    parts: list[bytes] = []
    place, waiting, seen = 0, [("", file)], 0
    while waiting:
        path, group = waiting.pop()
        held = {name: as_text(group.attrs[name]) for name in KEPT_ATTRIBUTES if name in group.attrs}
        attributes[path] = {name: text for name, text in held.items() if text is not None}
        for name in reversed(list(group)):
            inner = f"{path}/{name}" if path else name
            seen += 1
            if seen > most or inner.count("/") > 40:
                raise Refused("many", inner)
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise Refused("external", inner)
            if not isinstance(link, h5py.HardLink) or inner in SKIPPED_GROUPS:
                continue
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append((inner, item))
            elif isinstance(item, h5py.Dataset):
                plan = item.id.get_create_plist()
                if plan.get_external_count() or item.is_virtual:
                    raise Refused("external", inner)
                if item.dtype.kind not in "fiub" or item.dtype.itemsize > 8 or item.shape is None:
                    continue
                size = item.size * item.dtype.itemsize
                if place + size > budget or (not plan.get_nfilters() and size > length):
                    raise Refused("large", inner)
                values = np.asarray(item[()])
                parts.append(values.astype(values.dtype.newbyteorder("<")).tobytes())
                tensors[inner] = [list(item.shape), values.dtype.newbyteorder("<").name, place]
                place += size
    return attributes, tensors, parts


def main() -> None:
    """Read, tell, end."""
    budget, seconds, most = map(int, sys.argv[1:4])
    data = sys.stdin.buffer.read()
    limit_resources(2 * budget + 2 * len(data) + (2 << 30), seconds)
    parts: list[bytes] = []
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            attributes, tensors, parts = read_tree(file, most, budget, len(data))
        told: dict = {"attributes": attributes, "tensors": tensors}
    except Refused as refused:
        told = {"refused": refused.args[0], "name": refused.args[1]}
    except Exception as error:
        told = {"refused": "damaged", "name": type(error).__name__}
    header = json.dumps(told).encode()
    out = sys.stdout.buffer
    out.write(len(header).to_bytes(8, "little") + header)
    out.writelines(parts)


if __name__ == "__main__":
    main()
