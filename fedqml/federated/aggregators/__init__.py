"""Rules that make one update of a cohort's: a file each."""

from fedqml.federated.aggregators.bulyan import bulyan
from fedqml.federated.aggregators.calibrated_mean import calibrated_mean
from fedqml.federated.aggregators.centred_clipping import centred_clipping
from fedqml.federated.aggregators.circular_mean import circular_mean
from fedqml.federated.aggregators.coordinate_median import coordinate_median
from fedqml.federated.aggregators.fednova import fednova
from fedqml.federated.aggregators.fisher_mean import fisher_mean
from fedqml.federated.aggregators.fltrust import fltrust
from fedqml.federated.aggregators.geometric_median import geometric_median
from fedqml.federated.aggregators.inverse_variance_mean import inverse_variance_mean
from fedqml.federated.aggregators.krum import krum
from fedqml.federated.aggregators.mean import mean
from fedqml.federated.aggregators.multi_krum import multi_krum
from fedqml.federated.aggregators.partial_mean import partial_mean
from fedqml.federated.aggregators.scaffold import scaffold
from fedqml.federated.aggregators.su2_mean import su2_mean
from fedqml.federated.aggregators.trimmed_mean import trimmed_mean

__all__ = [
    "bulyan",
    "calibrated_mean",
    "centred_clipping",
    "circular_mean",
    "coordinate_median",
    "fednova",
    "fisher_mean",
    "fltrust",
    "geometric_median",
    "inverse_variance_mean",
    "krum",
    "mean",
    "multi_krum",
    "partial_mean",
    "scaffold",
    "su2_mean",
    "trimmed_mean",
]
