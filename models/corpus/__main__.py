"""Build and describe indexes of corpora.

    python -m models.corpus build NETWORK CORPUS OUT [--layer NAME ...] [--cell] [--longest N] [--text COLUMN]
    python -m models.corpus nearest INDEX [--layer NAME ...] [--quantity hidden] [--metric euclidean]
    python -m models.corpus about INDEX

NETWORK is the name of a bundled network or a checkpoint; CORPUS a file, a folder or a pattern, local or at any address that
fsspec opens; OUT a new folder, or that of a build that was stopped. Ctrl+C stops a build; the same command goes on with it.
``nearest`` divides the states of an index of more than a million tokens into inverted lists, so that the nearest to one are
found without comparing all; it prints the share that they find beside exact search. It needs faiss-cpu.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from models.core.messages import Problem
from models.corpus.build_index import BuildProgress, IndexOptions, build_index
from models.corpus.corpus_index import CorpusIndex
from models.corpus.nearest_lists import build_lists
from models.corpus.nearest_states import METRICS
from models.networks.network import Network


def named_network(name: str) -> Network:
    """Return a bundled network by its name, or the network of a checkpoint.

    Raises:
        ValueError: there is neither.
    """
    from models.zoo.catalogue import load_network, network_names

    if name in network_names():
        return load_network(name)
    if not Path(name).exists():
        raise Problem(
            "There is no file “{name}”, and no network of this name. The bundled ones are {names}.",
            name=name,
            names=", ".join(network_names()),
        )
    from models.checkpoints import load_checkpoint

    return load_checkpoint(name).network(name=Path(name).stem)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models.corpus", description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build an index, or go on with one that was stopped")
    build.add_argument("network", help="name of a bundled network, or a checkpoint")
    build.add_argument("corpus", help="file, folder or pattern, local or at an address such as s3://bucket/*.jsonl")
    build.add_argument("out", help="folder of the index")
    build.add_argument("--layer", action="append", help="a layer to index (all without this option); may be repeated")
    build.add_argument("--cell", action="store_true", help="index the cell states too")
    build.add_argument("--longest", type=int, default=IndexOptions.longest, help="tokens of a document (%(default)s)")
    build.add_argument(
        "--threshold", type=float, default=IndexOptions.threshold, help="at or above it a unit is on (%(default)s)"
    )
    build.add_argument("--text", metavar="COLUMN", help="the column of a table that contains the text")
    build.add_argument("--threads", action="store_true", help="work in threads, not in processes")
    nearest = commands.add_parser("nearest", help="make the nearest states of a large index quick to find")
    nearest.add_argument("index", help="folder of an index")
    nearest.add_argument("--layer", action="append", help="a layer (all without this option); may be repeated")
    nearest.add_argument("--quantity", default="hidden", help="hidden or cell (%(default)s)")
    nearest.add_argument("--metric", choices=METRICS, default=METRICS[0], help="distance (%(default)s)")
    about = commands.add_parser("about", help="describe an index")
    about.add_argument("index", help="folder of an index")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "build":
            chosen = IndexOptions(
                layers=None if options.layer is None else tuple(options.layer),
                quantities=("hidden", "cell") if options.cell else ("hidden",),
                longest=options.longest,
                threshold=options.threshold,
                text_column=options.text,
            )
            kind = "threads" if options.threads else "processes"
            index = build_index(
                named_network(options.network), options.corpus, options.out, chosen, scheduler=kind, progress=_print
            )
        else:
            index = CorpusIndex(options.index)
        if options.command == "nearest":
            _divide(index, options.layer or list(index.layers), options.quantity, options.metric)
            return 0
        print(_description(index))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where it stopped.", file=sys.stderr)
        return 130
    return 0


def _divide(index: CorpusIndex, layers: Sequence[str], quantity: str, metric: str) -> None:
    """Build the inverted lists of layers, and print their recall."""

    def report(done: int) -> None:
        print(f"nearest: {done:,} of {index.steps:,} states", file=sys.stderr, flush=True)

    for layer in layers:
        found = build_lists(index, layer, quantity, metric, progress=report)
        print(
            f"{quantity} of {layer}: {found.lists:,} lists, of which a search reads {found.searched:,}; it finds"
            f" {found.recall:.3f} of the nearest states that exact search finds."
        )


_last_line = [0.0]


def _print(state: BuildProgress) -> None:
    """Print how far a build is, once a second."""
    now = time.monotonic()
    if state.part == "tokens" and now - _last_line[0] < 1:
        return
    _last_line[0] = now
    left = "" if state.seconds_left is None else f", {_duration(state.seconds_left)} left"
    done = f"{state.done:,}" + (f" of {state.steps:,}" if state.steps else "")
    print(f"{state.part}: {done} tokens{left}", file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _description(index: CorpusIndex) -> str:
    about = index.about
    lines = [
        f"{index.folder}: {index.steps:,} tokens of {about['documents']:,} documents, read by {about['network']['name']}",
        f"states: {', '.join(index.quantities)} of {', '.join(f'{name} ({units})' for name, units in index.layers.items())}",
        f"The state starts anew at each document; a document has at most {about['longest']:,} tokens"
        + (f", so {about['split_documents']:,} texts are several." if about["split_documents"] else "."),
        "Stored as float16; largest rounding error: "
        + ", ".join(f"{name} {error:.2g}" for name, error in about["rounding"].items()),
    ]
    if about["unknown"]:
        lines.append(f"{about['unknown']:,} tokens are not in the vocabulary.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
