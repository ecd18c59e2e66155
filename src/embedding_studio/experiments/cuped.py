"""What is known of units from before the experiment makes its estimates sharper (CUPED)."""

import numpy as np

from embedding_studio.experiments.moments import Arms, Floats, Moments, Ratio, ratio

__all__ = ["difference"]


def difference(arms: Arms) -> Ratio:
    """The treatment's mean less the control's, adjusted for the units' past where it is known.

    Deng, Xu, Kohavi & Walker 2013, "Improving the Sensitivity of Online Controlled Experiments by Utilizing
    Pre-Experiment Data", with the ratio's linearised form: the covariate of a unit is past value - h · past sessions,
    with h the past mean of both arms. A unit without a past has the covariate 0, which is what units have on average.
    """
    before, after = ratio(arms.control), ratio(arms.treatment)
    plain = Ratio(after.mean - before.mean, after.variance + before.variance)
    if not (arms.control.has_history and arms.treatment.has_history):
        return plain
    return _adjusted(plain, _Linear(arms.control, arms), _Linear(arms.treatment, arms))


class _Linear:
    """Means over one arm's units: of the covariate, and of its products with itself and with the metric's influence."""

    def __init__(self, moments: Moments, arms: Arms) -> None:
        units, sums, products = moments.units, moments.sums, moments.products
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = sums[..., 0] / sums[..., 1]
            metric = _weights(1.0, -mean, 0.0, 0.0)
            past = _weights(0.0, 0.0, 1.0, -_past_mean(arms))
            self.mean = _dot(past, sums) / units
            degrees = np.maximum(units - 1, 1)
            self.variance = (_form(past, products, past) - units * self.mean**2) / degrees / units
            self.covariance = _form(past, products, metric) / (sums[..., 1] / units) / degrees / units


def _adjusted(plain: Ratio, control: _Linear, treatment: _Linear) -> Ratio:
    """θ = Cov / Var makes the variance smallest; where nobody has a past it is 0."""
    variance, covariance = control.variance + treatment.variance, control.covariance + treatment.covariance
    with np.errstate(divide="ignore", invalid="ignore"):
        theta = np.where(variance > 0, covariance / variance, 0.0)
    return Ratio(
        plain.mean - theta * (treatment.mean - control.mean),
        np.maximum(plain.variance - theta * covariance, 0.0),
    )


def _past_mean(arms: Arms) -> Floats:
    sums = arms.control.sums + arms.treatment.sums
    return np.where(sums[..., 3] > 0, sums[..., 2] / np.maximum(sums[..., 3], 1.0), 0.0)


def _weights(*columns: Floats | float) -> Floats:
    return np.stack(np.broadcast_arrays(*columns), axis=-1)


def _dot(weights: Floats, sums: Floats) -> Floats:
    return np.asarray(np.einsum("...i,...i->...", weights, sums))


def _form(left: Floats, products: Floats, right: Floats) -> Floats:
    return np.asarray(np.einsum("...i,...ij,...j->...", left, products, right))
