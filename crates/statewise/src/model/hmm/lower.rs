//! Model + parameters + data → chain potentials: the only bridge from models to the engines.

use std::ops::Range;

use statewise_kernels::discrete::{Chain, Observations, Transitions};

use super::Hmm;
use super::emission::Prepared;
use crate::data::Sequence;
use crate::error::Result;
use crate::params::{Array, Params};

/// A model with its parameters made ready, once for all sequences.
pub(crate) struct Lowered<'a> {
    hmm: &'a Hmm,
    initial: &'a [f64],
    transition_params: &'a [Array],
    /// The transition matrix, where one serves all steps.
    matrix: Option<Vec<f64>>,
    pub(crate) emission: Box<dyn Prepared + 'a>,
}

impl Hmm {
    /// Checks the parameters and makes them ready.
    pub(crate) fn lower<'a>(&'a self, params: &'a Params) -> Result<Lowered<'a>> {
        params.check(self.schema())?;
        let transition_params = self.transition_params(params);
        let matrix = (self.transition().input_dim() == 0).then(|| {
            let mut matrix = vec![0.0; self.num_states() * self.num_states()];
            self.transition().matrix(transition_params, &[], &mut matrix);
            matrix
        });
        Ok(Lowered {
            hmm: self,
            initial: self.initial_params(params)[0].values(),
            transition_params,
            matrix,
            emission: self.emission().prepare(self.emission_params(params))?,
        })
    }
}

impl Lowered<'_> {
    /// Whether one transition matrix serves all steps.
    pub(crate) fn is_static(&self) -> bool {
        self.matrix.is_some()
    }

    /// π.
    pub(crate) fn initial(&self) -> &[f64] {
        self.initial
    }

    /// Writes the matrix of the step into z_t, driven by `input` = u_t.
    pub(crate) fn transition_matrix(&self, input: &[f64], out: &mut [f64]) {
        match &self.matrix {
            Some(matrix) => out.copy_from_slice(matrix),
            None => self.hmm.transition().matrix(self.transition_params, input, out),
        }
    }

    /// Runs an engine on the potentials of one sequence.
    pub(crate) fn with_chain<R>(&self, sequence: Sequence<'_>, engine: impl FnOnce(&Chain<'_>) -> R) -> R {
        let observations =
            SequenceObservations { emission: &*self.emission, sequence, num_states: self.initial.len() };
        let computed = |t: usize, out: &mut [f64]| self.transition_matrix(sequence.input(t), out);
        let transitions = match &self.matrix {
            Some(matrix) => Transitions::Static(matrix),
            None => Transitions::Computed(&computed),
        };
        engine(&Chain { initial: self.initial, transitions, observations: &observations })
    }
}

/// The likelihoods of one sequence under prepared emissions.
struct SequenceObservations<'a> {
    emission: &'a dyn Prepared,
    sequence: Sequence<'a>,
    num_states: usize,
}

impl Observations for SequenceObservations<'_> {
    fn num_steps(&self) -> usize {
        self.sequence.num_steps()
    }

    fn num_states(&self) -> usize {
        self.num_states
    }

    fn log_likelihoods(&self, steps: Range<usize>, out: &mut [f64]) {
        self.emission.log_likelihoods(&self.sequence, steps, out);
    }

    fn scaled_likelihoods(&self, steps: Range<usize>, out: &mut [f64], shift: &mut [f64]) {
        self.emission.scaled_likelihoods(&self.sequence, steps, out, shift);
    }
}
