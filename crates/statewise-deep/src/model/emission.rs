//! p(x_t | z_t): a multilayer perceptron and a likelihood of its outputs.

use std::ops::Range;

use rand_chacha::ChaCha8Rng;

use super::batch::Batch;
use super::config::{DmmConfig, EmissionKind};
use super::likelihood::Likelihood;
use super::nade::{Nade, NadeTape};
use crate::array::{Grid, Real, sum_rows};
use crate::layers::{Linear, Mlp, MlpTape};
use crate::parameters::{Builder, Start};

/// The emission network.
#[derive(Clone, Debug)]
pub(crate) struct Emission {
    pub(crate) inputs: usize,
    pub(crate) latent_dim: usize,
    pub(crate) dim: usize,
    pub(crate) likelihood: Likelihood,
    pub(crate) trunk: Mlp,
    pub(crate) head: Head,
}

/// From the trunk to the observation.
#[derive(Clone, Debug)]
pub(crate) enum Head {
    /// Independent features; the residual is a linear function of z beside the trunk.
    Independent { output: Linear, residual: Option<Linear>, constant: Option<Range<usize>> },
    /// Binary features, one after the other.
    Nade(Nade),
}

/// The emission's values on every row, and the gradients with respect to them.
#[derive(Clone, Debug)]
pub(crate) struct EmissionTape<R> {
    /// \[z_t, context\].
    pub(crate) input: Grid<R>,
    /// ∂/∂\[z_t, context\], answered by the backward pass.
    pub(crate) d_input: Grid<R>,
    /// −log p(x_t | z_t), one value a row.
    pub(crate) nll: Grid<R>,
    trunk: MlpTape<R>,
    mean: Grid<R>,
    d_mean: Grid<R>,
    out: Grid<R>,
    d_out: Grid<R>,
    latent: Grid<R>,
    d_latent: Grid<R>,
    terms: Grid<R>,
    nade: Option<NadeTape<R>>,
}

impl Emission {
    pub(crate) fn new(builder: &mut Builder, config: &DmmConfig) -> Self {
        let inputs = config.emission_inputs();
        let (dim, latent_dim) = (config.emission_dim, config.latent_dim);
        let (width, depth) = (config.emission_width, config.emission_layers);
        let trunk = Mlp::new(builder, "emission.trunk", inputs, width, depth, config.nonlinearity);
        let likelihood = Likelihood::new(config);
        let head = match config.emission {
            EmissionKind::Nade => {
                let residual = config.emission_residual.then_some(latent_dim);
                Head::Nade(Nade::new(builder, trunk.outputs(), dim, residual))
            }
            _ => {
                let constant =
                    config.emission_constant_variance && config.emission == EmissionKind::Gaussian;
                let outputs = if constant { dim } else { likelihood.outputs() * dim };
                let output = Linear::new(builder, "emission.output", trunk.outputs(), outputs);
                let residual = config
                    .emission_residual
                    .then(|| Linear::without_bias(builder, "emission.residual", latent_dim, outputs));
                let start = Start::Constant(crate::layers::Spread::Variance.raw(1.0));
                let constant = constant.then(|| builder.tensor("emission.spread".into(), &[dim], start));
                Head::Independent { output, residual, constant }
            }
        };
        Emission { inputs, latent_dim, dim, likelihood, trunk, head }
    }

    pub(crate) fn tape<R: Real>(&self) -> EmissionTape<R> {
        let (outputs, constant, residual) = match &self.head {
            Head::Independent { residual, constant, .. } => {
                (self.likelihood.outputs() * self.dim, constant.is_some(), residual.is_some())
            }
            Head::Nade(nade) => (0, false, nade.has_residual()),
        };
        let mean = Grid::new(if constant { self.dim } else { 0 });
        let out = Grid::new(outputs);
        let latent = Grid::new(if residual { self.latent_dim } else { 0 });
        EmissionTape {
            input: Grid::new(self.inputs),
            d_input: Grid::new(self.inputs),
            nll: Grid::new(1),
            trunk: self.trunk.tape(),
            d_mean: mean.clone(),
            mean,
            d_out: out.clone(),
            out,
            d_latent: latent.clone(),
            latent,
            terms: Grid::new(if outputs == 0 { 0 } else { self.dim }),
            nade: match &self.head {
                Head::Nade(nade) => Some(nade.tape()),
                Head::Independent { .. } => None,
            },
        }
    }

