//! Neural autoregressive distribution estimator: binary features, each given those before it.
//!
//! a_1 = a + V_0;  p(x_i = 1 | x_{<i}) = σ(v_i · σ(a_i) + b_i);  a_{i+1} = a_i + x_i W_{i+1},
//! where a is the emission's last hidden layer (plus z W where there is a residual).
//!
//! # Source
//! Larochelle and Murray (2011); Krishnan et al. (2017), appendix.

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::array::{Grid, Real, vectorised};
use crate::layers::Linear;
use crate::parameters::{Builder, Start};

/// The weights' places.
#[derive(Clone, Debug)]
pub(crate) struct Nade {
    width: usize,
    dim: usize,
    /// W, shape \[E, width\]: row i enters before feature i, times the feature before it (1 at first).
    inward: Range<usize>,
    /// V, shape \[E, width\].
    outward: Range<usize>,
    bias: Range<usize>,
    residual: Option<Linear>,
}

/// What the backward pass needs of every row.
#[derive(Clone, Debug)]
pub(crate) struct NadeTape<R> {
    start: Grid<R>,
    d_start: Grid<R>,
}

impl Nade {
    pub(crate) fn new(builder: &mut Builder, width: usize, dim: usize, residual: Option<usize>) -> Self {
        let scheme = Start::Scheme { inputs: width };
        let inward = builder.tensor("emission.nade.inward".into(), &[dim, width], scheme);
        let outward = builder.tensor("emission.nade.outward".into(), &[dim, width], scheme);
        let bias = builder.tensor("emission.nade.bias".into(), &[dim], scheme);
        let residual = residual.map(|from| Linear::without_bias(builder, "emission.residual", from, width));
        Nade { width, dim, inward, outward, bias, residual }
    }

    pub(crate) fn has_residual(&self) -> bool {
        self.residual.is_some()
    }

    pub(crate) fn tape<R: Real>(&self) -> NadeTape<R> {
        NadeTape { start: Grid::new(self.width), d_start: Grid::new(self.width) }
    }

