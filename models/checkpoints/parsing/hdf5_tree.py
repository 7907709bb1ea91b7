"""The groups, attributes and datasets of an HDF5 file as plain records, by the HDF5 library.

The library is large and written in C, and a malicious file may crash it: this runs only in the separate process of
``parser_process``. It imports nothing of the project, so that the process starts fast.
"""

from __future__ import annotations

import h5py
import numpy as np

KEPT_ATTRIBUTES = ("model_config", "keras_version", "backend", "layer_names", "weight_names", "name")
SKIPPED_GROUPS = ("optimizer", "optimizer_weights", "_optimizer")


class Hdf5Refusal(Exception):
    """A file that is rejected: a reason that ``hdf5`` turns into a sentence, and the path of the object."""


def as_text(value: object) -> object:
    """Return an attribute as a string or a list of strings, or None if it is something else."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "OSU":
        return [as_text(each) for each in value.tolist()]
    return None


def read_tree(file: h5py.File, max_objects: int, max_bytes: int, length: int) -> tuple[dict, dict]:
    """Return attributes by group, and (shape, dtype, offset) of tensors by path; nothing is decoded.

    The offset is that of the values in the file where they are there as they are in memory, else None.

    Raises:
        Hdf5Refusal: the file of ``length`` bytes has more than ``max_objects`` groups and tensors, tensors of more than
            ``max_bytes`` together, or links to other files.
    """
    attributes: dict[str, dict] = {}
    tensors: dict[str, list] = {}
    total, seen, pending = 0, 0, [("", file)]
    while pending:
        path, group = pending.pop()
        texts = {name: as_text(group.attrs[name]) for name in group.attrs if name in KEPT_ATTRIBUTES}
        attributes[path] = {name: text for name, text in texts.items() if text is not None}
        for name in reversed(list(group)):
            inner = f"{path}/{name}" if path else name
            seen += 1
            if seen > max_objects or inner.count("/") > 40:
                raise Hdf5Refusal("many", inner)
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise Hdf5Refusal("external", inner)
            if not isinstance(link, h5py.HardLink) or inner in SKIPPED_GROUPS:
                continue
            item = group[name]
            if isinstance(item, h5py.Group):
                pending.append((inner, item))
            elif isinstance(item, h5py.Dataset):
                layout = item.id.get_create_plist()
                if layout.get_external_count() or item.is_virtual:
                    raise Hdf5Refusal("external", inner)
                if item.dtype.kind not in "fiub" or item.dtype.itemsize > 8 or item.shape is None:
                    continue
                size = item.size * item.dtype.itemsize
                total += size
                if total > max_bytes or (not layout.get_nfilters() and size > length):
                    raise Hdf5Refusal("large", inner)
                tensors[inner] = [list(item.shape), item.dtype.newbyteorder("<").name, _offset(item, layout, length)]
    return attributes, tensors


def _offset(item: h5py.Dataset, layout: h5py.h5p.PropDCID, length: int) -> int | None:
    """Return where the values are in the file, None where they are packed, in pieces, or in another byte order."""
    plain = layout.get_layout() == h5py.h5d.CONTIGUOUS and not layout.get_nfilters()
    if not plain or item.dtype.newbyteorder("<") != item.dtype or item.dtype.kind not in "fiu":
        return None
    start = item.id.get_offset()
    return start if start is not None and start + item.size * item.dtype.itemsize <= length else None


def read_values(file: h5py.File, path: str) -> memoryview:
    """Return the bytes of one dataset, little endian."""
    values = np.asarray(file[path][()])
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data
