//! The synthetic systems 9 to 20 of Krishnan et al. (2017).
//!
//! z_1 ~ N(0, v₁ I);  z_t ~ N(f(z_{t−1}), q I);  x_t ~ N(H z_t, r I)
//!
//! | id | f(z) | H | q, r, v₁ |
//! |---|---|---|---|
//! | 9 | z + 0.05 | 0.5 | 10, 20, 1 |
//! | 10 | z + 2 sin z | 0.5 | 5, 5, 0.01 |
//! | 11 | (0.2 z⁰ + tanh(α z¹), 0.2 z¹ + sin(β z⁰)), α = 0.5, β = −0.1 | 0.5 I | 1, 0.1, 0.01 |
//! | 12, 13, 14 | A z + b, D = 10, 100, 250 | full, 2 D rows | 10, 20, 0.1 |
//! | 15, 16, 17 | as 12, 13, 14 | full, D rows | 10, 20, 0.1 |
//! | 18, 19, 20 | A diagonal, D = 10, 100, 250 | diagonal | 10, 20, 0.1 |
//!
//! The entries of A, b and H from 12 on are 0.05 N(0, 1) draws of [`LegacyRandom`] with seed 0.

use statewise::model::linear_gaussian::LgssmParams;
use statewise::params::Array;
use statewise::{Error, Result};

use super::legacy_random::LegacyRandom;

/// One of the systems, with its exact parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct SyntheticSystem {
    /// Its published name, `synthetic9`.
    pub name: String,
    /// f.
    pub transition: SyntheticTransition,
    /// q, the variance of each entry of z_t given z_{t−1}.
    pub transition_variance: f64,
    /// H, shape \[M, D\].
    pub emission_weights: Array,
    /// r, the variance of each entry of x_t given z_t.
    pub emission_variance: f64,
    /// v₁, the variance of each entry of z_1.
    pub initial_variance: f64,
    /// Sequences and time steps of train, valid and test.
    pub sizes: [(usize, usize); 3],
}

/// The mean f(z) of the next state.
#[derive(Clone, Debug, PartialEq)]
pub enum SyntheticTransition {
    /// A z + b.
    Affine {
        /// A, shape \[D, D\].
        weights: Array,
        /// b, shape \[D\].
        bias: Vec<f64>,
    },
    /// z + 2 sin z, in one dimension.
    Sine,
    /// (0.2 z⁰ + tanh(α z¹), 0.2 z¹ + sin(β z⁰)), in two dimensions.
    TanhSine {
        /// α.
        alpha: f64,
        /// β.
        beta: f64,
    },
}

impl SyntheticTransition {
    /// D.
    pub fn state_dim(&self) -> usize {
        match self {
            SyntheticTransition::Affine { bias, .. } => bias.len(),
            SyntheticTransition::Sine => 1,
            SyntheticTransition::TanhSine { .. } => 2,
        }
    }

    /// f of every row; `states` and the answer have shape \[rows, D\].
    pub fn means(&self, states: &[f64]) -> Vec<f64> {
        match self {
            SyntheticTransition::Affine { weights, bias } => affine(states, weights, bias),
            SyntheticTransition::Sine => states.iter().map(|z| 2.0 * z.sin() + z).collect(),
            SyntheticTransition::TanhSine { alpha, beta } => {
                let mean =
                    |z: &[f64]| [0.2 * z[0] + (alpha * z[1]).tanh(), 0.2 * z[1] + (beta * z[0]).sin()];
                states.chunks_exact(2).flat_map(mean).collect()
            }
        }
    }
}

impl SyntheticSystem {
    /// The system of this number, 9 to 20.
    ///
    /// # Errors
    /// Another number.
    ///
    /// # Source
    /// clinicalml/theanomodels, `datasets/synthp.py` at bb1c81a.
    pub fn new(id: u32) -> Result<Self> {
        let (transition, emission_weights, variances) = match id {
            9 => {
                let transition =
                    SyntheticTransition::Affine { weights: diagonal(&[1.0]), bias: vec![0.05] };
                (transition, diagonal(&[0.5]), [10.0, 20.0, 1.0])
            }
            10 => (SyntheticTransition::Sine, diagonal(&[0.5]), [5.0, 5.0, 0.01]),
            11 => {
                let transition = SyntheticTransition::TanhSine { alpha: 0.5, beta: -0.1 };
                (transition, diagonal(&[0.5, 0.5]), [1.0, 0.1, 0.01])
            }
            12..=20 => {
                let form = [Form::Tall, Form::Square, Form::Diagonal][(id as usize - 12) / 3];
                let (transition, emission_weights) = drawn(form, (id as usize - 12) % 3);
                (transition, emission_weights, [10.0, 20.0, 0.1])
            }
            _ => return Err(Error::argument("id", id, "a synthetic system, 9 to 20")),
        };
        let [transition_variance, emission_variance, initial_variance] = variances;
        let sizes = match id {
            9..=11 => [(5000, 25), (500, 25), (500, 50)],
            _ => [(1000, 25), (500, 25), (500, 25)],
        };
        let name = format!("synthetic{id}");
        Ok(SyntheticSystem {
            name,
            transition,
            transition_variance,
            emission_weights,
            emission_variance,
            initial_variance,
            sizes,
        })
    }