    /// The outputs of the network, and −log p of the batch's observations, on the rows.
    pub(crate) fn forward<R: Real>(
        &self,
        theta: &[R],
        rows: Range<usize>,
        batch: &Batch<R>,
        tape: &mut EmissionTape<R>,
    ) {
        self.outputs(theta, rows.clone(), tape);
        let x = batch.targets.rows(rows.clone());
        match (&self.head, &mut tape.nade) {
            (Head::Nade(nade), Some(nade_tape)) => {
                let observed = batch.observed.as_ref();
                let trunk = tape.trunk.output(&tape.input);
                nade.forward(
                    theta,
                    rows.clone(),
                    trunk,
                    &tape.latent,
                    x,
                    observed,
                    nade_tape,
                    &mut tape.nll,
                );
            }
            _ => {
                let terms = tape.terms.rows_mut(rows.clone());
                let d_out = tape.d_out.rows_mut(rows.clone());
                self.likelihood.terms(self.dim, tape.out.rows(rows.clone()), x, terms, d_out);
                if let Some(observed) = &batch.observed {
                    self.mask(observed.rows(rows.clone()), terms, d_out);
                }
                let sums = tape.nll.rows_mut(rows).iter_mut();
                sums.zip(terms.chunks_exact(self.dim))
                    .for_each(|(nll, row)| *nll = row.iter().copied().sum());
            }
        }
    }

    /// The outputs of the network on the rows.
    pub(crate) fn outputs<R: Real>(&self, theta: &[R], rows: Range<usize>, tape: &mut EmissionTape<R>) {
        self.trunk.forward(theta, rows.clone(), &tape.input, &mut tape.trunk);
        if tape.latent.width() > 0 {
            for row in rows.clone() {
                tape.latent.row_mut(row).copy_from_slice(&tape.input.row(row)[..self.latent_dim]);
            }
        }
        let Head::Independent { output, residual, constant } = &self.head else { return };
        let target = if constant.is_some() { &mut tape.mean } else { &mut tape.out };
        let out = target.rows_mut(rows.clone());
        output.forward(theta, tape.trunk.output(&tape.input).rows(rows.clone()), out);
        if let Some(residual) = residual {
            residual.add(theta, tape.latent.rows(rows.clone()), out);
        }
        if let Some(constant) = constant {
            for row in rows {
                let (mean, raw) = tape.out.row_mut(row).split_at_mut(self.dim);
                mean.copy_from_slice(tape.mean.row(row));
                raw.copy_from_slice(&theta[constant.clone()]);
            }
        }
    }

    /// Missing entries have no likelihood and no gradient.
    fn mask<R: Real>(&self, observed: &[R], terms: &mut [R], d_out: &mut [R]) {
        terms.iter_mut().zip(observed).for_each(|(term, o)| *term *= *o);
        let per_feature = self.likelihood.outputs();
        let rows = observed.chunks_exact(self.dim).zip(d_out.chunks_exact_mut(self.dim * per_feature));
        for (observed, d_out) in rows {
            for (j, o) in observed.iter().enumerate() {
                match self.likelihood {
                    Likelihood::Categorical { .. } => {
                        d_out[j * per_feature..(j + 1) * per_feature].iter_mut().for_each(|d| *d *= *o);
                    }
                    _ => d_out.iter_mut().skip(j).step_by(self.dim).for_each(|d| *d *= *o),
                }
            }
        }
    }

