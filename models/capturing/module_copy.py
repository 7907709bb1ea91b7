"""Copies of modules that other threads may be capturing at the same time."""

from __future__ import annotations

from collections import OrderedDict
from copy import deepcopy
from typing import Any

from torch import nn

from models.capturing.hooks import ModuleHooks


def copy_module(module: nn.Module) -> nn.Module:
    """Return a deep copy of ``module`` in the same mode, without the hooks of captures in progress; its ``.grad`` are None.

    ``module`` itself is only read: any number of threads may copy it at once.
    """
    memo = {
        id(table): OrderedDict(
            each for each in _entries(table) if getattr(each[1], "__module__", "") != ModuleHooks.__module__
        )
        for part in module.modules()
        for name, table in vars(part).items()
        if "hooks" in name and isinstance(table, OrderedDict)
    }
    return deepcopy(module, memo)


def _entries(table: OrderedDict[int, Any]) -> list[tuple[int, Any]]:
    """Return the items of a table of hooks to which another thread may add meanwhile."""
    while True:
        try:
            return list(table.items())
        except RuntimeError:  # it changed between two items
            continue
