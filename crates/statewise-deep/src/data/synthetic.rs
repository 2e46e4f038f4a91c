//! Draws the data of the synthetic systems as they were published.
//!
//! One legacy generator with seed 1 draws train, valid and test in turn. For each split come z_1 of
//! all sequences, z_2 of all sequences, …, z_T, and then every x.

use statewise::data::Dataset;
use statewise::{Error, Result};

use super::legacy_random::LegacyRandom;
use super::synthetic_system::{SyntheticSystem, affine};

/// Three splits of sequences whose hidden states are known.
#[derive(Clone, Debug)]
pub struct SyntheticData {
    /// For learning.
    pub train: SyntheticSplit,
    /// For choosing among models.
    pub valid: SyntheticSplit,
    /// For the final score.
    pub test: SyntheticSplit,
}

/// Sequences of equal length with their true states.
#[derive(Clone, Debug)]
pub struct SyntheticSplit {
    /// x, of N sequences.
    pub observations: Dataset<'static>,
    /// z, shape \[N, T, D\]: the rows are those of the observations.
    pub states: Vec<f64>,
    /// D.
    pub state_dim: usize,
}

impl SyntheticSplit {
    /// √ mean (ẑ − z)² over all entries, for estimates of shape \[N, T, D\].
    ///
    /// # Errors
    /// Another number of values than there are states.
    pub fn rmse(&self, estimates: &[f64]) -> Result<f64> {
        if estimates.len() != self.states.len() {
            let (found, expected) = (estimates.len(), self.states.len());
            return Err(Error::argument("estimates", format!("{found} values"), expected));
        }
        let squares = estimates.iter().zip(&self.states).map(|(a, b)| (a - b) * (a - b));
        Ok((squares.sum::<f64>() / estimates.len() as f64).sqrt())
    }
}

impl SyntheticSystem {
    /// Draws the data of systems 9 to 20 as published: equal to the original files up to the rounding of their platform's
    /// elementary functions and matrix products.
    ///
    /// # Errors
    /// As [`SyntheticSystem::check`]; also a split without sequences or steps.
    ///
    /// # Source
    /// clinicalml/theanomodels, `datasets/process.py` at bb1c81a.
    pub fn generate(&self) -> Result<SyntheticData> {
        self.check()?;
        let mut random = LegacyRandom::new(1);
        let [train, valid, test] = self.sizes;
        Ok(SyntheticData {
            train: self.draw_split(&mut random, train)?,
            valid: self.draw_split(&mut random, valid)?,
            test: self.draw_split(&mut random, test)?,
        })
    }

    fn draw_split(
        &self,
        random: &mut LegacyRandom,
        (num_sequences, num_steps): (usize, usize),
    ) -> Result<SyntheticSplit> {
        let state_dim = self.state_dim();
        let mut states = vec![0.0; num_sequences * num_steps * state_dim];
        let mut current = vec![0.0; num_sequences * state_dim];
        for t in 0..num_steps {
            let variance = if t == 0 { self.initial_variance } else { self.transition_variance };
            if t > 0 {
                current = self.transition.means(&current);
            }
            add_noise(random, variance, &mut current);
            for (sequence, z) in
                states.chunks_exact_mut(num_steps * state_dim).zip(current.chunks_exact(state_dim))
            {
                sequence[t * state_dim..(t + 1) * state_dim].copy_from_slice(z);
            }
        }
        let mut rows = affine(&states, &self.emission_weights, &[]);
        add_noise(random, self.emission_variance, &mut rows);
        let observations = Dataset::batch(rows, num_sequences, self.emission_dim())?;
        Ok(SyntheticSplit { observations, states, state_dim })
    }
}

fn add_noise(random: &mut LegacyRandom, variance: f64, values: &mut [f64]) {
    let deviation = variance.sqrt();
    values.iter_mut().for_each(|x| *x += random.standard_normal() * deviation);
}
