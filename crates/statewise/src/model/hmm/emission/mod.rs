//! Emission families of hidden Markov models, one a file.
//!
//! A family declares its parameters ([`Component::schema`]), turns rows into log-likelihoods and
//! rows with responsibilities into *expected sufficient statistics* (a flat vector that adds up
//! over rows, sequences, threads and machines), and maximises or differentiates the expected
//! complete log-likelihood as a function of those statistics.

mod bernoulli;
mod categorical;
mod categorical_regression;
mod channels;
mod circular;
mod class_probs;
mod column_view;
mod conjugate;
mod constructors;
mod count_table;
mod diagonal_gaussian;
mod diagonal_gaussian_mixture;
mod entrywise;
mod exponential;
mod gamma;
mod gamma_shape;
mod gaussian;
mod gaussian_mixture;
mod gaussians;
mod hyper;
mod independents;
mod label_regression;
mod linear_autoregressive;
mod linear_regression;
mod log_normal;
mod logistic_regression;
mod low_rank_gaussian;
mod mixture;
mod moments;
mod multinomial;
mod negative_binomial;
mod poisson;
mod priors;
mod regression;
mod shared_covariance_gaussian;
mod spec;
mod spherical_gaussian;
mod student_t;
mod variance_floor;
mod von_mises;
mod zero_inflated_poisson;

use std::ops::Range;

use rand_chacha::ChaCha8Rng;

pub use bernoulli::Bernoulli;
pub use categorical::Categorical;
pub use categorical_regression::CategoricalRegression;
pub use channels::Channels;
pub use diagonal_gaussian::DiagonalGaussian;
pub use diagonal_gaussian_mixture::DiagonalGaussianMixture;
pub use exponential::Exponential;
pub use gamma::Gamma;
pub use gaussian::Gaussian;
pub use gaussian_mixture::GaussianMixture;
pub use hyper::ScalarOrArray;
pub use linear_autoregressive::LinearAutoregressive;
pub use linear_regression::LinearRegression;
pub use log_normal::LogNormal;
pub use logistic_regression::LogisticRegression;
pub use low_rank_gaussian::LowRankGaussian;
pub use multinomial::Multinomial;
pub use negative_binomial::NegativeBinomial;
pub use poisson::Poisson;
pub use shared_covariance_gaussian::SharedCovarianceGaussian;
pub use spec::EmissionSpec;
pub use spherical_gaussian::SphericalGaussian;
pub use student_t::StudentT;
pub use von_mises::VonMises;
pub use zero_inflated_poisson::ZeroInflatedPoisson;

use crate::data::{Dataset, Sequence};
use crate::error::{Error, Result};
use crate::model::hmm::component::{Component, MStep, maximise};
use crate::params::{Array, ParamProperties};

/// A family of emission distributions p(y_t | z_t = k, u_t, y_{<t}).
///
/// Paths of its parameters start with `emissions.`.
pub trait Emission: Component {
    /// K.
    fn num_states(&self) -> usize;

    /// Shape of one emission: `[]` for scalars, `[D]` for vectors, `[D, C]` for counts.
    fn emission_shape(&self) -> Vec<usize>;

    /// U, the dimension of the inputs that the family reads; 0 if it reads none.
    fn input_dim(&self) -> usize {
        0
    }

    /// Number of rows before y_t that its density reads.
    fn num_lags(&self) -> usize {
        0
    }

    /// Checks that rows are in the domain (whole, in range, positive); NaN is always allowed.
    ///
    /// # Errors
    /// [`Error::Argument`] with row, column, what was found and what was expected.
    fn check_rows(&self, rows: &[f64]) -> Result<()> {
        let _ = rows;
        Ok(())
    }

    /// Factorises and tabulates what log-likelihoods need, once for all sequences.
    ///
    /// # Errors
    /// Parameters that have no density (a singular covariance).
    fn prepare<'a>(&'a self, params: &'a [Array]) -> Result<Box<dyn Prepared + 'a>>;

    /// Appends the coordinates in which rows are clustered: the row itself, unless distances between
    /// rows mean nothing (labels) or wrap around (angles). NaN where an entry is missing.
    fn features(&self, row: &[f64], out: &mut Vec<f64>) {
        out.extend_from_slice(row);
    }

