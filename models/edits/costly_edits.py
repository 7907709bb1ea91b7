"""How many costly edits can be made at once: a link with hundreds of them would keep the server busy for minutes."""

from collections.abc import Iterable

from models.core.messages import Problem
from models.edits.edit import Edit, Noise, Patch, Quantize, SpectralRadius

MAX_RADII = 4
"""Edits of a spectral radius: each needs all eigenvalues, O(H³) for each gate."""

MAX_ROUNDINGS = 24
"""Edits that add noise or round: each passes over a whole matrix."""

MAX_PATCH_TEXTS = 12
"""Texts that values are patched from: each needs a forward run."""


def check_cost(edits: Iterable[Edit]) -> None:
    """Check that ``edits`` can be applied in bounded time. Raises Problem: there are too many costly ones."""
    edits = tuple(edits)
    radii = sum(isinstance(edit, SpectralRadius) for edit in edits)
    if radii > MAX_RADII:
        raise Problem(
            "{count} edits scale a spectral radius, but at most {most} can be made at once. Remove some of them.",
            count=radii,
            most=MAX_RADII,
        )
    roundings = sum(isinstance(edit, (Noise, Quantize)) for edit in edits)
    if roundings > MAX_ROUNDINGS:
        raise Problem(
            "{count} edits add noise or round weights, but at most {most} can be made at once. Remove some of them.",
            count=roundings,
            most=MAX_ROUNDINGS,
        )
    texts = {edit.text for edit in edits if isinstance(edit, Patch)}
    if len(texts) > MAX_PATCH_TEXTS:
        raise Problem(
            "The edits take values from {count} other texts, but at most {most} can be used at once. Remove some edits.",
            count=len(texts),
            most=MAX_PATCH_TEXTS,
        )