    /// Pulls `weights[row]` ∂nll/∂· back to `d_input`, for all rows of the last forward pass.
    pub(crate) fn backward<R: Real>(
        &self,
        theta: &[R],
        rows: Range<usize>,
        batch: &Batch<R>,
        weights: &[R],
        tape: &mut EmissionTape<R>,
        gradient: &mut [R],
    ) {
        tape.d_input.rows_mut(rows.clone()).fill(R::ZERO);
        tape.trunk.clear_deltas(rows.clone());
        match (&self.head, &mut tape.nade) {
            (Head::Nade(nade), Some(nade_tape)) => {
                let x = batch.targets.rows(rows.clone());
                let into = tape.trunk.output_deltas(&mut tape.d_input);
                let latents = (&tape.latent, &mut tape.d_latent);
                let observed = batch.observed.as_ref();
                nade.backward(
                    theta,
                    rows.clone(),
                    latents,
                    x,
                    observed,
                    weights,
                    nade_tape,
                    into,
                    gradient,
                );
            }
            (Head::Independent { output, residual, constant }, _) => {
                let width = tape.d_out.width();
                let scaled = tape.d_out.rows_mut(rows.clone()).chunks_exact_mut(width);
                for (row, weight) in scaled.zip(&weights[rows.clone()]) {
                    row.iter_mut().for_each(|d| *d *= *weight);
                }
                if let Some(constant) = constant {
                    let dim = self.dim;
                    for row in rows.clone() {
                        let (d_mean, d_raw) = tape.d_out.row(row).split_at(dim);
                        tape.d_mean.row_mut(row).copy_from_slice(d_mean);
                        sum_rows(d_raw, &mut gradient[constant.clone()]);
                    }
                }
                let deltas = if constant.is_some() { &tape.d_mean } else { &tape.d_out };
                let dy = deltas.rows(rows.clone());
                output.backward(
                    theta,
                    dy,
                    tape.trunk.output_deltas(&mut tape.d_input).rows_mut(rows.clone()),
                );
                output.gradient(tape.trunk.output(&tape.input).rows(rows.clone()), dy, gradient);
                if let Some(residual) = residual {
                    let d_latent = tape.d_latent.rows_mut(rows.clone());
                    d_latent.fill(R::ZERO);
                    residual.backward(theta, dy, d_latent);
                    residual.gradient(tape.latent.rows(rows.clone()), dy, gradient);
                }
            }
            (Head::Nade(_), None) => unreachable!("a NADE has its tape"),
        }
        self.trunk.backward(theta, rows.clone(), &mut tape.trunk, &mut tape.d_input);
        self.trunk.gradient(rows.clone(), &tape.input, &tape.trunk, gradient);
        if tape.latent.width() > 0 {
            for row in rows {
                let from = tape.d_latent.row(row).iter();
                tape.d_input.row_mut(row)[..self.latent_dim]
                    .iter_mut()
                    .zip(from)
                    .for_each(|(d, l)| *d += *l);
            }
        }
    }

    /// E\[x_t | z_t\] of a row whose outputs were computed; of a NADE, along its most probable path.
    pub(crate) fn mean<R: Real>(
        &self,
        theta: &[R],
        row: usize,
        tape: &EmissionTape<R>,
        mean: &mut Vec<f64>,
    ) {
        match &self.head {
            Head::Nade(nade) => {
                nade.most_probable(theta, row, tape.trunk.output(&tape.input), &tape.latent, mean)
            }
            Head::Independent { .. } => self.likelihood.mean(self.dim, tape.out.row(row), mean),
        }
    }

    /// A draw of x_t given z_t.
    pub(crate) fn draw<R: Real>(
        &self,
        theta: &[R],
        row: usize,
        tape: &EmissionTape<R>,
        rng: &mut ChaCha8Rng,
        x: &mut Vec<f64>,
    ) {
        match &self.head {
            Head::Nade(nade) => nade.draw(theta, row, tape.trunk.output(&tape.input), &tape.latent, rng, x),
            Head::Independent { .. } => self.likelihood.draw(self.dim, tape.out.row(row), rng, x),
        }
    }
}

impl<R: Real> EmissionTape<R> {
    pub(crate) fn resize(&mut self, rows: usize) {
        let EmissionTape { input, d_input, nll, mean, d_mean, out, d_out, latent, d_latent, terms, .. } =
            self;
        for grid in [input, d_input, nll, mean, d_mean, out, d_out, latent, d_latent, terms] {
            grid.resize(rows);
        }
        self.trunk.resize(rows);
        if let Some(nade) = &mut self.nade {
            nade.resize(rows);
        }
    }
}
