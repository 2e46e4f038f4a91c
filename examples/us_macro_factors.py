"""What do the growth rates of an economy have in common?

Six quarterly series of the United States, 1959-2009, as standardised growth rates: a dynamic factor model,
z_t = F z_{t-1} + N(0, I) and y_t = H z_t + N(0, R) with a diagonal R, learned by EM with one to four factors.
Q = I and zeros above the diagonal of H pin down scale and rotation of the factors.

What to change next: other columns (`pop`, `m1`); `method="subspace"` as a start; or hide the last quarters of
some series and let the others tell (`y[-2:, 0] = np.nan`).
"""

import argparse
from pathlib import Path

import numpy as np

import statewise as sw

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--plot", metavar="FILE", help="where to draw (needs matplotlib)")
plot = parser.parse_args().plot

series = Path(__file__).parents[1] / "testdata" / "series" / "us_macro_quarterly.csv"
table = np.genfromtxt(series, delimiter=",", names=True)
names = ["realgdp", "realcons", "realinv", "realdpi", "unemp", "tbilrate"]
rates = {"unemp", "tbilrate"}  # in percent already: their differences
y = np.column_stack([np.diff(table[name] if name in rates else np.log(table[name])) for name in names])
y = (y - y.mean(axis=0)) / y.std(axis=0)
quarters = (table["year"] + (table["quarter"] - 1) / 4)[1:]

# Quarters in which the National Bureau of Economic Research saw a recession: from after the peak to the trough.
recessions = [
    (1960.5, 1961.0), (1970.0, 1970.75), (1974.0, 1975.0), (1980.25, 1980.5), (1981.75, 1982.75),
    (1990.75, 1991.0), (2001.25, 2001.75), (2008.0, 2009.25),
]  # fmt: skip


def fit_factors(num_factors):
    model = sw.LinearGaussianSSM(num_factors, len(names), 0, False, False, emission_covariance="diagonal")
    unit = np.eye(num_factors)
    start, props = model.initialize(method="pca", emissions=y, dynamics_covariance=unit)
    start = start._replace({"emissions.weights": np.tril(start.emissions.weights)})
    props.emissions.weights.free = np.tril(np.ones((len(names), num_factors))) > 0
    props.dynamics.cov.trainable = props.initial.mean.trainable = props.initial.cov.trainable = False
    params = model.fit_em(start, props, y, num_iters=500).params
    return model, params, model.information_criteria(params, y, props=props)


fits = [fit_factors(num_factors) for num_factors in (1, 2, 3, 4)]
print("factors  parameters  log likelihood      AIC      BIC")
for model, _, found in fits:
    line = found.num_parameters, found.marginal_loglik, found.aic, found.bic
    print(f"{model.state_dim:7d}  " + "{:10d}  {:14.3f}  {:7.1f}  {:7.1f}".format(*line))
print(f"BIC prefers {min(fits, key=lambda one: one[2].bic)[0].state_dim}")

# The one factor of the smallest model: the business cycle, up where output grows.
model, params, _ = fits[0]
posterior = model.smoother(params, y)
sign = np.sign(params.emissions.weights[0, 0])
factor, loadings = sign * posterior.smoothed_means[:, 0], sign * params.emissions.weights[:, 0]
std = np.sqrt(posterior.smoothed_covariances[:, 0, 0])
down = np.any([(start <= quarters) & (quarters <= end) for start, end in recessions], axis=0)
print(f"mean of the factor in recessions: {factor[down].mean():.2f}, elsewhere: {factor[~down].mean():.2f}")
deep = sum(factor[(start <= quarters) & (quarters <= end)].min() < -2 for start, end in recessions)
print(f"recessions in which it fell below -2: {deep} of {len(recessions)}")

if plot:
    import matplotlib.pyplot as plt

    fig, (top, bottom) = plt.subplots(2, 1, figsize=(9, 6), layout="constrained", height_ratios=[2, 1])
    for start, end in recessions:
        top.axvspan(start - 0.125, end + 0.125, color="#999999", alpha=0.3, linewidth=0)
    low, high = factor - 1.96 * std, factor + 1.96 * std
    top.fill_between(quarters, low, high, color="#0072B2", alpha=0.25, linewidth=0)
    top.plot(quarters, factor, color="#0072B2", linewidth=1.2)
    top.axhline(0.0, color="#777777", linewidth=0.8)
    top.set(title="The common factor with a 95 % band; recessions in grey", ylabel="standardised")
    top.margins(x=0)
    bottom.barh(names[::-1], loadings[::-1], color="#0072B2")
    bottom.axvline(0.0, color="#777777", linewidth=0.8)
    bottom.set(xlabel="loading on the factor")
    for ax in (top, bottom):
        ax.spines[["top", "right"]].set_visible(False)
    fig.savefig(plot, dpi=150)
