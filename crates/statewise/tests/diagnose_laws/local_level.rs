//! A local level with all that may be learnt about it, as a model of three or four parameters.

use statewise::data::Dataset;
use statewise::infer::gaussian::GaussianOptions;
use statewise::learn::{Learnable, MStepOutcome, Statistics};
use statewise::model::linear_gaussian::LgssmParams;
use statewise::params::{Array, Constraint, ParamSpec, Params, Properties};
use statewise::{Error, Result};

/// z_t = φ z_{t-1} + N(0, q);  y_t = z_t + d + N(0, r);  z_1 ~ N(start, start_var + s r + s q).
///
/// With s = 1 and `start` the observation before the first, this is what an exact diffuse start gives.
pub(crate) struct LocalLevel {
    schema: Vec<ParamSpec>,
    pub(crate) start: f64,
    pub(crate) start_var: f64,
    pub(crate) shares_noise: f64,
}

impl LocalLevel {
    pub(crate) fn new(start: f64, start_var: f64, shares_noise: f64) -> Self {
        let spec = |path, constraint| ParamSpec::new(path, path, &[1], constraint).with_state_axes(0);
        let schema = vec![
            spec("observation_variance", Constraint::Positive),
            spec("level_variance", Constraint::Positive),
            spec("decay", Constraint::Real),
            spec("offset", Constraint::Real),
            spec("other_offset", Constraint::Real),
        ];
        LocalLevel { schema, start, start_var, shares_noise }
    }

    /// Parameters r, q, φ, d and a second offset.
    pub(crate) fn params(values: [f64; 5]) -> Params {
        Params::new(values.iter().map(|x| Array::new(&[1], vec![*x])).collect())
    }

    /// Only the arrays with these indices may move.
    pub(crate) fn free(&self, indices: &[usize]) -> Properties {
        let mut properties = Properties::trainable(&self.schema);
        for (i, property) in properties.0.iter_mut().enumerate() {
            property.trainable = indices.contains(&i);
        }
        properties
    }

    pub(crate) fn lower(&self, params: &Params) -> LgssmParams {
        let [r, q, phi, d, e] = [0, 1, 2, 3, 4].map(|i| params.arrays()[i].values()[0]);
        let matrix = |x: f64| Array::new(&[1, 1], vec![x]);
        let start = self.start_var + self.shares_noise * (r + q);
        LgssmParams {
            emissions_bias: Some(Array::new(&[1], vec![d + e])),
            ..LgssmParams::new(
                Array::new(&[1], vec![self.start]),
                matrix(start),
                matrix(phi),
                matrix(q),
                matrix(1.0),
                matrix(r),
            )
        }
    }
}

impl Learnable for LocalLevel {
    fn schema(&self) -> &[ParamSpec] {
        &self.schema
    }

    fn check_data(&self, _data: &Dataset<'_>) -> Result<()> {
        Ok(())
    }

    fn e_step(&self, params: &Params, data: &Dataset<'_>) -> Result<Statistics> {
        let found = self.lower(params).gradient(data, &GaussianOptions::default())?;
        let slope = |array: &Array| array.values()[0];
        let g = &found.params;
        let start = self.shares_noise * slope(&g.initial_cov);
        let bias = slope(g.emissions_bias.as_ref().unwrap());
        let mut statistics = Statistics::zeros(0);
        statistics.values = vec![
            slope(&g.emissions_cov) + start,
            slope(&g.dynamics_cov) + start,
            slope(&g.dynamics_weights),
            bias,
            bias,
        ];
        for (n, loglik) in found.marginal_loglik.iter().enumerate() {
            statistics.marginal_loglik += data.weight(n) * loglik;
        }
        Ok(statistics)
    }

    fn m_step(&self, _: &Params, _: &Properties, _: &Statistics, _: bool) -> Result<MStepOutcome> {
        Err(Error::argument("learner", "EM", "a learner that climbs the score"))
    }

    fn score(&self, _params: &Params, statistics: &Statistics) -> Params {
        Params::new(statistics.values.iter().map(|x| Array::new(&[1], vec![*x])).collect())
    }

    fn log_prior(&self, _params: &Params) -> f64 {
        0.0
    }

    fn log_prior_gradient(&self, _params: &Params) -> Params {
        Params::zeros(&self.schema)
    }

    fn warnings(&self, _statistics: &Statistics) -> Vec<String> {
        Vec::new()
    }
}
