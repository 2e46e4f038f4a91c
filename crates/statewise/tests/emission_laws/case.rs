//! What a family brings to be tested: its specification, parameters and sample space.

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use statewise::data::Sequence;
use statewise::model::hmm::emission::{Emission, EmissionSpec, Prepared};
use statewise::params::{Array, FreeSpace, ParamSpec, Params, Properties};
use statewise_kernels::random::Seed;

/// One family with sizes, parameters in general position and its sample space.
pub(crate) struct Case {
    /// The specification as a user writes it in a model file.
    pub(crate) json: Value,
    /// Parameters inside the space, all states different.
    pub(crate) params: Vec<Array>,
    /// The sample space, as a product over groups of columns.
    pub(crate) groups: Vec<Group>,
    /// Whether the expected log-probability is a lower bound (latent variables in the statistics).
    pub(crate) augmented: bool,
    /// Whether rows may have gaps in single groups.
    pub(crate) gaps: bool,
    /// Columns with angles: values that differ by 2π are the same.
    pub(crate) circular: Vec<usize>,
    /// Rows outside the domain.
    pub(crate) bad_rows: Vec<Vec<f64>>,
    /// Fields of `json` with values that must be refused.
    pub(crate) bad_fields: Vec<(&'static str, Value)>,
}

/// Columns that are observed or missing together, with a quadrature rule over their values.
#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) columns: Range<usize>,
    /// Nodes and weights: Σ weight · f(node) is the sum or integral of f.
    pub(crate) nodes: Vec<(Vec<f64>, f64)>,
}

/// A family built from its case, with drawn rows (some missing), inputs and responsibilities.
pub(crate) struct Scene {
    pub(crate) emission: Box<dyn Emission>,
    pub(crate) schema: Vec<ParamSpec>,
    pub(crate) params: Params,
    pub(crate) rows: Vec<f64>,
    pub(crate) inputs: Vec<f64>,
    pub(crate) width: usize,
    pub(crate) num_steps: usize,
    pub(crate) gamma: Vec<f64>,
}

impl Case {
    /// A case without special traits.
    pub(crate) fn new(json: Value, params: Vec<Array>, groups: Vec<Group>) -> Self {
        let (bad_rows, bad_fields) = (vec![], vec![]);
        Case { json, params, groups, augmented: false, gaps: true, circular: vec![], bad_rows, bad_fields }
    }

    pub(crate) fn spec(&self) -> EmissionSpec {
        serde_json::from_value(self.json.clone()).unwrap_or_else(|e| panic!("{}: {e}", self.json))
    }

    pub(crate) fn name(&self) -> &str {
        self.json["family"].as_str().unwrap_or("?")
    }

    /// Draws 60 rows from the states in turn.
    pub(crate) fn scene(&self) -> Scene {
        let emission = self.spec().build().unwrap_or_else(|e| panic!("{}: {e}", self.name()));
        let schema = emission.schema();
        let params = Params::new(self.params.clone());
        params.check(&schema).unwrap_or_else(|e| panic!("{}: {e}", self.name()));
        let (num_steps, k) = (60, emission.num_states());
        let width = emission.emission_shape().iter().product::<usize>();
        let input_dim = emission.input_dim();
        let inputs: Vec<f64> = (0..num_steps * input_dim).map(|i| (1.7 * i as f64 + 0.3).sin()).collect();
        let mut rng = Seed(7).stream("rows", 0);
        let mut rows = vec![0.0; num_steps * width];
        {
            let prepared = emission.prepare(params.arrays()).unwrap();
            let mut row = vec![0.0; width];
            for t in 0..num_steps {
                let sequence = Sequence { emissions: &rows, width, inputs: &inputs, input_dim };
                prepared.sample(t % k, &sequence, t, &mut rng, &mut row);
                rows[t * width..(t + 1) * width].copy_from_slice(&row);
            }
        }
        let gamma = responsibilities(num_steps, k, &mut rng);
        let mut scene = Scene { emission, schema, params, rows, inputs, width, num_steps, gamma };
        if self.gaps {
            scene.rows[5 * width..6 * width].fill(f64::NAN);
            for t in (8..num_steps).step_by(7) {
                let columns = self.groups[t % self.groups.len()].columns.clone();
                scene.rows[t * width..(t + 1) * width][columns].fill(f64::NAN);
            }
        }
        scene
    }
}

