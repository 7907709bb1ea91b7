"""Units and probes of ``python-lm`` beside the findings of Karpathy, Johnson and Li (2015) and Strobelt et al. (2018).

    python -m tests.benchmarks.known_findings

They describe single cells for the position in the line, quotes, comments, indentation or depth of nesting, and if
conditions. For each, a linear probe of the cell states and the best single unit are compared with untrained networks, on
pieces of held-out files. Of properties that are 0 or 1 a unit agrees or not; of numbers the probe of the best unit is shown.
"""

from __future__ import annotations

import re
import time
from tempfile import TemporaryDirectory

from models.core.messages import Problem
from models.corpus.build_index import build_index
from models.corpus.read_sources import Document
from models.probes.probe_index import probe_annotation
from models.zoo.catalogue import load_network
from viz.pages.search.index_store import OPTIONS
from viz.pages.search.sample_corpora import sample_documents

LAYER, QUANTITY = "rnn.l0", "cell"
PROPERTIES = ("line_position", "inside_quotes", "inside_comment", "indentation", "inside_brackets", "if_condition")


def with_conditions(document: Document) -> Document:
    """Return a document with an annotation: 1 from an ``if`` at a line's start to the colon that ends the line."""
    inside = [0.0] * len(document.text)
    for found in re.finditer(r"^ *((?:el)?if\b.*):$", document.text, re.MULTILINE):
        inside[found.start(1) : found.end(1)] = [1.0] * (found.end(1) - found.start(1))
    return Document(document.source, document.text, {"if_condition": inside})


def main() -> None:
    """Print a line for each property."""
    network = load_network("python-lm")
    documents = [with_conditions(each) for each in sample_documents(network)]
    with TemporaryDirectory() as folder:
        index = build_index(network, documents, f"{folder}/index", OPTIONS, scheduler="here")
        for name in PROPERTIES:
            began = time.process_time()
            try:
                found = probe_annotation(network, str(index.folder), LAYER, QUANTITY, name)
            except Problem as problem:
                print(f"{name}: {problem}")
                continue
            scores, agreement = found.scores, found.agreement
            print(f"{name}: {scores.verdict}")
            print(f"    whole state {scores.test}, unit {scores.unit} {scores.unit_test}, token {scores.token}")
            print(f"    untrained {', '.join(map(str, scores.untrained))}; constant {scores.baseline}")
            if agreement is not None:
                print(f"    {'found' if agreement.agrees else 'not found'} in a unit: {agreement.verdict}")
            print(f"    {found.steps[0]:,} steps, {time.process_time() - began:.0f} s of one core", flush=True)


if __name__ == "__main__":
    main()
