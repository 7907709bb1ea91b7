"""Train a bundled network: ``python -m models.zoo.train NAME`` saves NAME.safetensors and its card NAME.json.

The same seed, torch version and machine produce the same weights; training uses one thread for that reason, and because
layers this small gain nothing from a second.
"""

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from models.zoo import FOLDER, NETWORKS
from models.zoo.catalogue import build_module
from models.zoo.recipe import Recipe


def build_untrained(recipe: Recipe, seed: int) -> nn.Module:
    """Build the network of ``recipe`` with the initial weights of ``seed``."""
    torch.manual_seed(seed)
    return build_module(recipe.architecture)


def make_network_card(name: str, recipe: Recipe, module: nn.Module, training: dict[str, Any]) -> dict[str, Any]:
    """Return the card of a trained module: the fields of ``recipe`` and new measurements."""
    return {
        "name": name,
        "title": recipe.title,
        "task": recipe.task,
        "kind": recipe.kind,
        "scored": recipe.scored,
        "predicts": recipe.predicts,
        "classes": recipe.classes,
        "architecture": recipe.architecture,
        "vocabulary": recipe.vocabulary,
        "target_vocabulary": recipe.target_vocabulary,
        "unknown": recipe.unknown,
        "padding": recipe.padding,
        "particles": recipe.particles,
        "columns": recipe.columns,
        "parameters": sum(p.numel() for p in module.parameters() if p.requires_grad),
        "data": recipe.data,
        "training": training,
        "metrics": recipe.measure(module),
        "examples": recipe.examples,
        "default": recipe.default_view(module),
        "answer_step": recipe.answer_step,
    }


def main(arguments: list[str] | None = None) -> None:
    """Train, measure and save one network."""
    parser = argparse.ArgumentParser(prog="python -m models.zoo.train", description="Train a bundled network.")
    parser.add_argument("name", choices=tuple(NETWORKS))
    parser.add_argument("--steps", type=int, help="optimizer steps (default: as shipped)")
    parser.add_argument("--seed", type=int, help="of weights and data (default: as shipped)")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the two files (default: models/zoo)")
    parser.add_argument("--no-card", action="store_true", help="write the weights alone, without measuring them")
    parser.add_argument("--measure", action="store_true", help="measure the weights there anew, without training")
    options = parser.parse_args(arguments)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        _run(options)
    finally:
        torch.set_num_threads(threads)


def _run(options: argparse.Namespace) -> None:
    recipe: Recipe = importlib.import_module(NETWORKS[options.name]).RECIPES[options.name]
    steps = recipe.steps if options.steps is None else options.steps
    seed = recipe.seed if options.seed is None else options.seed
    weights, description = options.out / f"{options.name}.safetensors", options.out / f"{options.name}.json"
    module = build_untrained(recipe, seed)
    if options.measure:
        module.load_state_dict(load_file(weights))
        module.eval()
        training = json.loads(description.read_text(encoding="utf-8"))["training"]
    else:
        seconds = recipe.train(module, steps, seed)
        training = {"seed": seed, "steps": steps, "seconds": round(seconds, 1), "torch": torch.__version__}
        training |= recipe.settings
        options.out.mkdir(parents=True, exist_ok=True)
        save_file({key: value.contiguous() for key, value in module.state_dict().items()}, weights)
    if options.no_card:
        return
    text = json.dumps(make_network_card(options.name, recipe, module, training), ensure_ascii=False, indent=1)
    description.write_text(text + "\n", encoding="utf-8")
    print(f"{options.name}: {json.dumps(json.loads(text)['metrics'], ensure_ascii=False)}", file=sys.stderr)


if __name__ == "__main__":
    main()