impl Scene {
    pub(crate) fn sequence(&self) -> Sequence<'_> {
        let input_dim = self.emission.input_dim();
        Sequence { emissions: &self.rows, width: self.width, inputs: &self.inputs, input_dim }
    }

    pub(crate) fn num_states(&self) -> usize {
        self.emission.num_states()
    }

    pub(crate) fn prepare<'a>(&'a self, params: &'a Params) -> Box<dyn Prepared + 'a> {
        self.emission.prepare(params.arrays()).unwrap()
    }

    pub(crate) fn log_likelihoods(&self, params: &Params) -> Vec<f64> {
        let mut out = vec![f64::NAN; self.num_steps * self.num_states()];
        self.prepare(params).log_likelihoods(&self.sequence(), 0..self.num_steps, &mut out);
        out
    }

    /// Σ_t Σ_k γ_t(k) log p(y_t | z_t = k, θ), straight from the densities.
    pub(crate) fn weighted_loglik(&self, params: &Params) -> f64 {
        self.log_likelihoods(params).iter().zip(&self.gamma).map(|(l, g)| l * g).sum()
    }

    /// The statistics of all rows under `gamma`, gathered at the parameters of the scene.
    pub(crate) fn stats(&self, gamma: &[f64]) -> Vec<f64> {
        let mut stats = vec![0.0; self.emission.num_stats()];
        let prepared = self.prepare(&self.params);
        prepared.accumulate(&self.sequence(), 0..self.num_steps, gamma, &mut stats);
        stats
    }

    /// What an M-step climbs.
    pub(crate) fn objective(&self, params: &Params, stats: &[f64], prior: bool) -> f64 {
        self.emission.expected_log_prob(params.arrays(), stats)
            + if prior { self.emission.log_prior(params.arrays()) } else { 0.0 }
    }

    /// Its gradient in the free coordinates.
    pub(crate) fn slope(&self, space: &FreeSpace, params: &Params, stats: &[f64], prior: bool) -> Vec<f64> {
        let mut gradient = Params::zeros(&self.schema);
        self.emission.expected_log_prob_gradient(params.arrays(), stats, gradient.arrays_mut());
        if prior {
            self.emission.log_prior_gradient(params.arrays(), gradient.arrays_mut());
        }
        space.pull_back(params, &gradient)
    }

    /// All free coordinates.
    pub(crate) fn space(&self) -> FreeSpace {
        FreeSpace::new(&self.schema, &Properties::trainable(&self.schema), &self.params)
    }
}

/// Random rows that sum to one, some of them sharp.
pub(crate) fn responsibilities(num_steps: usize, k: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut gamma: Vec<f64> = (0..num_steps * k).map(|_| rng.random::<f64>().powi(3) + 1e-3).collect();
    for row in gamma.chunks_exact_mut(k) {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|g| *g /= sum);
    }
    gamma
}

/// The same one-column rule for each of `dim` columns.
pub(crate) fn entrywise(dim: usize, nodes: Vec<(Vec<f64>, f64)>) -> Vec<Group> {
    (0..dim).map(|d| Group { columns: d..d + 1, nodes: nodes.clone() }).collect()
}

/// The whole numbers below `end`.
pub(crate) fn whole(end: usize) -> Vec<(Vec<f64>, f64)> {
    (0..end).map(|y| (vec![y as f64], 1.0)).collect()
}

/// The trapezoid rule on [low, high], of spectral accuracy where the density has died off.
pub(crate) fn reals(low: f64, high: f64, intervals: usize) -> Vec<(Vec<f64>, f64)> {
    let step = (high - low) / intervals as f64;
    (0..=intervals).map(|i| (vec![low + i as f64 * step], step)).collect()
}

/// The trapezoid rule in ln y.
pub(crate) fn positives(low: f64, high: f64, intervals: usize) -> Vec<(Vec<f64>, f64)> {
    let rule = reals(low.ln(), high.ln(), intervals);
    rule.into_iter().map(|(x, w)| (vec![x[0].exp()], w * x[0].exp())).collect()
}

/// The trapezoid rule on the circle.
pub(crate) fn angles(intervals: usize) -> Vec<(Vec<f64>, f64)> {
    let step = std::f64::consts::TAU / intervals as f64;
    (0..intervals).map(|i| (vec![-std::f64::consts::PI + (i as f64 + 0.5) * step], step)).collect()
}
