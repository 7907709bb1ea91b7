"""Opening a file with all that is in it."""

from models.checkpoints import Checkpoint, CheckpointError


def tensor_refusals(checkpoint: Checkpoint) -> list[CheckpointError]:
    """Decode every layer and tensor of a file; return the errors of those that are refused."""
    refused = []
    for lazy in (checkpoint.layers, checkpoint.tensors):
        for name in lazy:
            try:
                assert lazy[name] is not None
            except CheckpointError as problem:
                refused.append(problem)
    return refused


def graph_refusal(checkpoint: Checkpoint) -> CheckpointError | None:
    """Build the graph of a file, if it states one; return the error if it is refused."""
    if checkpoint.graph is not None:
        try:
            checkpoint.graph()
        except CheckpointError as problem:
            return problem
    return None
