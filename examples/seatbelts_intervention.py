"""How many drivers did the seat belt law save?

Car drivers killed or seriously injured in Great Britain, by month, 1969-1984, in logarithms: a level, a fixed
season, the price of petrol, and a step in February 1983, when belts became compulsory.

What to change next: `DriversKilled`, `front` or `rear` (whose seats the law left alone) instead of `drivers`;
`Seasonal(12)` that changes; or `kms` as another input.
"""

import argparse
from pathlib import Path

import numpy as np

import statewise as sw
from statewise.structural import Intervention, LocalLevel, Regression, Seasonal, StructuralTimeSeries

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--plot", metavar="FILE", help="where to draw (needs matplotlib)")
plot = parser.parse_args().plot

series = Path(__file__).parents[1] / "testdata" / "series" / "uk_seatbelts_monthly.csv"
table = np.genfromtxt(series, delimiter=",", names=True)
times = table["year"] + (table["month"] - 1) / 12
y = np.log(table["drivers"])
price = np.log(table["PetrolPrice"])
price -= price.mean()  # so that the level is that of a month at the usual price
law = int(np.argmax(table["law"]))

model = StructuralTimeSeries(
    LocalLevel()
    + Seasonal(12, stochastic=False)
    + Regression(0).named("petrol")
    + Intervention(law).named("law")
)
fit = model.fit(y, price[:, None])
print(fit.summary())

effects = {effect.name.split(".")[0]: effect for effect in fit.coefficients()}
mean, error = effects["law"].mean, effects["law"].std_error
low, middle, high = 100 * np.expm1(mean + 1.96 * error * np.array([-1, 0, 1]))
print(f"the law changed the number by {middle:.1f} % ({low:.1f} to {high:.1f} % with probability 95 %)")
print(f"petrol dearer by 10 % changed it by {100 * (1.1 ** effects['petrol'].mean - 1):.1f} %")

if plot:
    panels = sw.plots.plot_components(fit.decompose(), y, times=times)
    panels[0].set_title("level, with the series (log of drivers)", loc="left", fontsize=10)
    panels[-1].set_xlabel("")
    panels[0].get_figure().savefig(plot, dpi=150)
