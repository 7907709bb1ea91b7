"""The import hook of an editable installation: ``unrolled`` is imported from the files of the repository.

Each module is loaded once, whichever of its two names is imported first: in a program of the repository, where ``models``
is the repository's own folder, ``unrolled`` is another name of the same modules. In any other project ``models`` and ``viz``
are that project's, and the modules are loaded as ``unrolled`` alone.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from unrolled_names import INSTALLED, rename_imports

ROOTS = {name: other for own, installed in INSTALLED.items() for name, other in ((own, installed), (installed, own))}
"""By name of a package: the other name of the same package."""


def import_from(root: str) -> None:
    """Import ``unrolled`` from a repository, in place of the module that calls this."""
    sys.meta_path.insert(0, RepositoryFinder(Path(root)))
    del sys.modules["unrolled"]
    import_module("unrolled")


def split_name(name: str) -> tuple[str, str]:
    """Return the package of ``ROOTS`` that a module is in, and the rest of its name; two empty strings for another module.

    >>> split_name("unrolled.viz.pages"), split_name("unrolled.core.trace"), split_name("numpy")
    (('unrolled.viz', '.pages'), ('unrolled', '.core.trace'), ('', ''))
    """
    found = [root for root in ROOTS if name == root or name.startswith(f"{root}.")]
    root = max(found, key=len, default="")
    return root, name[len(root) :] if root else ""


class RepositoryFinder(MetaPathFinder):
    """Finds the modules of a repository by either of their names."""

    def __init__(self, root: Path) -> None:
        """Take the folder of the repository."""
        self.root = root

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module of the repository; None for any other, and for one that Python finds by itself."""
        root, rest = split_name(fullname)
        if not root:
            return None
        is_installed_name = root in INSTALLED.values()
        if rest:
            is_alias = sys.modules[root].__name__ != root
        else:
            is_alias = self._is_loaded(ROOTS[root]) and (is_installed_name or self._is_on_path(root))
        if is_alias:
            return ModuleSpec(fullname, Alias(ROOTS[root] + rest), is_package=False)
        return self._renamed_spec(fullname, root, rest) if is_installed_name else None

    def _is_loaded(self, root: str) -> bool:
        """Return whether the repository's files are loaded under this name."""
        module = sys.modules.get(root)
        return module is not None and module.__name__ == root and self._is_own(module.__file__, root)

    def _is_on_path(self, root: str) -> bool:
        """Return whether Python would find the repository's folder under this name."""
        spec = PathFinder.find_spec(root)
        return spec is not None and self._is_own(spec.origin, root)

    def _folder(self, root: str) -> Path:
        return self.root / (ROOTS[root] if root in INSTALLED.values() else root)

    def _is_own(self, file: str | None, root: str) -> bool:
        return file is not None and Path(file).resolve() == self._folder(root) / "__init__.py"

    def _renamed_spec(self, fullname: str, root: str, rest: str) -> ModuleSpec | None:
        place = self._folder(root).joinpath(*rest.split(".")[1:])
        if (place / "__init__.py").is_file():
            file, folders = place / "__init__.py", [str(place)]
        elif place.with_suffix(".py").is_file():
            file, folders = place.with_suffix(".py"), None
        else:
            return None
        loader = RenamingLoader(fullname, str(file))
        return spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=folders)


class Alias(Loader):
    """A loader that returns a module that is loaded under another name."""

    def __init__(self, name: str) -> None:
        """Take the name under which the module is loaded."""
        self.name = name
        self.spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module itself."""
        module = import_module(self.name)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec again, which the import system has replaced."""
        module.__spec__ = self.spec


class RenamingLoader(SourceFileLoader):
    """A loader of the repository's files with their installed names; compiled code is stored beside that of the own names."""

    def source_to_code(self, data, path, *, _optimize=-1):  # type: ignore[no-untyped-def]
        """Compile a file with the installed names."""
        return super().source_to_code(rename_imports(data.decode()), path, _optimize=_optimize)

    def get_data(self, path: str) -> bytes:
        """Return the bytes of a file."""
        return super().get_data(_cache_path(path))

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Store compiled code."""
        super().set_data(_cache_path(path), data, _mode=_mode)


def _cache_path(path: str) -> str:
    return f"{path.removesuffix('.pyc')}.unrolled.pyc" if path.endswith(".pyc") else path
