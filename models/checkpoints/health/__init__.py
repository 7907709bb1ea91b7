"""Is a trained network healthy? Everything that can be measured of its weights, in one place."""

from models.checkpoints.health.anomalies import Oddities, oddities
from models.checkpoints.health.distributions import Distribution, distributions, forget_biases
from models.checkpoints.health.findings import Evidence, Finding, Severity
from models.checkpoints.health.initialization import Started, started
from models.checkpoints.health.layer_findings import findings_of
from models.checkpoints.health.run_findings import findings_in
from models.checkpoints.health.spectra import Spectrum, recurrent_blocks, spectra, spectrum
from models.checkpoints.health.unit_health import Ran, Units, units_in, units_of
from models.checkpoints.health.verdict import findings_of_others, readers_of, verdict

__all__ = [
    "Distribution",
    "Evidence",
    "Finding",
    "Oddities",
    "Ran",
    "Severity",
    "Spectrum",
    "Started",
    "Units",
    "distributions",
    "findings_in",
    "findings_of",
    "findings_of_others",
    "forget_biases",
    "oddities",
    "readers_of",
    "recurrent_blocks",
    "spectra",
    "spectrum",
    "started",
    "units_in",
    "units_of",
    "verdict",
]
