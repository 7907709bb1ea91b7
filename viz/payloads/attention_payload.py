"""The payload of one attention head of an encoder-decoder."""

from typing import Any

import numpy as np
import torch

from models.architectures.translator import Translator
from models.core.rank_correlation import kendall_tau
from models.core.tokenize_text import display
from models.decoding import Contributions, Decoding, coverage, entropy
from models.decoding.attention_interventions import attention_temperature, score_network
from models.networks.network import Network
from viz.payloads.binary_payload import pack


def attention_payload(
    view_id: str, network: Network, decoding: Decoding, found: Contributions | None, name: str, head: int = 0
) -> bytes:
    """Return the payload of head ``head`` of the attention ``name``: steps are those of the output, units the input tokens.

    Besides the weights and the scores, (Tt, Ts), it has what they are computed from ("query", "source_key"), what is
    computed from them ("source_value", "context", and of a recurrent network its "state", and "joined" with its two
    parts), the distribution over the V' symbols, "entropy" (Tt), "source_coverage" (Ts), and, if given, the contributions
    with their "agreement" (Tt).
    """
    attention = decoding.attention[name]
    weights = attention.weights[0, head]
    score, arrays = _recurrent(network, decoding) if _is_recurrent(network) else ("scaled", {})
    arrays |= {
        "query": attention.query[0, head],
        "context": attention.context[0, head],
        "source_key": attention.key[0, head],
        "source_value": attention.value[0, head],
        "probability": decoding.probability,
        "entropy": entropy(weights),
        "source_coverage": coverage(weights)[-1],
    }
    if found is not None:
        both = zip(weights, np.abs(found.gradient), strict=True)
        arrays |= {
            "contribution_value": found.weighted[name],
            "contribution_gradient": found.gradient,
            "agreement": np.array([kendall_tau(*rows) for rows in both]),
        }
    return pack(
        view_id,
        layer=name,
        kind="attention",
        gates={},
        states={"attention_weight": weights, "attention_score": attention.scores[0, head]},
        tokens=list(map(display, decoding.target)),
        vocabulary=list(map(display, decoding.vocabulary)),
        arrays=arrays,
        options={
            "form": "recurrent" if _is_recurrent(network) else "transformer",
            "score": score,
            "source": list(decoding.source),
            "read": list(map(display, decoding.decoder_input)),
            "symbols": decoding.symbols.tolist(),
            "heads": attention.shape[1],
            "head": head,
            **_changed(decoding, score),
        },
    )


def _is_recurrent(network: Network) -> bool:
    return isinstance(network.module, Translator)


def _recurrent(network: Network, decoding: Decoding) -> tuple[str, dict[str, np.ndarray]]:
    """Return the score function, and what the decoder computes from state and context: (Tt, N) each, the logits (Tt, V')."""
    module: Any = network.module
    context = torch.tensor(decoding.attention["attention"].context[0, 0])
    states = torch.tensor(decoding.trace.layers["decoder"].hidden[0])
    with torch.inference_mode():
        context_part, state_part = module.join.weight.split([context.shape[1], states.shape[1]], dim=1)
        parts = context @ context_part.T, states @ state_part.T + module.join.bias
        joined = (parts[0] + parts[1]).tanh()
        arrays = {
            "state": states.numpy(),
            "joined_context": parts[0].numpy(),
            "joined_state": parts[1].numpy(),
            "joined": joined.numpy(),
            "logit": module.head(joined).numpy(),
        }
        if module.attention.score == "additive":
            arrays["weight_energy"] = module.attention.energy.numpy()
    return module.attention.score, arrays


def _changed(decoding: Decoding, score: str) -> dict[str, Any]:
    """Return the interventions that the drawing and the formulas show."""
    other: Any = score_network(decoding.interventions)
    return {
        "temperature": attention_temperature(decoding.interventions),
        "scores_from": None if other is None else other.name,
        "scored": score if other is None else other.module.attention.score,
    }
