"""The array loader: sends a large array to the browser, once, and draws nothing."""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from viz.components import Component
from viz.components.streamlit_host import mount

ARRAY_LOADER = Component("array_loader", ("arrays",), draws=False)


@dataclass(frozen=True, eq=False)
class LoadedArray:
    """An array that is sent once; the data of other components then have its id, and what differs from it.

    Attributes:
        id: 32 hexadecimal digits, a hash of the values.
        values: float32.
    """

    id: str
    values: np.ndarray

    @property
    def payload(self) -> bytes:
        """The data of the loader: the id, then the values."""
        return self.id.encode() + np.ascontiguousarray(self.values, "<f4").tobytes()


def loaded_array(values: np.ndarray) -> LoadedArray:
    """Return an array (float32, of any shape) with its id."""
    return LoadedArray(blake2b(np.ascontiguousarray(values, "<f4").tobytes(), digest_size=16).hexdigest(), values)


def array_loader(array: LoadedArray, *, key: str) -> None:
    """Load an array into the browser; it stays there as long as the loader is on the page. ``key``: of the component."""
    mount(ARRAY_LOADER, array.payload, key=key)
