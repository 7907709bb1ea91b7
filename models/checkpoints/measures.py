"""What a verdict's evidence measures, in words."""

from models.problem import Sentence

NOT_FINITE = Sentence("numbers that are NaN or infinite")
LARGEST_WEIGHT = Sentence("largest weight")
DENORMAL_SHARE = Sentence("share of denormal numbers")
LARGEST_BY_WIDTH = Sentence("largest recurrent weight times √H")
FROM_ORTHOGONAL = Sentence("largest entry of WᵀW − I")
MOVED_BIASES = Sentence("biases that are neither 0 nor 1")
CONSTANT_ROWS = Sentence("constant rows")
MEDIAN_FORGET = Sentence("median of the forget biases")
MEAN_FORGET = Sentence("mean forget gate at its bias")
DEAD_UNITS = Sentence("dead units")
DOUBLES = Sentence("pairs of doubles")
STUCK_GATES = Sentence("stuck gates")
SINGULAR_VALUE = Sentence("largest singular value")
SPECTRAL_RADIUS = Sentence("spectral radius")
STILL_UNITS = Sentence("units that did not move")
ALWAYS_CLOSED = Sentence("gates always closed")
ALWAYS_OPEN = Sentence("gates always open")
LOOKED_AT = Sentence("numbers looked at")
NUMBERS = Sentence("numbers")
