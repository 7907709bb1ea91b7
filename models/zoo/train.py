"""Train a bundled network: ``python -m models.zoo.train NAME`` saves NAME.safetensors and its card NAME.json.

The same seed, torch version and machine produce the same weights on the CPU; training uses one thread for that reason, and
because layers this small gain nothing from a second. Measurements are made on the CPU, with the weights as they are stored.

``python-lm`` is trained on a GPU, with a batch and a number of steps that take hours on a CPU. Its size and its weight decay,
which concentrates properties of the text in single units, can be changed::

    python -m models.zoo.train python-lm --device cuda
    python -m models.zoo.train python-lm --hidden 128 --batch 32 --decay 0.3 --steps 14000 --out runs/128-0.3

The card says under "units" which unit follows each property, and under "training" how the network was trained.
"""

import argparse
import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from models.zoo import FOLDER, NETWORKS
from models.zoo.catalogue import build_module
from models.zoo.recipe import Recipe

SETTINGS = ("hidden", "layers", "batch", "rate", "decay")
"""Options of the command that change a recipe: its architecture, or an argument of its ``train``."""


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
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}.train", description="Train a bundled network.")
    parser.add_argument("name", choices=tuple(NETWORKS))
    parser.add_argument("--steps", type=int, help="optimizer steps (default: as shipped)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to train (default: cpu)")
    parser.add_argument("--hidden", type=int, help="units of each layer (default: as shipped)")
    parser.add_argument("--layers", type=int, help="number of layers (default: as shipped)")
    parser.add_argument("--batch", type=int, help="sequences in a batch (default: as shipped)")
    parser.add_argument("--rate", type=float, help="peak learning rate (default: as shipped)")
    parser.add_argument("--decay", type=float, help="decoupled weight decay (default: as shipped)")
    formats = ("float32", "float16")
    parser.add_argument("--store", choices=formats, help="format of the weights on disk (default: as shipped)")
    parser.add_argument("--seed", type=int, help="of weights and data (default: as shipped)")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the two files (default: models/zoo)")
    parser.add_argument("--no-card", action="store_true", help="write the weights alone, without measuring them")
    parser.add_argument("--measure", action="store_true", help="measure the weights there anew, without training")
    options = parser.parse_args(arguments)
    recipe: Recipe = importlib.import_module(NETWORKS[options.name]).RECIPES[options.name]
    if options.device == "cuda" and not recipe.on_gpu:
        parser.error(f"{options.name} is trained on the CPU only. Leave out --device.")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no GPU. Leave out --device.")
    given = {name: value for name in SETTINGS if (value := getattr(options, name)) is not None}
    for name in given:
        if name not in (*recipe.options, *recipe.architecture):
            parser.error(f"--{name} cannot be set for {options.name}. Leave it out.")
    architecture = recipe.architecture | {name: given.pop(name) for name in ("hidden", "layers") if name in given}
    recipe = replace(recipe, architecture=architecture, settings=recipe.settings | given)

    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("high" if options.device == "cuda" else precision)
    try:
        _run(options, recipe, given)
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)


def _run(options: argparse.Namespace, recipe: Recipe, given: dict[str, Any]) -> None:
    steps = recipe.steps if options.steps is None else options.steps
    seed = recipe.seed if options.seed is None else options.seed
    weights, description = options.out / f"{options.name}.safetensors", options.out / f"{options.name}.json"
    module = build_untrained(recipe, seed)
    if options.measure:
        training = json.loads(description.read_text(encoding="utf-8"))["training"]
    else:
        seconds = recipe.train(module.to(options.device), steps, seed, **given)
        training = {"seed": seed, "steps": steps, "seconds": round(seconds, 1), "torch": torch.__version__}
        training |= {"device": torch.cuda.get_device_name()} if options.device == "cuda" else {}
        training |= recipe.settings
        options.out.mkdir(parents=True, exist_ok=True)
        dtype = getattr(torch, options.store or recipe.store)
        stored = {key: value.to("cpu", dtype).contiguous() for key, value in module.state_dict().items()}
        save_file(stored, weights)
    if options.no_card:
        return
    module.cpu().load_state_dict(load_file(weights))
    module.eval()
    text = json.dumps(make_network_card(options.name, recipe, module, training), ensure_ascii=False, indent=1)
    description.write_text(text + "\n", encoding="utf-8")
    print(f"{options.name}: {json.dumps(json.loads(text)['metrics'], ensure_ascii=False)}", file=sys.stderr)


if __name__ == "__main__":
    main()