    fn weights<'a, R>(&self, theta: &'a [R]) -> [&'a [R]; 3] {
        [&theta[self.inward.clone()], &theta[self.outward.clone()], &theta[self.bias.clone()]]
    }

    /// −log p(x) of every row, summed over observed features; a missing one counts as absent for those after it.
    pub(crate) fn forward<R: Real>(
        &self,
        theta: &[R],
        rows: Range<usize>,
        trunk: &Grid<R>,
        latent: &Grid<R>,
        x: &[R],
        observed: Option<&Grid<R>>,
        tape: &mut NadeTape<R>,
        nll: &mut Grid<R>,
    ) {
        let start = tape.start.rows_mut(rows.clone());
        start.copy_from_slice(trunk.rows(rows.clone()));
        if let Some(residual) = &self.residual {
            residual.add(theta, latent.rows(rows.clone()), start);
        }
        let [inward, outward, bias] = self.weights(theta);
        let (mut state, mut hidden) = (vec![R::ZERO; self.width], vec![R::ZERO; self.width]);
        for (row, x) in rows.zip(x.chunks_exact(self.dim)) {
            state.copy_from_slice(tape.start.row(row));
            let mut sum = R::ZERO;
            for i in 0..self.dim {
                let before = if i == 0 { R::ONE } else { x[i - 1] };
                let unit = i * self.width..(i + 1) * self.width;
                let logit = bias[i]
                    + advance(before, &inward[unit.clone()], &outward[unit], &mut state, &mut hidden);
                let weight = observed.map_or(R::ONE, |grid| grid.row(row)[i]);
                sum += weight * (logit.softplus() - logit * x[i]);
            }
            nll.row_mut(row)[0] = sum;
        }
    }

    /// Gradients of Σ weights\[row\] nll: the hidden states are recomputed, then run backwards.
    pub(crate) fn backward<R: Real>(
        &self,
        theta: &[R],
        rows: Range<usize>,
        (latent, d_latent): (&Grid<R>, &mut Grid<R>),
        x: &[R],
        observed: Option<&Grid<R>>,
        weights: &[R],
        tape: &mut NadeTape<R>,
        d_trunk: &mut Grid<R>,
        gradient: &mut [R],
    ) {
        let [inward, outward, bias] = self.weights(theta);
        let width = self.width;
        let mut state = vec![R::ZERO; width];
        let mut hidden = vec![R::ZERO; self.dim * width];
        let mut d_logits = vec![R::ZERO; self.dim];
        for (row, x) in rows.clone().zip(x.chunks_exact(self.dim)) {
            state.copy_from_slice(tape.start.row(row));
            for i in 0..self.dim {
                let before = if i == 0 { R::ONE } else { x[i - 1] };
                let unit = i * width..(i + 1) * width;
                let hidden = &mut hidden[unit.clone()];
                let logit =
                    bias[i] + advance(before, &inward[unit.clone()], &outward[unit], &mut state, hidden);
                let weight = observed.map_or(R::ONE, |grid| grid.row(row)[i]) * weights[row];
                d_logits[i] = weight * (logit.sigmoid() - x[i]);
            }
            let d_state = tape.d_start.row_mut(row);
            d_state.fill(R::ZERO);
            for i in (0..self.dim).rev() {
                let before = if i == 0 { R::ONE } else { x[i - 1] };
                let unit = i * width..(i + 1) * width;
                let at = |range: &Range<usize>| range.start + unit.start..range.start + unit.end;
                gradient[self.bias.start + i] += d_logits[i];
                let hidden = &hidden[unit.clone()];
                retreat(
                    d_logits[i],
                    hidden,
                    &outward[unit.clone()],
                    d_state,
                    &mut gradient[at(&self.outward)],
                );
                if before > R::ZERO {
                    let into = gradient[at(&self.inward)].iter_mut();
                    into.zip(&*d_state).for_each(|(g, d)| *g += before * *d);
                }
            }
        }
        let d_start = tape.d_start.rows(rows.clone());
        d_trunk.rows_mut(rows.clone()).iter_mut().zip(d_start).for_each(|(d, s)| *d += *s);
        if let Some(residual) = &self.residual {
            let d_latent = d_latent.rows_mut(rows.clone());
            d_latent.fill(R::ZERO);
            residual.backward(theta, d_start, d_latent);
            residual.gradient(latent.rows(rows), d_start, gradient);
        }
    }

    /// Probabilities along the path on which every feature takes its likelier value.
    pub(crate) fn most_probable<R: Real>(
        &self,
        theta: &[R],
        row: usize,
        trunk: &Grid<R>,
        latent: &Grid<R>,
        probs: &mut Vec<f64>,
    ) {
        self.path(theta, row, trunk, latent, |p| (p, f64::from(p > 0.5)), probs);
    }

    /// One draw, feature after feature.
    pub(crate) fn draw<R: Real>(
        &self,
        theta: &[R],
        row: usize,
        trunk: &Grid<R>,
        latent: &Grid<R>,
        rng: &mut ChaCha8Rng,
        x: &mut Vec<f64>,
    ) {
        let choose = |p: f64| {
            let value = f64::from(rng.random::<f64>() < p);
            (value, value)
        };
        self.path(theta, row, trunk, latent, choose, x);
    }

    /// Runs through the features; `choose` maps a probability to what is told and what goes on.
    fn path<R: Real>(
        &self,
        theta: &[R],
        row: usize,
        trunk: &Grid<R>,
        latent: &Grid<R>,
        mut choose: impl FnMut(f64) -> (f64, f64),
        told: &mut Vec<f64>,
    ) {
        let [inward, outward, bias] = self.weights(theta);
        let mut state = trunk.row(row).to_vec();
        if let Some(residual) = &self.residual {
            residual.add(theta, latent.row(row), &mut state);
        }
        let mut hidden = vec![R::ZERO; self.width];
        let mut before = R::ONE;
        for i in 0..self.dim {
            let unit = i * self.width..(i + 1) * self.width;
            let logit =
                bias[i] + advance(before, &inward[unit.clone()], &outward[unit], &mut state, &mut hidden);
            let (tell, next) = choose(logit.to_f64().sigmoid());
            told.push(tell);
            before = R::from_f64(next);
        }
    }
}

impl<R: Real> NadeTape<R> {
    pub(crate) fn resize(&mut self, rows: usize) {
        self.start.resize(rows);
        self.d_start.resize(rows);
    }
}

vectorised! {
    /// a += x w; h = σ(a); answers v · h.
    fn advance(before: R, inward: &[R], outward: &[R], state: &mut [R], hidden: &mut [R]) -> R = advance_body
}
#[inline(always)]
fn advance_body<R: Real>(before: R, inward: &[R], outward: &[R], state: &mut [R], hidden: &mut [R]) -> R {
    // PERF: sixteen partial sums, so that the dot product runs in lanes.
    let mut sums = [R::ZERO; 16];
    let values = state.iter_mut().zip(hidden.iter_mut()).zip(inward.iter().zip(outward));
    for (j, ((a, h), (w, v))) in values.enumerate() {
        *a += before * *w;
        *h = a.sigmoid();
        sums[j % 16] += *h * *v;
    }
    sums.into_iter().sum()
}

vectorised! {
    /// Backward of [`advance`]: `d_state` += d v h (1 − h), `d_outward` += d h.
    fn retreat(d_logit: R, hidden: &[R], outward: &[R], d_state: &mut [R], d_outward: &mut [R]) = retreat_body
}
#[inline(always)]
fn retreat_body<R: Real>(d_logit: R, hidden: &[R], outward: &[R], d_state: &mut [R], d_outward: &mut [R]) {
    let values = hidden.iter().zip(outward).zip(d_state.iter_mut().zip(d_outward));
    for ((h, v), (d_a, d_v)) in values {
        *d_a += d_logit * *v * *h * (R::ONE - *h);
        *d_v += d_logit * *h;
    }
}
