//! Starting parameters, scaled by the data.

use rand_distr::{Distribution, StandardNormal};
use statewise_kernels::random::Seed;

use super::StructuralTimeSeries;
use super::block::{Block, Scale};
use super::component::{Component, Spread, Values};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::params::{Array, FreeSpace, Params, Properties};

/// Share of the variance of changes from row to row that the observation noise starts with.
const IRREGULAR_SHARE: f64 = 0.25;

impl StructuralTimeSeries {
    /// Starting parameters for learning, scaled by the variances of the series and of their changes;
    /// `given` values are taken as they are.
    ///
    /// * `seed` – `None`: the same start each time. Else free coordinates (log variances, say) are
    ///   moved by N(0, 1), for fits from several starts.
    /// * `given` – values by the dotted name or the keyword of their parameter.
    ///
    /// # Errors
    /// Data or a given value that do not fit, or a name that the model does not have.
    pub fn initialize(
        &self,
        data: &Dataset<'_>,
        seed: Option<Seed>,
        given: &[(String, Array)],
    ) -> Result<(Params, Properties)> {
        self.check_data(data)?;
        let scales = self.scales(data)?;
        let mut params = Params::zeros(&self.schema);
        for component in &self.components {
            component.write_start(data, &scales, params.arrays_mut());
        }
        if let (Some(spread), Some(array)) = (self.irregular_spread(), params.arrays_mut().last_mut()) {
            let variances: Vec<f64> = scales.iter().map(|s| IRREGULAR_SHARE * s.change).collect();
            write_variances(spread, &variances, array.values_mut());
        }
        let properties = Properties::trainable(&self.schema);
        if let Some(seed) = seed {
            let space = FreeSpace::new(&self.schema, &properties, &params);
            let mut rng = seed.stream("initialize", 0);
            let moved = space.to_free(&params).into_iter().map(|x| {
                let step: f64 = StandardNormal.sample(&mut rng);
                x + step
            });
            params = space.from_free(&moved.collect::<Vec<f64>>());
        }
        for (path, value) in given {
            let Some(index) =
                self.schema.iter().position(|spec| spec.path == *path || spec.keyword == *path)
            else {
                let known: Vec<&str> = self.schema.iter().map(|spec| spec.path.as_str()).collect();
                return Err(Error::argument(path, "no such parameter", known.join(", ")));
            };
            self.schema[index].check(value)?;
            params.arrays_mut()[index] = value.clone();
        }
        params.check(&self.schema)?;
        Ok((params, properties))
    }

    /// The scale of each series.
    fn scales(&self, data: &Dataset<'_>) -> Result<Vec<Scale>> {
        let (mut sum, mut num, mut span) = (0.0, 0usize, 0.0f64);
        for sequence in data.sequences() {
            let steps = self.steps(&sequence)?;
            let length = if steps.is_empty() {
                sequence.num_steps() as f64 - 1.0
            } else {
                steps.iter().sum::<f64>()
            };
            sum += length;
            num += sequence.num_steps() - 1;
            span = span.max(length);
        }
        let step = if sum > 0.0 { sum / num as f64 } else { 1.0 };
        let span = if span > 0.0 { span } else { 1.0 };
        let scale = |m: usize| {
            let column = data.rows().iter().skip(m).step_by(data.width()).copied();
            let level = variance(column.filter(|y| !y.is_nan())).unwrap_or(1.0);
            let change = variance(changes(data, m)).unwrap_or(level);
            Scale { level, change, step, span }
        };
        Ok((0..self.emission_dim()).map(scale).collect())
    }
}

impl Component {
    fn write_start(&self, data: &Dataset<'_>, scales: &[Scale], arrays: &mut [Array]) {
        let starts: Vec<_> = self.series.iter().map(|m| self.block.start(&scales[*m])).collect();
        let Some((theta, first)) = starts.first() else { return };
        let mut loadings = vec![1.0; self.series.len()];
        for (loading, m) in loadings.iter_mut().zip(&self.series).skip(1) {
            *loading = slope(data, self.series[0], *m);
        }
        let spread = self.spread();
        let covs = (0..first.len()).map(|k| {
            let variances: Vec<f64> = starts.iter().map(|(_, variances)| variances[k]).collect();
            let mut values = vec![0.0; spread.len(self.copies)];
            write_variances(spread, &variances, &mut values);
            // `add_gradient` sums over copies where they have one variance.
            let matrix = spread.expand(&values, self.copies);
            let share = if spread == Spread::Scalar { 1.0 / self.copies as f64 } else { 1.0 };
            matrix.iter().map(|x| share * x).collect()
        });
        let values = Values { loadings, theta: theta.clone(), covs: covs.collect() };
        self.add_gradient(&values, arrays);
    }
}

/// Variances as a parameter: the mean of all, each, or a diagonal matrix.
fn write_variances(spread: Spread, variances: &[f64], out: &mut [f64]) {
    match spread {
        Spread::Scalar => out[0] = variances.iter().sum::<f64>() / variances.len() as f64,
        Spread::Diagonal => out.copy_from_slice(variances),
        Spread::Full => {
            let n = variances.len();
            (0..n).for_each(|i| out[i * (n + 1)] = variances[i]);
        }
    }
}

/// y_t − y_{t-1} of one series, where both are there.
fn changes<'a>(data: &'a Dataset<'_>, series: usize) -> impl Iterator<Item = f64> + 'a {
    let within = move |n: usize| {
        let sequence = data.sequence(n);
        (1..sequence.num_steps())
            .map(move |t| sequence.emission(t)[series] - sequence.emission(t - 1)[series])
    };
    (0..data.num_sequences()).flat_map(within).filter(|x| !x.is_nan())
}

/// The variance, if it is a positive number.
fn variance(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    let num = values.len() as f64;
    let mean = values.iter().sum::<f64>() / num;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / num;
    (variance.is_finite() && variance > 0.0).then_some(variance)
}

/// The ratio of the spreads of the changes of two series, with the sign of their product; 1 without
/// any.
fn slope(data: &Dataset<'_>, from: usize, to: usize) -> f64 {
    let (mut product, mut square_from, mut square_to) = (0.0, 0.0, 0.0);
    for sequence in data.sequences() {
        for t in 1..sequence.num_steps() {
            let change = |m: usize| sequence.emission(t)[m] - sequence.emission(t - 1)[m];
            let (a, b) = (change(from), change(to));
            if !(a.is_nan() || b.is_nan()) {
                product += a * b;
                square_from += a * a;
                square_to += b * b;
            }
        }
    }
    let ratio = (square_to / square_from).sqrt();
    if ratio.is_finite() && ratio > 0.0 { ratio.copysign(product) } else { 1.0 }
}
