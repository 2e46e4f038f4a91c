//! Drawn continuations in numbers: means, standard deviations and central intervals.

use statewise::{Error, Result};

use super::forecast::Forecasts;
use super::generate::Generated;

/// Moments and bounds of x_{T+h}; the first axis counts sequences, the second steps ahead.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForecastSummary {
    /// E\[x\], the average of the emission's means over paths, shape \[N, H, E\]; probabilities of labels,
    /// shape \[N, H, E K\].
    pub means: Vec<f64>,
    /// √Var\[x\] over drawn observations, shape \[N, H, E\].
    pub deviations: Vec<f64>,
    /// The quantile (1 − level) / 2 of drawn observations, shape \[N, H, E\].
    pub lower: Vec<f64>,
    /// The quantile (1 + level) / 2, shape \[N, H, E\].
    pub upper: Vec<f64>,
}

impl Forecasts {
    /// Summarises the paths of every sequence; `level` is the probability between the bounds.
    ///
    /// # Errors
    /// A level that is no probability.
    pub fn summary(&self, level: f64) -> Result<ForecastSummary> {
        if !(0.0..=1.0).contains(&level) {
            return Err(Error::argument("level", level, "a number from 0 to 1"));
        }
        let mut summary = ForecastSummary::default();
        for paths in &self.sequences {
            for h in 0..self.horizon {
                summary.add_step(paths, h, level);
            }
        }
        Ok(summary)
    }
}

impl ForecastSummary {
    fn add_step(&mut self, paths: &Generated, h: usize, level: f64) {
        let count = paths.num_paths as f64;
        for values in across_paths(&paths.emission_means, paths, h) {
            self.means.push(values.iter().sum::<f64>() / count);
        }
        for mut values in across_paths(&paths.observations, paths, h) {
            let mean = values.iter().sum::<f64>() / count;
            let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
            self.deviations.push(variance.sqrt());
            values.sort_by(f64::total_cmp);
            self.lower.push(quantile(&values, (1.0 - level) / 2.0));
            self.upper.push(quantile(&values, (1.0 + level) / 2.0));
        }
    }
}

/// For each entry of a row of step h, its values over paths.
fn across_paths<'a>(
    values: &'a [f64],
    paths: &Generated,
    h: usize,
) -> impl Iterator<Item = Vec<f64>> + use<'a> {
    let (num_paths, num_steps) = (paths.num_paths, paths.num_steps);
    let width = values.len() / (num_paths * num_steps);
    (0..width).map(move |j| (0..num_paths).map(|n| values[(n * num_steps + h) * width + j]).collect())
}

/// Linear between the order statistics, the least at 0 and the greatest at 1.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (place - place.floor()) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_equally_spaced_values_are_linear_in_the_share() {
        let sorted: Vec<f64> = (0..=8).map(f64::from).collect();
        for share in [0.0, 0.1, 0.5, 0.77, 1.0] {
            // One multiplication and one addition apart.
            assert!((quantile(&sorted, share) - 8.0 * share).abs() < 1e-14);
        }
        assert_eq!(quantile(&[3.0], 0.025), 3.0);
    }
}