    /// Starts from data: clusters rows into states, then maximises given the clusters.
    ///
    /// # Errors
    /// Fewer distinct rows than states.
    fn initialize_from_data(&self, data: &Dataset<'_>, rng: &mut ChaCha8Rng) -> Result<Vec<Array>> {
        cluster_and_maximise(self, self.sample_prior(rng), data, rng)
    }
}

/// Parameters made ready for densities, statistics and draws.
pub trait Prepared: Send + Sync {
    /// Writes log p(y_t | z_t = k) for the steps, shape \[len, K\]; missing entries integrated out.
    fn log_likelihoods(&self, sequence: &Sequence<'_>, steps: Range<usize>, out: &mut [f64]);

    /// Writes likelihoods over exp(shift) and the shifts, as `Observations::scaled_likelihoods`.
    /// Override it where there is something cheaper than the exponential of a log-likelihood.
    fn scaled_likelihoods(
        &self,
        sequence: &Sequence<'_>,
        steps: Range<usize>,
        out: &mut [f64],
        shift: &mut [f64],
    ) {
        self.log_likelihoods(sequence, steps, out);
        statewise_kernels::math::exp_shifted_rows(out, shift);
    }

    /// Adds the statistics of the steps, weighted by `gamma` = p(z_t = k | y), shape \[len, K\].
    fn accumulate(&self, sequence: &Sequence<'_>, steps: Range<usize>, gamma: &[f64], stats: &mut [f64]);

    /// Draws y_t given z_t = `state`. Rows before `t` of the sequence are already drawn.
    fn sample(
        &self,
        state: usize,
        sequence: &Sequence<'_>,
        t: usize,
        rng: &mut ChaCha8Rng,
        out: &mut [f64],
    );

    /// Writes E[y_t | z_t = state] (\[width\]) and Cov[y_t | z_t = state] (\[width, width\]); for
    /// labels the moments are those of the label.
    fn moments(&self, state: usize, sequence: &Sequence<'_>, t: usize, mean: &mut [f64], cov: &mut [f64]);
}

/// Clusters the complete rows by k-means, takes the clusters as responsibilities and maximises.
pub(crate) fn cluster_and_maximise<E: Emission + ?Sized>(
    emission: &E,
    params: Vec<Array>,
    data: &Dataset<'_>,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<Array>> {
    maximise_clusters(emission, params, data, 1.0, rng)
}

/// As [`cluster_and_maximise`], with rows that belong to their cluster by `certainty` and to any
/// state by the rest: so a cluster of equal rows is no spike where no prior prevents it.
pub(crate) fn maximise_clusters<E: Emission + ?Sized>(
    emission: &E,
    mut params: Vec<Array>,
    data: &Dataset<'_>,
    certainty: f64,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<Array>> {
    let k = emission.num_states();
    let mut features = Vec::with_capacity(data.rows().len());
    data.rows().chunks_exact(data.width()).for_each(|row| emission.features(row, &mut features));
    let labels = crate::learn::kmeans(&features, features.len() / data.num_rows(), k, rng)?.labels;
    let properties = vec![ParamProperties::default(); params.len()];
    let mut stats = vec![0.0; emission.num_stats()];
    {
        let prepared = emission.prepare(&params)?;
        for n in 0..data.num_sequences() {
            let range = data.range(n);
            let mut gamma = vec![0.0; range.len() * k];
            for (row, t) in gamma.chunks_exact_mut(k).zip(range.clone()) {
                // A row with a gap is left out: it would be completed by a draw from the prior.
                if let Some(label) = labels[t] {
                    row.fill((1.0 - certainty) / k as f64);
                    row[label] += certainty;
                }
            }
            prepared.accumulate(&data.sequence(n), 0..range.len(), &gamma, &mut stats);
        }
    }
    let step = MStep { stats: &stats, prior: true, properties: &properties };
    maximise(emission, &step, &mut params);
    Ok(params)
}

/// Checks that every entry that is not missing satisfies `accept`.
pub(crate) fn check_entries(
    rows: &[f64],
    width: usize,
    expected: &str,
    accept: impl Fn(f64) -> bool,
) -> Result<()> {
    match rows.iter().position(|x| !x.is_nan() && !accept(*x)) {
        None => Ok(()),
        Some(i) => {
            let place = format!("emissions row {}, column {}", i / width, i % width);
            Err(Error::argument(place, rows[i], expected))
        }
    }
}
