"""Health checks of trained networks: measurements of weights and runs, and findings that interpret them."""

from models.checkpoints.health.anomalies import Anomalies, find_anomalies
from models.checkpoints.health.distributions import Distribution, distributions, forget_biases
from models.checkpoints.health.findings import Evidence, Finding, Severity
from models.checkpoints.health.initialization import Initialization, matching_initialization
from models.checkpoints.health.layer_findings import check_layer
from models.checkpoints.health.run_findings import check_run
from models.checkpoints.health.spectra import WeightSpectrum, recurrent_blocks, weight_spectra, weight_spectrum
from models.checkpoints.health.unit_health import RunHealth, UnitHealth, check_units, check_units_in_run
from models.checkpoints.health.verdict import check_other_tensors, consumer_weights, verdict

__all__ = [
    "Anomalies",
    "Distribution",
    "Evidence",
    "Finding",
    "Initialization",
    "RunHealth",
    "Severity",
    "UnitHealth",
    "WeightSpectrum",
    "check_layer",
    "check_other_tensors",
    "check_run",
    "check_units",
    "check_units_in_run",
    "consumer_weights",
    "distributions",
    "find_anomalies",
    "forget_biases",
    "matching_initialization",
    "recurrent_blocks",
    "verdict",
    "weight_spectra",
    "weight_spectrum",
]
