//! The linear Gaussian state space model with fixed matrices.
//!
//! z_1 ~ N(m, S);  z_t = F z_{t-1} + B u_t + b + N(0, Q);  y_t = H z_t + D u_t + d + N(0, R)

use super::covariance::CovarianceForm;
use super::lgssm_params::LgssmParams;
use super::regression::{Columns, Regression};
use super::spec::LinearGaussianSpec;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::params::{Array, Constraint, ParamSpec, Params};

/// A linear Gaussian model; with priors in its specification, Dynamax's `LinearGaussianConjugateSSM`.
/// Parameters live outside, in a [`Params`].
#[derive(Debug)]
pub struct LinearGaussianSsm {
    spec: LinearGaussianSpec,
    schema: Vec<ParamSpec>,
    pub(super) initial: Regression,
    pub(super) dynamics: Regression,
    pub(super) emissions: Regression,
}

impl LinearGaussianSsm {
    /// Builds the model of a specification.
    ///
    /// # Errors
    /// A size of 0, or priors that do not fit.
    pub fn new(spec: LinearGaussianSpec) -> Result<Self> {
        spec.check()?;
        let (d, m) = (spec.state_dim, spec.emission_dim);
        let mut schema = Vec::new();
        let prior = spec.prior.clone();
        let (initial, dynamics, emissions) = match prior {
            Some(p) => (Some(p.initial.as_matrix_normal()), Some(p.dynamics), Some(p.emissions)),
            None => (None, None, None),
        };
        let real = |path: &str, keyword: &str, shape: &[usize]| {
            ParamSpec::new(path, keyword, shape, Constraint::Real).with_state_axes(0)
        };
        schema.push(real("initial.mean", "initial_mean", &[d]));
        let columns = vec![Columns { array: 0, width: 1 }];
        let mut end = 0;
        let mut part =
            |schema: &mut Vec<ParamSpec>, columns, cov, form: &CovarianceForm, outputs, prior| {
                schema.push(cov);
                let (cov, form) = (schema.len() - 1, form.clone());
                let mut part = Regression { outputs, columns, cov, form, prior, stats: 0..0 };
                part.stats = end..end + part.num_stats();
                end = part.stats.end;
                part
            };
        let cov = spec.initial_cov.spec("initial.cov", "initial_covariance", d);
        let initial = part(&mut schema, columns, cov, &spec.initial_cov, d, initial);
        let weights = |schema: &mut Vec<ParamSpec>, name: &str, keyword: &str, rows: usize, bias: bool| {
            let mut columns = Vec::new();
            let mut add = |what: &str, shape: &[usize], width: usize| {
                columns.push(Columns { array: schema.len(), width });
                schema.push(real(&format!("{name}.{what}"), &format!("{keyword}_{what}"), shape));
            };
            add("weights", &[rows, d], d);
            if spec.input_dim > 0 {
                add("input_weights", &[rows, spec.input_dim], spec.input_dim);
            }
            if bias {
                add("bias", &[rows], 1);
            }
            columns
        };
        let columns = weights(&mut schema, "dynamics", "dynamics", d, spec.has_dynamics_bias);
        let cov = spec.dynamics_cov.spec("dynamics.cov", "dynamics_covariance", d);
        let dynamics = part(&mut schema, columns, cov, &spec.dynamics_cov, d, dynamics);
        let columns = weights(&mut schema, "emissions", "emission", m, spec.has_emissions_bias);
        let cov = spec.emissions_cov.spec("emissions.cov", "emission_covariance", m);
        let emissions = part(&mut schema, columns, cov, &spec.emissions_cov, m, emissions);
        Ok(LinearGaussianSsm { spec, schema, initial, dynamics, emissions })
    }

    /// What the model is made of.
    pub fn spec(&self) -> &LinearGaussianSpec {
        &self.spec
    }

    /// Names, shapes and constraints of all parameters.
    pub fn schema(&self) -> &[ParamSpec] {
        &self.schema
    }

