//! Structural models fed one observation at a time: each step is made of its input.

use std::sync::Arc;

use super::StructuralTimeSeries;
use super::block::{Block, Weights};
use super::component::Values;
use super::timeline::step_length;
use crate::data::Sequence;
use crate::error::Result;
use crate::infer::gaussian::{
    GaussianOnlineFilter, GaussianOptions, GaussianStep, GaussianTransition, StepModel,
};
use crate::model::linear_gaussian::LgssmParams;
use crate::params::{Array, Params};

impl StructuralTimeSeries {
    /// Starts a filter before the first observation. Its inputs are those of the model: regressors, the
    /// length of the step or its time stamp.
    ///
    /// `history` is the number of last steps that are kept, as in [`LgssmParams::online_filter`].
    ///
    /// # Errors
    /// Parameters that do not fit.
    pub fn online_filter(
        &self,
        params: &Params,
        options: &GaussianOptions,
        history: usize,
    ) -> Result<GaussianOnlineFilter> {
        let lowered = self.lower_fixed(params)?;
        if self.input_dim() == 0 && !self.counts_steps() {
            return GaussianOnlineFilter::start(lowered, None, options, history);
        }
        let values = self.values(params);
        let fixed = self.fixed_weights(&values, 1.0);
        let steps = Steps { model: self.clone(), values, fixed };
        GaussianOnlineFilter::start(lowered, Some(Arc::new(steps)), options, history)
    }

    /// What all steps share; F, Q and H are those of a step of length 1 without inputs.
    fn lower_fixed(&self, params: &Params) -> Result<LgssmParams> {
        let rows = vec![f64::NAN; self.emission_dim()];
        let inputs = vec![0.0; self.input_dim()];
        let sequence = Sequence {
            emissions: &rows,
            width: self.emission_dim(),
            inputs: &inputs,
            input_dim: self.input_dim(),
        };
        let mut lowered = self.lower_sequence(params, sequence)?;
        let h = lowered.emissions_weights.values().to_vec();
        lowered.emissions_weights = Array::new(&[self.emission_dim(), self.state_dim], h);
        Ok(lowered)
    }

    /// Whether a component looks at the number of the step.
    fn counts_steps(&self) -> bool {
        self.components.iter().any(|component| component.block.weights() == Weights::Step)
    }
}

/// The steps of a model with its parameters.
#[derive(Debug)]
struct Steps {
    model: StructuralTimeSeries,
    values: Vec<Values>,
    /// h of the components whose weights do not change.
    fixed: Vec<Vec<f64>>,
}

impl StepModel for Steps {
    fn input_dim(&self) -> usize {
        self.model.input_dim()
    }

    fn counts_steps(&self) -> bool {
        self.model.counts_steps()
    }

    fn step(&self, t: usize, before: Option<&[f64]>, input: &[f64]) -> Result<GaussianStep> {
        let model = &self.model;
        let transition = match before {
            Some(before) if model.reads_time() => {
                let (weights, cov) =
                    model.dynamics(&self.values, step_length(model.spec.time, t, before, input)?);
                Some(GaussianTransition { weights, bias: vec![0.0; model.state_dim], cov })
            }
            _ => None,
        };
        let emission_weights =
            model.has_regressors().then(|| model.weights_at(&self.values, &self.fixed, t, input));
        Ok(GaussianStep { transition, emission_weights })
    }
}
