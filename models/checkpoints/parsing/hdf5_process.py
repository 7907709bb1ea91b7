"""Convert HDF5 on standard input to plain records on standard output; run as a separate process.

The HDF5 library is large and written in C; a malicious file may crash it. Running it in a separate process isolates such
crashes: the process has limits on memory and time, and may not write files. It imports nothing of the project so that it
starts fast.

Output: the length of the JSON (8 bytes, little endian), the JSON, then the tensors' bytes, concatenated. The JSON is
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
    """A file that is rejected: a reason that ``hdf5.parse_output`` turns into a sentence, and the path of the object."""


def limit_resources(memory: int, seconds: int) -> None:
    """Limit the memory (bytes) and processor time of this process, where the operating system supports it."""
    try:
        import resource
    except ImportError:
        return
    for kind, limit in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_FSIZE, 0)):
        resource.setrlimit(kind, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def as_text(value: object) -> object:
    """Return an attribute as a string or a list of strings, or None if it is something else."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "OSU":
        return [as_text(each) for each in value.tolist()]
    return None


def read_tree(file: h5py.File, max_objects: int, max_bytes: int, length: int) -> tuple[dict, dict, list]:
    """Return attributes by group, (shape, dtype, start) of tensors by path, and the tensors' bytes.

    Raises:
        Refused: the file of ``length`` bytes has more than ``max_objects`` groups and tensors, tensors of more than
            ``max_bytes`` together, or links to other files.
    """
    attributes: dict[str, dict] = {}
    tensors: dict[str, list] = {}
    parts: list[bytes] = []
    start, pending, seen = 0, [("", file)], 0
    while pending:
        path, group = pending.pop()
        texts = {name: as_text(group.attrs[name]) for name in KEPT_ATTRIBUTES if name in group.attrs}
        attributes[path] = {name: text for name, text in texts.items() if text is not None}
        for name in reversed(list(group)):
            inner = f"{path}/{name}" if path else name
            seen += 1
            if seen > max_objects or inner.count("/") > 40:
                raise Refused("many", inner)
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise Refused("external", inner)
            if not isinstance(link, h5py.HardLink) or inner in SKIPPED_GROUPS:
                continue
            item = group[name]
            if isinstance(item, h5py.Group):
                pending.append((inner, item))
            elif isinstance(item, h5py.Dataset):
                layout = item.id.get_create_plist()
                if layout.get_external_count() or item.is_virtual:
                    raise Refused("external", inner)
                if item.dtype.kind not in "fiub" or item.dtype.itemsize > 8 or item.shape is None:
                    continue
                size = item.size * item.dtype.itemsize
                if start + size > max_bytes or (not layout.get_nfilters() and size > length):
                    raise Refused("large", inner)
                values = np.asarray(item[()])
                parts.append(values.astype(values.dtype.newbyteorder("<")).tobytes())
                tensors[inner] = [list(item.shape), values.dtype.newbyteorder("<").name, start]
                start += size
    return attributes, tensors, parts


def main() -> None:
    """Read standard input, parse it, write the result; arguments: maximum bytes, seconds, maximum number of objects."""
    max_bytes, seconds, max_objects = map(int, sys.argv[1:4])
    data = sys.stdin.buffer.read()
    limit_resources(2 * max_bytes + 2 * len(data) + (2 << 30), seconds)
    parts: list[bytes] = []
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            attributes, tensors, parts = read_tree(file, max_objects, max_bytes, len(data))
        result: dict = {"attributes": attributes, "tensors": tensors}
    except Refused as refused:
        result = {"refused": refused.args[0], "name": refused.args[1]}
    except Exception as error:
        result = {"refused": "damaged", "name": type(error).__name__}
    header = json.dumps(result).encode()
    out = sys.stdout.buffer
    out.write(len(header).to_bytes(8, "little") + header)
    out.writelines(parts)


if __name__ == "__main__":
    main()
