"""Zip archives of any members."""

from __future__ import annotations

import io
import zipfile


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression, compresslevel=9 if compression else None) as out:
        for name, data in members.items():
            out.writestr(name, data)
    return file.getvalue()
