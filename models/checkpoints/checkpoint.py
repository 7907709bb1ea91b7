"""An opened checkpoint that can be run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models.checkpoints.checkpoint_data import CheckpointData
from models.core.html_representation import NotebookHtml
from models.networks.network import Network


@dataclass(frozen=True, eq=False, repr=False)
class Checkpoint(NotebookHtml, CheckpointData):
    """The contents of a checkpoint, and the network that they make."""

    def network(self, *, name: str = "checkpoint", **choices: Any) -> Network:
        """Build the network of the file, in evaluation mode.

        Where the file states its graph, ``module`` is that graph and its output is the file's own. Where there are only
        tensors, they are combined as their names and shapes say; ``Network.left_out`` names what is not run or assumed,
        and the ``"functions between layers"``, which no tensor shows.

        Args:
            name: the network's name.
            choices: what the file does not state, named as in ``models.checkpoints.building.build.Setup``: ``vocabulary``,
                ``kind``, ``predicts`` and ``classes``; and ``stack``, ``embedding``, ``decoder``, ``target`` and ``readout``,
                with which the network is built from tensors; ``nonlinearity`` is the activation function of its vanilla RNNs.

        Raises:
            CheckpointError: it cannot be run; one sentence says why.

        Example:
            >>> net = load_checkpoint("classifier.pt").network(readout="mean")
            >>> net.module(ids), net.left_out
        """
        # imported here, because who only loads a file needs none of what builds a network
        from models.checkpoints.building.file_network import network_of_file

        return network_of_file(self, name, choices)
