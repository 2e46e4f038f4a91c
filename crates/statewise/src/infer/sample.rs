//! Drawing states and emissions, from the model and from the posterior.

use rand::RngExt;
use statewise_kernels::discrete;
use statewise_kernels::random::{Seed, draw_index};

use super::split;
use crate::data::{Dataset, Sequence};
use crate::error::{Error, Result};
use crate::model::hmm::Hmm;
use crate::params::Params;
use crate::threads;
use crate::workspace::Lent;

impl Hmm {
    /// Draws z_{1:T} and y_{1:T}: states \[T\] and emissions \[T, width\]. `index` names one of many
    /// independent draws from the same seed.
    ///
    /// # Errors
    /// Parameters that do not fit, no time steps, or inputs of another length or dimension.
    pub fn sample(
        &self,
        params: &Params,
        seed: Seed,
        index: u64,
        num_steps: usize,
        inputs: &[f64],
    ) -> Result<(Vec<u32>, Vec<f64>)> {
        self.sample_after(params, seed, index, num_steps, inputs, &[])
    }

    /// As [`Hmm::sample`], with emissions \[L, width\] that came before the first step, oldest first;
    /// autoregressive models read them.
    ///
    /// # Errors
    /// As [`Hmm::sample`]; also a `past` that is not rows of emissions.
    pub fn sample_after(
        &self,
        params: &Params,
        seed: Seed,
        index: u64,
        num_steps: usize,
        inputs: &[f64],
        past: &[f64],
    ) -> Result<(Vec<u32>, Vec<f64>)> {
        if num_steps == 0 {
            return Err(Error::argument("num_timesteps", 0, "at least 1"));
        }
        if inputs.len() != num_steps * self.input_dim() {
            let expected = format!("{num_steps} rows of dimension {}", self.input_dim());
            return Err(Error::argument("inputs", format!("{} values", inputs.len()), expected));
        }
        let (k, width) = (self.num_states(), self.emission_width());
        if !past.len().is_multiple_of(width) {
            let expected = format!("rows of width {width}");
            return Err(Error::argument("prev_emissions", format!("{} values", past.len()), expected));
        }
        let lowered = self.lower(params)?;
        let mut rng = seed.stream("sample", index);
        let mut states = Vec::with_capacity(num_steps);
        let mut emissions = past.to_vec();
        emissions.resize(past.len() + num_steps * width, 0.0);
        let mut row = vec![0.0; width];
        let mut matrix = vec![0.0; k * k];
        let input_dim = self.input_dim();
        let before = past.len() / width;
        // The past has no inputs that anything reads.
        let mut all_inputs = vec![0.0; before * input_dim];
        all_inputs.extend_from_slice(inputs);
        for t in 0..num_steps {
            let state = match states.last() {
                None => draw_index(lowered.initial(), rng.random()) as u32,
                Some(&previous) => {
                    if t == 1 || !lowered.is_static() {
                        lowered.transition_matrix(&inputs[t * input_dim..(t + 1) * input_dim], &mut matrix);
                    }
                    draw_index(&matrix[previous as usize * k..][..k], rng.random()) as u32
                }
            };
            states.push(state);
            let t = before + t;
            let sequence = Sequence { emissions: &emissions, width, inputs: &all_inputs, input_dim };
            lowered.emission.sample(state as usize, &sequence, t, &mut rng, &mut row);
            emissions[t * width..(t + 1) * width].copy_from_slice(&row);
        }
        emissions.drain(..past.len());
        Ok((states, emissions))
    }

    /// Draws paths z_{1:T} | y_{1:T} by forward filtering and backward sampling: `num_samples` paths
    /// of each sequence, \[num_samples, T\].
    ///
    /// # Errors
    /// As [`Hmm::filter`].
    pub fn posterior_sample(
        &self,
        params: &Params,
        seed: Seed,
        data: &Dataset<'_>,
        num_samples: usize,
    ) -> Result<Vec<Vec<u32>>> {
        self.check_data(data)?;
        let lowered = self.lower(params)?;
        let items = vec![(); data.num_sequences()];
        threads::map_sequences(data, items, Lent::take, |workspace, n, ()| {
            let sequence = data.sequence(n);
            let mut rng = seed.stream("posterior_sample", n as u64);
            let mut uniform = || rng.random();
            let mut paths = vec![0; num_samples * sequence.num_steps()];
            lowered
                .with_chain(sequence, |chain| {
                    discrete::sample_paths(chain, workspace, num_samples, &mut uniform, &mut paths)
                })
                .map_err(Error::in_sequence(n))?;
            Ok(paths)
        })
    }

    /// log p(z_{1:T}, y_{1:T} | θ) of each sequence with its path, `states` \[rows\].
    ///
    /// # Errors
    /// Parameters or data that do not fit, or a path of another length or with unknown states.
    pub fn log_prob(&self, params: &Params, states: &[u32], data: &Dataset<'_>) -> Result<Vec<f64>> {
        self.check_data(data)?;
        if states.len() != data.num_rows() {
            return Err(Error::argument("states", states.len(), format!("{} time steps", data.num_rows())));
        }
        let k = self.num_states();
        if let Some(bad) = states.iter().find(|z| **z as usize >= k) {
            return Err(Error::argument("states", bad, format!("states below {k}")));
        }
        let lowered = self.lower(params)?;
        let mut states = states.to_vec();
        let paths = split("states", &mut states, data, 1)?;
        threads::map_sequences(
            data,
            paths,
            || (),
            |(), n, path| {
                let sequence = data.sequence(n);
                let mut matrix = vec![0.0; k * k];
                let mut row = vec![0.0; k];
                let mut total = lowered.initial()[path[0] as usize].ln();
                for t in 0..path.len() {
                    if t > 0 {
                        if t == 1 || !lowered.is_static() {
                            lowered.transition_matrix(sequence.input(t), &mut matrix);
                        }
                        total += matrix[path[t - 1] as usize * k + path[t] as usize].ln();
                    }
                    lowered.emission.log_likelihoods(&sequence, t..t + 1, &mut row);
                    total += row[path[t] as usize];
                }
                Ok(total)
            },
        )
    }
}