    /// D.
    pub fn state_dim(&self) -> usize {
        self.transition.state_dim()
    }

    /// M.
    pub fn emission_dim(&self) -> usize {
        self.emission_weights.shape()[0]
    }

    /// Checks that the shapes fit together.
    ///
    /// # Errors
    /// The array that does not fit.
    pub fn check(&self) -> Result<()> {
        let d = self.state_dim();
        if let SyntheticTransition::Affine { weights, .. } = &self.transition
            && (weights.shape() != [d, d] || d == 0)
        {
            let found = format!("shape {:?} beside a bias of {d}", weights.shape());
            return Err(Error::argument("transition.weights", found, "shape [D, D], D at least 1"));
        }
        match *self.emission_weights.shape() {
            [m, columns] if m > 0 && columns == d => Ok(()),
            ref shape => {
                let expected = format!("shape [M, {d}], M at least 1");
                Err(Error::argument("emission_weights", format!("shape {shape:?}"), expected))
            }
        }
    }

    /// The linear Gaussian model with the same law, for exact evidence and posteriors.
    ///
    /// # Errors
    /// A transition that is not linear (10 and 11); as [`SyntheticSystem::check`].
    pub fn to_lgssm(&self) -> Result<LgssmParams> {
        self.check()?;
        let SyntheticTransition::Affine { weights, bias } = &self.transition else {
            return Err(Error::argument(
                &self.name,
                "a transition that is not linear",
                "one of 9, 12 to 20",
            ));
        };
        let d = self.state_dim();
        let scaled = |variance| diagonal(&vec![variance; d]);
        let mut params = LgssmParams::new(
            Array::zeros(&[d]),
            scaled(self.initial_variance),
            weights.clone(),
            scaled(self.transition_variance),
            self.emission_weights.clone(),
            Array::full(&[self.emission_dim()], self.emission_variance),
        );
        params.dynamics_bias = Some(Array::new(&[d], bias.clone()));
        Ok(params)
    }
}

/// The shape of the drawn matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// H has 2 D rows.
    Tall,
    /// H has D rows.
    Square,
    /// A and H are diagonal.
    Diagonal,
}

/// A, b and H of one of the sizes 10, 100 and 250.
///
/// The published program drew the matrices of all sizes at once, transposed, since its states are
/// row vectors: A for each size, b for each size, H for each size, then the diagonal systems one by one.
fn drawn(form: Form, size: usize) -> (SyntheticTransition, Array) {
    const DIMS: [usize; 3] = [10, 100, 250];
    let mut random = LegacyRandom::new(0);
    let mut draw = |len: usize| -> Vec<f64> { random.randn(len).iter().map(|x| x * 0.05).collect() };
    let weights = DIMS.map(|d| draw(d * d));
    let biases = DIMS.map(&mut draw);
    let rows = if form == Form::Tall { 2 } else { 1 };
    let emissions = DIMS.map(|d| draw(d * d * rows));
    let d = DIMS[size];
    if form == Form::Diagonal {
        let [bias, a, h] = DIMS.map(|d| [(); 3].map(|()| draw(d)))[size].clone();
        return (SyntheticTransition::Affine { weights: diagonal(&a), bias }, diagonal(&h));
    }
    let weights = transposed(&weights[size], d, d);
    let transition = SyntheticTransition::Affine { weights, bias: biases[size].clone() };
    (transition, transposed(&emissions[size], d, rows * d))
}

pub(super) fn diagonal(entries: &[f64]) -> Array {
    let d = entries.len();
    let mut matrix = Array::zeros(&[d, d]);
    entries.iter().enumerate().for_each(|(i, x)| matrix.values_mut()[i * d + i] = *x);
    matrix
}

/// The transpose of a matrix of shape \[rows, columns\].
pub(super) fn transposed(values: &[f64], rows: usize, columns: usize) -> Array {
    let mut matrix = Array::zeros(&[columns, rows]);
    for (e, x) in matrix.values_mut().iter_mut().enumerate() {
        *x = values[(e % rows) * columns + e / rows];
    }
    matrix
}

/// W z + b of every row z.
pub(super) fn affine(rows: &[f64], weights: &Array, bias: &[f64]) -> Vec<f64> {
    let (to, from) = (weights.shape()[0], weights.shape()[1]);
    let columns = transposed(weights.values(), to, from);
    let mut out = Vec::with_capacity(rows.len() / from * to);
    for row in rows.chunks_exact(from) {
        let start = out.len();
        out.extend((0..to).map(|_| 0.0));
        let mean = &mut out[start..];
        // PERF: by columns, so that the inner loop adds in parallel without changing any sum.
        for (z, column) in row.iter().zip(columns.values().chunks_exact(to)) {
            mean.iter_mut().zip(column).for_each(|(m, w)| *m += z * w);
        }
        mean.iter_mut().zip(bias).for_each(|(m, b)| *m += b);
    }
    out
}
