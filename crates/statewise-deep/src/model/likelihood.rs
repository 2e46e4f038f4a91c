//! −log p(x | output) of every feature, with its derivative, and means and draws of observations.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson, StandardNormal};
use statewise_kernels::math::ln_gamma;

use super::config::{DmmConfig, EmissionKind};
use crate::array::{Real, vectorised};
use crate::layers::Spread;

/// Independent features given the outputs of a network.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Likelihood {
    /// Output: the logit.
    Bernoulli,
    /// Outputs: E means, then E arguments of the variances' softplus.
    Gaussian,
    /// Output: the log rate.
    Poisson,
    /// Outputs: one logit a class.
    Categorical {
        /// K.
        num_classes: usize,
    },
}

impl Likelihood {
    pub(crate) fn new(config: &DmmConfig) -> Self {
        match config.emission {
            EmissionKind::Bernoulli | EmissionKind::Nade => Likelihood::Bernoulli,
            EmissionKind::Gaussian => Likelihood::Gaussian,
            EmissionKind::Poisson => Likelihood::Poisson,
            EmissionKind::Categorical => Likelihood::Categorical { num_classes: config.num_classes },
        }
    }

    /// Outputs that one feature needs.
    pub(crate) fn outputs(self) -> usize {
        match self {
            Likelihood::Bernoulli | Likelihood::Poisson => 1,
            Likelihood::Gaussian => 2,
            Likelihood::Categorical { num_classes } => num_classes,
        }
    }

    /// Fills −log p of every entry and its derivative in the outputs; rows of `x` have E entries.
    pub(crate) fn terms<R: Real>(self, dim: usize, out: &[R], x: &[R], terms: &mut [R], d_out: &mut [R]) {
        match self {
            Likelihood::Bernoulli => bernoulli(out, x, terms, d_out),
            Likelihood::Poisson => poisson(out, x, terms, d_out),
            Likelihood::Gaussian => gaussian(dim, out, x, terms, d_out),
            Likelihood::Categorical { num_classes } => categorical(num_classes, out, x, terms, d_out),
        }
    }

    /// E\[x\] of one row; of a label, the probability of each class.
    pub(crate) fn mean<R: Real>(self, dim: usize, out: &[R], mean: &mut Vec<f64>) {
        match self {
            Likelihood::Bernoulli => mean.extend(out.iter().map(|l| l.to_f64().sigmoid())),
            Likelihood::Poisson => mean.extend(out.iter().map(|l| l.to_f64().exp())),
            Likelihood::Gaussian => mean.extend(out[..dim].iter().map(|m| m.to_f64())),
            Likelihood::Categorical { num_classes } => {
                out.chunks_exact(num_classes).for_each(|logits| mean.extend(softmax(logits)));
            }
        }
    }

    /// A draw of one row.
    pub(crate) fn draw<R: Real>(self, dim: usize, out: &[R], rng: &mut ChaCha8Rng, x: &mut Vec<f64>) {
        match self {
            Likelihood::Bernoulli => {
                x.extend(out.iter().map(|l| f64::from(rng.random::<f64>() < l.to_f64().sigmoid())));
            }
            Likelihood::Poisson => x.extend(out.iter().map(|l| draw_count(l.to_f64().exp(), rng))),
            Likelihood::Gaussian => x.extend((0..dim).map(|j| {
                let mut variance = [0.0];
                Spread::Variance.variances(&[out[dim + j].to_f64()], &mut variance);
                let noise: f64 = StandardNormal.sample(rng);
                out[j].to_f64() + f64::sqrt(variance[0]) * noise
            })),
            Likelihood::Categorical { num_classes } => {
                for logits in out.chunks_exact(num_classes) {
                    let mut left = rng.random::<f64>();
                    let probs = softmax(logits);
                    let label = probs.iter().position(|p| {
                        left -= p;
                        left < 0.0
                    });
                    x.push(label.unwrap_or(num_classes - 1) as f64);
                }
            }
        }
    }
}

