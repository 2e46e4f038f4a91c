//! All weights of a model as one flat vector, with the names and shapes of its tensors.

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};
use serde::{Deserialize, Serialize};
use statewise::Seed;

/// A tensor's place in the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name, `guide.rnn_right.recurrent` say.
    pub name: String,
    /// Its shape; a weight is \[inputs, outputs\].
    pub shape: Vec<usize>,
    /// Its values in the flat vector.
    pub range: Range<usize>,
}

/// How weights are drawn before training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InitScheme {
    /// U(−w, w) for weights and biases, w being `init_weight`.
    Uniform,
    /// N(0, w²) for weights and biases.
    Normal,
    /// U(±√(6 / (inputs + outputs))), biases zero (Glorot and Bengio 2010).
    Xavier,
    /// U(±√(6 / inputs)), biases zero (He et al. 2015).
    He,
    /// Orthogonal columns or rows, biases zero (Saxe et al. 2014).
    Orthogonal,
    /// U(±1 / √inputs) for weights and biases, as PyTorch's layers.
    #[default]
    FanIn,
}

/// What a tensor starts from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start<'a> {
    /// These values.
    Values(&'a [f64]),
    /// By the scheme, with this many inputs.
    Scheme { inputs: usize },
    /// One value everywhere.
    Constant(f64),
    /// The identity in the first square block, zero elsewhere.
    Identity,
    /// Orthogonal square blocks side by side.
    OrthogonalBlocks,
    /// Laplace(0, 1), the biases of the first published LSTMs.
    Laplace,
}

/// Lays out tensors one after the other and draws their first values.
pub(crate) struct Builder {
    scheme: InitScheme,
    width: f64,
    rng: ChaCha8Rng,
    tensors: Vec<Tensor>,
    len: usize,
    /// None where values come from elsewhere.
    values: Option<Vec<f64>>,
}

impl Builder {
    pub(crate) fn new(scheme: InitScheme, init_weight: f64, seed: Seed) -> Self {
        let rng = seed.stream("initial weights", 0);
        Builder { scheme, width: init_weight, rng, tensors: Vec::new(), len: 0, values: Some(Vec::new()) }
    }

    /// A builder that draws nothing: of any size, it takes no memory.
    pub(crate) fn without_values() -> Self {
        Builder { values: None, ..Self::new(InitScheme::FanIn, 1.0, Seed(0)) }
    }

    /// Adds a tensor and answers its place.
    pub(crate) fn tensor(&mut self, name: String, shape: &[usize], start: Start<'_>) -> Range<usize> {
        let len = shape.iter().fold(1_usize, |len, n| len.saturating_mul(*n));
        let range = self.len..self.len.saturating_add(len);
        self.len = range.end;
        if self.values.is_some() {
            let drawn = self.draw(shape, start);
            debug_assert_eq!(drawn.len(), len);
            self.values.iter_mut().for_each(|values| values.extend_from_slice(&drawn));
        }
        self.tensors.push(Tensor { name, shape: shape.to_vec(), range: range.clone() });
        range
    }

    pub(crate) fn finish(self) -> (Vec<Tensor>, Vec<f64>) {
        (self.tensors, self.values.unwrap_or_default())
    }

    fn draw(&mut self, shape: &[usize], start: Start<'_>) -> Vec<f64> {
        let len = shape.iter().product();
        match start {
            Start::Values(values) => values.to_vec(),
            Start::Constant(value) => vec![value; len],
            Start::Identity => {
                let columns = shape[1];
                let one = |i: usize| if i / columns == i % columns { 1.0 } else { 0.0 };
                (0..len).map(one).collect()
            }
            Start::OrthogonalBlocks => self.orthogonal_blocks(shape[0], shape[1] / shape[0]),
            Start::Laplace => (0..len).map(|_| self.laplace()).collect(),
            Start::Scheme { inputs } => self.by_scheme(shape, inputs),
        }
    }

    fn by_scheme(&mut self, shape: &[usize], inputs: usize) -> Vec<f64> {
        let len = shape.iter().product();
        let is_bias = shape.len() == 1;
        let outputs = shape[shape.len() - 1];
        match self.scheme {
            InitScheme::Uniform => self.uniform(len, self.width),
            InitScheme::Normal => (0..len).map(|_| self.width * self.normal()).collect(),
            InitScheme::FanIn => self.uniform(len, 1.0 / (inputs as f64).sqrt()),
            _ if is_bias => vec![0.0; len],
            InitScheme::Xavier => self.uniform(len, (6.0 / (inputs + outputs) as f64).sqrt()),
            InitScheme::He => self.uniform(len, (6.0 / inputs as f64).sqrt()),
            InitScheme::Orthogonal => self.orthogonal(shape[0], outputs),
        }
    }

    fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.rng)
    }

    fn uniform(&mut self, len: usize, width: f64) -> Vec<f64> {
        let mut one = || -> f64 { StandardUniform.sample(&mut self.rng) };
        (0..len).map(|_| width * (2.0 * one() - 1.0)).collect()
    }

    fn laplace(&mut self) -> f64 {
        let u: f64 = self.rng.random::<f64>() - 0.5;
        -u.signum() * (1.0 - 2.0 * u.abs()).ln()
    }

    /// `blocks` orthogonal n × n matrices side by side, row-major \[n, blocks n\].
    fn orthogonal_blocks(&mut self, n: usize, blocks: usize) -> Vec<f64> {
        let mut values = vec![0.0; n * n * blocks];
        for block in 0..blocks {
            let q = self.orthogonal(n, n);
            for i in 0..n {
                values[(i * blocks + block) * n..][..n].copy_from_slice(&q[i * n..(i + 1) * n]);
            }
        }
        values
    }

    /// Orthonormal rows (or columns, whichever are fewer) by Gram-Schmidt, twice, of Gaussian draws.
    fn orthogonal(&mut self, rows: usize, columns: usize) -> Vec<f64> {
        let (few, many) = (rows.min(columns), rows.max(columns));
        let mut basis: Vec<Vec<f64>> = Vec::with_capacity(few);
        while basis.len() < few {
            let mut v: Vec<f64> = (0..many).map(|_| self.normal()).collect();
            for other in basis.iter().chain(&basis) {
                let dot: f64 = v.iter().zip(other).map(|(a, b)| a * b).sum();
                v.iter_mut().zip(other).for_each(|(a, b)| *a -= dot * b);
            }
            let norm = v.iter().map(|a| a * a).sum::<f64>().sqrt();
            v.iter_mut().for_each(|a| *a /= norm);
            basis.push(v);
        }
        let at = |i: usize, j: usize| if rows <= columns { basis[i][j] } else { basis[j][i] };
        (0..rows * columns).map(|e| at(e / columns, e % columns)).collect()
    }
}
