"""What the panels of the Search page share: the index, and the selected layer, state and unit."""

from __future__ import annotations

from dataclasses import dataclass

from models.corpus.corpus_index import CorpusIndex
from models.networks.forward_run import ForwardRun
from viz.pages.search.hit_list import Hit, hit_list


@dataclass(frozen=True, eq=False)
class SearchView:
    """The question's side, and the corpus's.

    Attributes:
        index: of the corpus.
        run: of the network on the reader's text.
        layer, quantity, unit: whose states are searched; the quantity is a state of the index.
        step: the current time step of the text, from 0.
    """

    index: CorpusIndex
    run: ForwardRun
    layer: str
    quantity: str
    unit: int
    step: int

    def show(self, hits: list[Hit], key: str, unit: int | None = None) -> None:
        """Show places of the corpus, coloured by a unit; None for the view's."""
        hit_list(self.index, self.layer, self.quantity, self.unit if unit is None else unit, hits, key=key)
