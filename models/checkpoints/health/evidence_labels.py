"""Labels of the measures that a finding's evidence reports."""

from models.checkpoints.health.unit_health import (
    ALWAYS_SATURATED_SHARE,
    CONSTANT_RANGE,
    NEGLIGIBLE_RATIO,
    STUCK_PREACTIVATION,
)
from models.core.messages import Sentence

NOT_FINITE = Sentence("NaN or infinite values")
LARGEST_WEIGHT = Sentence("largest weight (magnitude)")
LARGEST_BIAS = Sentence("largest bias (magnitude)")
DENORMAL_SHARE = Sentence("share of denormal values")
LARGEST_TIMES_ROOT_H = Sentence("largest recurrent weight (magnitude) × √H")
ORTHOGONALITY_ERROR = Sentence("largest entry of WᵀW − I")
CHANGED_BIASES = Sentence("biases that are neither 0 nor 1")
CONSTANT_ROWS = Sentence("rows with all values equal")
MEDIAN_FORGET = Sentence("median forget-gate bias")
MEAN_FORGET = Sentence("mean forget gate with zero input and zero hidden state, σ(b)")
DEAD_UNITS = Sentence(
    "units whose incoming or outgoing weights are all below {least} × the median", least=f"{NEGLIGIBLE_RATIO:g}"
)
DUPLICATES = Sentence("pairs of units with the same incoming weights")
STUCK_GATES = Sentence("gates whose preactivation is always beyond ±{bound}", bound=f"{STUCK_PREACTIVATION:g}")
SINGULAR_VALUE = Sentence("largest singular value")
SPECTRAL_RADIUS = Sentence("spectral radius")
RADIUS_TIMES_SLOPE = Sentence("spectral radius × largest slope of the activation function")
CONSTANT_UNITS = Sentence(
    "units whose hidden state changes by less than {least} over the run", least=f"{CONSTANT_RANGE:g}"
)
FIRST_NONFINITE_STEP = Sentence("first time step with a NaN or infinite value")
INACTIVE_UNITS = Sentence("units that are never above 0 in the run")
ALWAYS_CLOSED = Sentence(
    "gates closed (< 0.1) in at least {share} of the time steps", share=f"{ALWAYS_SATURATED_SHARE:.0%}"
)
ALWAYS_OPEN = Sentence(
    "gates open (> 0.9) in at least {share} of the time steps", share=f"{ALWAYS_SATURATED_SHARE:.0%}"
)
SAME_STATES = Sentence("pairs of units with the same hidden states at every time step")
NUMBERS_CHECKED = Sentence("values checked")
NUMBERS = Sentence("parameters")
