"""What a verdict's evidence measures, in words."""

from models.checkpoints.health.unit_health import ALWAYS, FAINT, STILL, STUCK
from models.core.messages import Sentence

NOT_FINITE = Sentence("numbers that are NaN or infinite")
LARGEST_WEIGHT = Sentence("largest weight")
DENORMAL_SHARE = Sentence("share of denormal numbers")
LARGEST_BY_WIDTH = Sentence("largest recurrent weight times √H")
FROM_ORTHOGONAL = Sentence("largest entry of WᵀW − I")
MOVED_BIASES = Sentence("biases that are neither 0 nor 1")
CONSTANT_ROWS = Sentence("rows of one number")
MEDIAN_FORGET = Sentence("median of the forget biases")
MEAN_FORGET = Sentence("mean forget gate at its bias")
DEAD_UNITS = Sentence("units all of whose weights, in or out, are below {least} of the usual", least=f"{FAINT:g}")
DOUBLES = Sentence("pairs with the same weights")
STUCK_GATES = Sentence("gates whose sums stay beyond ±{bound}", bound=f"{STUCK:g}")
SINGULAR_VALUE = Sentence("largest singular value")
SPECTRAL_RADIUS = Sentence("spectral radius")
STILL_UNITS = Sentence("units that moved by less than {least}", least=f"{STILL:g}")
ALWAYS_CLOSED = Sentence("gates below 0.1 at {share} of the steps or more", share=f"{ALWAYS:.0%}")
ALWAYS_OPEN = Sentence("gates above 0.9 at {share} of the steps or more", share=f"{ALWAYS:.0%}")
SAME_STATES = Sentence("pairs with the same states at every step")
LOOKED_AT = Sentence("numbers looked at")
NUMBERS = Sentence("numbers")