    /// The model with these parameters, as the engines and all verbs take it.
    ///
    /// # Errors
    /// Parameters that do not fit.
    pub fn lower(&self, params: &Params) -> Result<LgssmParams> {
        params.check(&self.schema)?;
        let (d, m) = (self.spec.state_dim, self.spec.emission_dim);
        let array = |path: &str| params.get(&self.schema, path).cloned();
        let required =
            |path: &str| array(path).ok_or_else(|| Error::argument("params", "an incomplete schema", path));
        let full = |path: &str, form: &CovarianceForm, n: usize| -> Result<Array> {
            Ok(Array::new(&[n, n], form.matrix_of(required(path)?.values(), n)))
        };
        let emissions_cov = required("emissions.cov")?;
        let diagonal_emissions_cov = self.spec.emissions_cov.is_diagonal();
        let emissions_cov = if diagonal_emissions_cov {
            Array::new(&[m], self.spec.emissions_cov.variances(emissions_cov.values(), m))
        } else {
            emissions_cov
        };
        Ok(LgssmParams {
            initial_mean: required("initial.mean")?,
            initial_cov: full("initial.cov", &self.spec.initial_cov, d)?,
            initial_diffuse: None,
            dynamics_weights: required("dynamics.weights")?,
            dynamics_bias: array("dynamics.bias"),
            dynamics_input_weights: array("dynamics.input_weights"),
            dynamics_cov: full("dynamics.cov", &self.spec.dynamics_cov, d)?,
            emissions_weights: required("emissions.weights")?,
            emissions_bias: array("emissions.bias"),
            emissions_input_weights: array("emissions.input_weights"),
            emissions_cov,
            diagonal_emissions_cov,
        })
    }

    /// The gradient with respect to the parameters, given the one with respect to what they become in
    /// [`LinearGaussianSsm::lower`].
    pub(super) fn raise_gradient(&self, lowered: &LgssmParams) -> Params {
        let (d, m) = (self.spec.state_dim, self.spec.emission_dim);
        let optional = |array: &Option<Array>| array.as_ref().map_or(vec![], |a| a.values().to_vec());
        let emissions_cov = self.spec.emissions_cov.pull_back(lowered.emissions_cov.values(), m);
        let array = |path: &str| match path {
            "initial.mean" => lowered.initial_mean.values().to_vec(),
            "initial.cov" => self.spec.initial_cov.pull_back(lowered.initial_cov.values(), d),
            "dynamics.weights" => lowered.dynamics_weights.values().to_vec(),
            "dynamics.input_weights" => optional(&lowered.dynamics_input_weights),
            "dynamics.bias" => optional(&lowered.dynamics_bias),
            "dynamics.cov" => self.spec.dynamics_cov.pull_back(lowered.dynamics_cov.values(), d),
            "emissions.weights" => lowered.emissions_weights.values().to_vec(),
            "emissions.input_weights" => optional(&lowered.emissions_input_weights),
            "emissions.bias" => optional(&lowered.emissions_bias),
            _ => emissions_cov.clone(),
        };
        Params::new(self.schema.iter().map(|spec| Array::new(&spec.shape, array(&spec.path))).collect())
    }

    /// Checks that data fit the model: width and inputs.
    ///
    /// # Errors
    /// [`Error::Argument`] naming what does not fit.
    pub fn check_data(&self, data: &Dataset<'_>) -> Result<()> {
        if data.width() != self.spec.emission_dim {
            let expected = format!("{} columns (emission_dim)", self.spec.emission_dim);
            return Err(Error::argument("emissions", format!("{} columns", data.width()), expected));
        }
        if data.input_dim() != self.spec.input_dim {
            let expected = match self.spec.input_dim {
                0 => "no inputs, the model reads none".to_owned(),
                dim => format!("inputs of dimension {dim}"),
            };
            return Err(Error::argument("inputs", format!("dimension {}", data.input_dim()), expected));
        }
        Ok(())
    }

    pub(super) fn parts(&self) -> [&Regression; 3] {
        [&self.initial, &self.dynamics, &self.emissions]
    }

    pub(super) fn num_stats(&self) -> usize {
        self.emissions.stats.end
    }

    /// x = (z_{t-1}, u_t, 1) of the dynamics.
    pub(super) fn dynamics_row(&self, state: &[f64], input: &[f64], row: &mut Vec<f64>) {
        regressor(state, input, self.spec.has_dynamics_bias, row);
    }

    /// x = (z_t, u_t, 1) of the emissions.
    pub(super) fn emissions_row(&self, state: &[f64], input: &[f64], row: &mut Vec<f64>) {
        regressor(state, input, self.spec.has_emissions_bias, row);
    }
}

fn regressor(state: &[f64], input: &[f64], bias: bool, row: &mut Vec<f64>) {
    row.clear();
    row.extend_from_slice(state);
    row.extend_from_slice(input);
    row.extend(bias.then_some(1.0));
}
