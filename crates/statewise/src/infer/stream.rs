//! Filtering one observation at a time, with nothing kept but the last belief.

use statewise_kernels::discrete::{OnlineFilter as Engine, OnlineState};

use crate::data::{Dataset, Sequence};
use crate::error::{Error, Result};
use crate::model::hmm::Hmm;
use crate::model::hmm::lower::Lowered;
use crate::params::Params;

/// A filter that is fed one observation at a time; bit for bit what [`Hmm::filter`] computes.
pub struct OnlineFilter<'a> {
    hmm: &'a Hmm,
    lowered: Lowered<'a>,
    engine: Engine,
    /// The transition matrix of the last step.
    matrix: Vec<f64>,
    /// The last rows and inputs that the emission family looks back on, oldest first.
    emissions: Vec<f64>,
    inputs: Vec<f64>,
}

/// All that a filter needs to go on later or elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterState {
    /// The belief, and the scale of its weights.
    pub belief: OnlineState,
    /// The last rows that the emission family looks back on, oldest first.
    pub emissions: Vec<f64>,
    /// Their inputs.
    pub inputs: Vec<f64>,
}

impl Hmm {
    /// Starts a filter before the first observation.
    ///
    /// # Errors
    /// Parameters that do not fit.
    pub fn online_filter<'a>(&'a self, params: &'a Params) -> Result<OnlineFilter<'a>> {
        let lowered = self.lower(params)?;
        let engine = Engine::new(lowered.initial(), self.num_states()).map_err(Error::in_sequence(0))?;
        Ok(OnlineFilter {
            hmm: self,
            lowered,
            engine,
            matrix: Vec::new(),
            emissions: Vec::new(),
            inputs: Vec::new(),
        })
    }
}

impl OnlineFilter<'_> {
    /// Takes in y_t (NaN where missing) with its input u_t (empty without inputs) and returns
    /// log p(y_t | y_{1:t-1}).
    ///
    /// # Errors
    /// A row or input that does not fit, or an observation that no reachable state explains; the
    /// filter then stays as it was.
    pub fn update(&mut self, emission: &[f64], input: &[f64]) -> Result<f64> {
        let (width, input_dim) = (self.hmm.emission_width(), self.hmm.input_dim());
        if emission.len() != width {
            return Err(Error::argument("emission", format!("{} values", emission.len()), width));
        }
        let one = Dataset::single(emission, width)?;
        let one =
            if input_dim > 0 || !input.is_empty() { one.with_inputs(input, input.len())? } else { one };
        self.hmm.check_data(&one)?;

        let kept = (self.emissions.len(), self.inputs.len());
        self.emissions.extend_from_slice(emission);
        self.inputs.extend_from_slice(input);
        let sequence = Sequence { emissions: &self.emissions, width, inputs: &self.inputs, input_dim };
        let last = sequence.num_steps() - 1;
        if self.matrix.is_empty() || !self.lowered.is_static() {
            self.matrix.resize(self.hmm.num_states() * self.hmm.num_states(), 0.0);
            self.lowered.transition_matrix(input, &mut self.matrix);
        }
        let (engine, matrix) = (&mut self.engine, &self.matrix);
        match self
            .lowered
            .with_chain(sequence, |chain| engine.observe(Some(matrix), chain.observations, last))
        {
            Ok(log_prob) => {
                let surplus = (last + 1).saturating_sub(self.hmm.emission().num_lags());
                self.emissions.drain(..surplus * width);
                self.inputs.drain(..surplus * input_dim);
                Ok(log_prob)
            }
            Err(source) => {
                self.emissions.truncate(kept.0);
                self.inputs.truncate(kept.1);
                Err(Error::in_sequence(0)(source))
            }
        }
    }

    /// p(z_t = k | y_{1:t}), \[K\]; π before the first observation.
    pub fn filtered_probs(&self) -> &[f64] {
        self.engine.filtered()
    }

    /// p(z_{t+h} = k | y_{1:t}) for h = 1..=horizon, \[horizon, K\]; `inputs` are u_{t+1}.., \[horizon, U\].
    ///
    /// # Errors
    /// A horizon of 0 or inputs of another size.
    pub fn forecast(&self, horizon: usize, inputs: &[f64]) -> Result<Vec<f64>> {
        let (k, input_dim) = (self.hmm.num_states(), self.hmm.input_dim());
        if horizon == 0 || inputs.len() != horizon * input_dim {
            let found = format!("horizon {horizon} with {} input values", inputs.len());
            return Err(Error::argument(
                "inputs",
                found,
                format!("at least 1 step, {input_dim} values each"),
            ));
        }
        let mut out = vec![0.0; horizon * k];
        let mut previous = self.filtered_probs().to_vec();
        let mut matrix = vec![0.0; k * k];
        for (h, row) in out.chunks_exact_mut(k).enumerate() {
            if h == 0 && self.engine.num_steps() == 0 {
                row.copy_from_slice(&previous);
                continue;
            }
            self.lowered.transition_matrix(&inputs[h * input_dim..(h + 1) * input_dim], &mut matrix);
            for (j, p) in row.iter_mut().enumerate() {
                *p = (0..k).map(|i| previous[i] * matrix[i * k + j]).sum();
            }
            previous.copy_from_slice(row);
        }
        Ok(out)
    }

    /// log p(y_{1:t}).
    pub fn marginal_loglik(&self) -> f64 {
        self.engine.marginal_loglik()
    }

    /// t, the number of observations so far.
    pub fn num_steps(&self) -> usize {
        self.engine.num_steps()
    }

    /// All that is needed to go on later.
    pub fn state(&self) -> FilterState {
        FilterState {
            belief: self.engine.state(),
            emissions: self.emissions.clone(),
            inputs: self.inputs.clone(),
        }
    }

    /// Goes on from a saved state (of a filter with the same model).
    ///
    /// # Errors
    /// A state of another number of states, or history of another width.
    pub fn restore(&mut self, state: &FilterState) -> Result<()> {
        let (k, width, input_dim) =
            (self.hmm.num_states(), self.hmm.emission_width(), self.hmm.input_dim());
        let rows = state.emissions.len() / width;
        if state.belief.filtered.len() != k {
            return Err(Error::argument(
                "state.belief",
                state.belief.filtered.len(),
                format!("{k} states"),
            ));
        }
        if state.emissions.len() != rows * width || state.inputs.len() != rows * input_dim {
            return Err(Error::argument(
                "state.emissions",
                state.emissions.len(),
                format!("rows of {width}"),
            ));
        }
        self.engine = Engine::from_state(state.belief.clone()).map_err(Error::in_sequence(0))?;
        self.emissions.clone_from(&state.emissions);
        self.inputs.clone_from(&state.inputs);
        Ok(())
    }
}
