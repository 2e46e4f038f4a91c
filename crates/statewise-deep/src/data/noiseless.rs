//! The small synthetic set of the dmm repository: a linear system without process noise.
//!
//! z_1 ~ N(0, I);  z_{t+1} = Wᵀ z_t;  x_t ~ N(z_t, 16 I), in three dimensions over ten steps; W has
//! entries 0.1 N(0, 1). An optimal model leaves the noise: 3 · ½ (ln(2π 16) + 1) = 8.416 nats a step.

use statewise::Result;
use statewise::data::Dataset;

use super::legacy_random::LegacyRandom;
use super::synthetic::{SyntheticData, SyntheticSplit};
use super::synthetic_system::{SyntheticSystem, SyntheticTransition, affine, diagonal, transposed};

const STATE_DIM: usize = 3;
const NUM_STEPS: usize = 10;
const SIZES: [(usize, usize); 3] = [(10_000, NUM_STEPS), (1_000, NUM_STEPS), (1_000, NUM_STEPS)];

/// The system and its published data.
///
/// One legacy generator with seed 0 draws z_1 of all 12,000 sequences, W, the noise of every x, and
/// the permutation that deals the sequences into train, valid and test.
///
/// # Errors
/// None.
///
/// # Source
/// clinicalml/dmm, `dmm_data/load.py` at 3a2e8ce.
pub fn noiseless_linear() -> Result<(SyntheticSystem, SyntheticData)> {
    let num_sequences: usize = SIZES.iter().map(|(n, _)| n).sum();
    let mut random = LegacyRandom::new(0);
    let initial = random.randn(num_sequences * STATE_DIM);
    let drawn: Vec<f64> = random.randn(STATE_DIM * STATE_DIM).iter().map(|x| 0.1 * x).collect();
    let weights = transposed(&drawn, STATE_DIM, STATE_DIM);
    let mut states = Vec::with_capacity(initial.len() * NUM_STEPS);
    for z in initial.chunks_exact(STATE_DIM) {
        let mut z = z.to_vec();
        for _ in 0..NUM_STEPS {
            states.extend_from_slice(&z);
            z = affine(&z, &weights, &[]);
        }
    }
    let noisy: Vec<f64> = states.iter().map(|z| z + 4.0 * random.standard_normal()).collect();
    let order = random.permutation(num_sequences as u32);

    let mut rest = order.as_slice();
    let mut split = |(n, _): (usize, usize)| {
        let (mine, others) = rest.split_at(n);
        rest = others;
        let deal = |values: &[f64]| -> Vec<f64> {
            let len = NUM_STEPS * STATE_DIM;
            mine.iter().flat_map(|i| &values[i * len..(i + 1) * len]).copied().collect()
        };
        let observations = Dataset::batch(deal(&noisy), n, STATE_DIM)?;
        Ok(SyntheticSplit { observations, states: deal(&states), state_dim: STATE_DIM })
    };
    let data = SyntheticData { train: split(SIZES[0])?, valid: split(SIZES[1])?, test: split(SIZES[2])? };
    let system = SyntheticSystem {
        name: "noiseless_linear".into(),
        transition: SyntheticTransition::Affine { weights, bias: vec![0.0; STATE_DIM] },
        transition_variance: 0.0,
        emission_weights: diagonal(&[1.0; STATE_DIM]),
        emission_variance: 16.0,
        initial_variance: 1.0,
        sizes: SIZES,
    };
    Ok((system, data))
}