/// A Poisson draw; a rate too small (or large) to draw from gives its rounded mean.
fn draw_count(rate: f64, rng: &mut ChaCha8Rng) -> f64 {
    Poisson::new(rate).map_or(rate.round(), |law| law.sample(rng))
}

fn softmax<R: Real>(logits: &[R]) -> Vec<f64> {
    let largest = logits.iter().fold(f64::NEG_INFINITY, |m, l| m.max(l.to_f64()));
    let weights: Vec<f64> = logits.iter().map(|l| (l.to_f64() - largest).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|w| w / total).collect()
}

vectorised! {
    /// sp(l) − l x, slope σ(l) − x.
    fn bernoulli(out: &[R], x: &[R], terms: &mut [R], d_out: &mut [R]) = bernoulli_body
}
#[inline(always)]
fn bernoulli_body<R: Real>(out: &[R], x: &[R], terms: &mut [R], d_out: &mut [R]) {
    for ((l, x), (term, d)) in out.iter().zip(x).zip(terms.iter_mut().zip(d_out)) {
        *term = l.softplus() - *l * *x;
        *d = l.sigmoid() - *x;
    }
}

vectorised! {
    /// eˡ − l x + ln x!, slope eˡ − x.
    fn poisson(out: &[R], x: &[R], terms: &mut [R], d_out: &mut [R]) = poisson_body
}
#[inline(always)]
fn poisson_body<R: Real>(out: &[R], x: &[R], terms: &mut [R], d_out: &mut [R]) {
    for ((l, x), (term, d)) in out.iter().zip(x).zip(terms.iter_mut().zip(d_out)) {
        let rate = l.exp();
        *term = rate - *l * *x + R::from_f64(ln_gamma(x.to_f64() + 1.0));
        *d = rate - *x;
    }
}

/// ½ (ln 2πv + (x − m)² / v), slopes in m and in the argument of v's softplus.
fn gaussian<R: Real>(dim: usize, out: &[R], x: &[R], terms: &mut [R], d_out: &mut [R]) {
    let ln_two_pi = R::from_f64((2.0 * std::f64::consts::PI).ln());
    let half = R::from_f64(0.5);
    let mut variances = vec![R::ZERO; dim];
    let rows = out.chunks_exact(2 * dim).zip(x.chunks_exact(dim));
    for ((out, x), (terms, d_out)) in
        rows.zip(terms.chunks_exact_mut(dim).zip(d_out.chunks_exact_mut(2 * dim)))
    {
        let (means, raw) = out.split_at(dim);
        let (d_means, d_raw) = d_out.split_at_mut(dim);
        Spread::Variance.variances(raw, &mut variances);
        for j in 0..dim {
            let precision = R::ONE / variances[j];
            let residual = x[j] - means[j];
            let square = residual * residual * precision;
            terms[j] = half * (ln_two_pi + variances[j].ln() + square);
            d_means[j] = -residual * precision;
            variances[j] = half * precision * (R::ONE - square);
        }
        Spread::Variance.pull_back(raw, &variances, d_raw);
    }
}

/// log Σ eˡ − l_x, slopes softmax − 1{x}; x a label in every feature.
fn categorical<R: Real>(num_classes: usize, out: &[R], x: &[R], terms: &mut [R], d_out: &mut [R]) {
    let features = out.chunks_exact(num_classes).zip(d_out.chunks_exact_mut(num_classes));
    for ((logits, d), (x, term)) in features.zip(x.iter().zip(terms)) {
        let largest = logits.iter().fold(logits[0], |m, l| m.maximum(*l));
        let mut total = R::ZERO;
        for (d, l) in d.iter_mut().zip(logits) {
            *d = (*l - largest).exp();
            total += *d;
        }
        d.iter_mut().for_each(|d| *d = *d / total);
        let label = x.to_f64() as usize;
        *term = total.ln() + largest - logits[label];
        d[label] -= R::ONE;
    }
}
