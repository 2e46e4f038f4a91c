//! p(z_t | z_{t−1}) = N(μ(z_{t−1}), diag σ²(z_{t−1})).
//!
//! * linear, MLP: μ = W_μ a + b, σ² = sp(W_σ a + b), a the last hidden layer (z itself where none).
//! * gated: g = σ(W relu(W z + b) + b); h = W relu(W z + b) + b; μ = (1 − g)(W_m z + b_m) + g h;
//!   σ² = sp(W relu(h) + b); W_m starts at the identity.
//! * gated of clinicalml/dmm: a, a′ two stacks; h = W a + b, g = σ(W a′), μ = g h + (1 − g) z W_z,
//!   σ² = sp(W a + b).
//! * linear Gaussian: μ = W z + b, σ² constant.
//! * function: μ a formula with learnable parameters, σ² constant.
//!
//! "z" stands for \[z_{t−1}, context\], the context being x_{t−1} and u_t where the options ask for it.
//!
//! # Source
//! Krishnan, Shalit and Sontag (2017), "Structured inference networks for nonlinear state space
//! models", §5 and appendix.

use std::ops::Range;

use super::config::{DmmConfig, TransitionKind};
use crate::array::{Grid, Nonlinearity, Real, vectorised};
use crate::layers::{FunctionLayer, FunctionTape, Linear, Mlp, MlpTape, Spread};
use crate::parameters::{Builder, Start};

/// The transition network.
#[derive(Clone, Debug)]
pub(crate) struct Transition {
    pub(crate) inputs: usize,
    pub(crate) latent_dim: usize,
    pub(crate) spread: Spread,
    /// The proposal's stack, whose output `raw` (and, but for the gated form, `proposal`) reads.
    pub(crate) trunk: Mlp,
    pub(crate) proposal: Proposal,
    pub(crate) gate: Option<Gate>,
    pub(crate) raw: RawSpread,
}

/// Where the proposal (the mean itself, but for the gated forms) comes from.
#[derive(Clone, Debug)]
pub(crate) enum Proposal {
    /// A linear function of the trunk.
    Trunk(Linear),
    /// A formula of the input.
    Function(FunctionLayer),
}

/// The gate between the proposal and a linear function of z.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    pub(crate) trunk: Mlp,
    pub(crate) gate: Linear,
    pub(crate) linear: Linear,
}

/// Where the argument of the softplus comes from.
#[derive(Clone, Debug)]
pub(crate) enum RawSpread {
    /// A linear function of the trunk.
    Trunk(Linear),
    /// A linear function of relu(proposal).
    Proposal(Linear),
    /// A constant.
    Constant(Range<usize>),
}

/// The transition's values on every row, and the gradients with respect to them.
#[derive(Clone, Debug)]
pub(crate) struct TransitionTape<R> {
    /// \[z_{t−1}, context\].
    pub(crate) input: Grid<R>,
    /// μ of z_t.
    pub(crate) mean: Grid<R>,
    /// σ² of z_t.
    pub(crate) variance: Grid<R>,
    /// ∂/∂μ, filled by the objective.
    pub(crate) d_mean: Grid<R>,
    /// ∂/∂σ², filled by the objective.
    pub(crate) d_variance: Grid<R>,
    /// ∂/∂\[z_{t−1}, context\], answered by the backward pass.
    pub(crate) d_input: Grid<R>,
    trunk: MlpTape<R>,
    function: Option<FunctionTape<R>>,
    proposal: Grid<R>,
    d_proposal: Grid<R>,
    gate_trunk: Option<MlpTape<R>>,
    gate: Grid<R>,
    d_gate: Grid<R>,
    linear: Grid<R>,
    d_linear: Grid<R>,
    rectified: Grid<R>,
    d_rectified: Grid<R>,
    raw: Grid<R>,
    d_raw: Grid<R>,
}

impl Transition {
    pub(crate) fn new(builder: &mut Builder, config: &DmmConfig) -> Self {
        let (latent_dim, inputs) = (config.latent_dim, config.transition_inputs());
        let depth = match config.transition {
            TransitionKind::Linear | TransitionKind::LinearGaussian | TransitionKind::Function => 0,
            TransitionKind::Gated => 1,
            TransitionKind::Mlp | TransitionKind::GatedDmm => config.transition_layers,
        };
        let width = config.transition_width;
        let stack = |builder: &mut Builder, name: &str| {
            Mlp::new(builder, name, inputs, width, depth, config.nonlinearity)
        };
        let trunk = stack(builder, "transition.trunk");
        let proposal = match &config.transition_function {
            Some(function) => {
                let (name, start) = ("transition.parameters".into(), Start::Values(&function.parameters));
                let theta = builder.tensor(name, &[function.parameters.len()], start);
                Proposal::Function(FunctionLayer::new(function.clone(), theta))
            }
            None => Proposal::Trunk(Linear::new(builder, "transition.mean", trunk.outputs(), latent_dim)),
        };
        let scheme = Start::Scheme { inputs };
        let gate = match config.transition {
            TransitionKind::Gated | TransitionKind::GatedDmm => {
                let paper = config.transition == TransitionKind::Gated;
                let trunk = stack(builder, "transition.gate_trunk");
                let start = Start::Scheme { inputs: trunk.outputs() };
                let bias = paper.then_some(start);
                let gate =
                    Linear::starting(builder, "transition.gate", trunk.outputs(), latent_dim, start, bias);
                let (weight, bias) =
                    if paper { (Start::Identity, Some(Start::Constant(0.0))) } else { (scheme, None) };
                let linear =
                    Linear::starting(builder, "transition.linear", inputs, latent_dim, weight, bias);
                Some(Gate { trunk, gate, linear })
            }
            _ => None,
        };
        let raw = match config.transition {
            TransitionKind::Gated => {
                RawSpread::Proposal(Linear::new(builder, "transition.spread", latent_dim, latent_dim))
            }
            TransitionKind::LinearGaussian | TransitionKind::Function => {
                let start = Start::Constant(config.spread.raw(1.0));
                RawSpread::Constant(builder.tensor("transition.spread".into(), &[latent_dim], start))
            }
            _ => RawSpread::Trunk(Linear::new(builder, "transition.spread", trunk.outputs(), latent_dim)),
        };
        Transition { inputs, latent_dim, spread: config.spread, trunk, proposal, gate, raw }
    }

    pub(crate) fn tape<R: Real>(&self) -> TransitionTape<R> {
        let latent = || Grid::new(self.latent_dim);
        let gated = || Grid::new(if self.gate.is_some() { self.latent_dim } else { 0 });
        let rectified =
            || Grid::new(if matches!(self.raw, RawSpread::Proposal(_)) { self.latent_dim } else { 0 });
        TransitionTape {
            input: Grid::new(self.inputs),
            mean: latent(),
            variance: latent(),
            d_mean: latent(),
            d_variance: latent(),
            d_input: Grid::new(self.inputs),
            trunk: self.trunk.tape(),
            function: match &self.proposal {
                Proposal::Function(function) => Some(function.tape()),
                Proposal::Trunk(_) => None,
            },
            proposal: gated(),
            d_proposal: latent(),
            gate_trunk: self.gate.as_ref().map(|gate| gate.trunk.tape()),
            gate: gated(),
            d_gate: gated(),
            linear: gated(),
            d_linear: gated(),
            rectified: rectified(),
            d_rectified: rectified(),
            raw: latent(),
            d_raw: latent(),
        }
    }

    /// μ and σ² of the rows from their inputs.
    pub(crate) fn forward<R: Real>(&self, theta: &[R], rows: Range<usize>, tape: &mut TransitionTape<R>) {
        self.trunk.forward(theta, rows.clone(), &tape.input, &mut tape.trunk);
        let trunk = tape.trunk.output(&tape.input).rows(rows.clone());
        let proposal = if self.gate.is_some() { &mut tape.proposal } else { &mut tape.mean };
        match (&self.proposal, &mut tape.function) {
            (Proposal::Function(function), Some(values)) => {
                function.forward(theta, rows.clone(), &tape.input, values, proposal);
            }
            (Proposal::Trunk(layer), _) => layer.forward(theta, trunk, proposal.rows_mut(rows.clone())),
            (Proposal::Function(_), None) => unreachable!("a function has its tape"),
        }
        if let (Some(gate), Some(gate_tape)) = (&self.gate, &mut tape.gate_trunk) {
            let proposal = tape.proposal.rows(rows.clone());
            gate.trunk.forward(theta, rows.clone(), &tape.input, gate_tape);
            let g = tape.gate.rows_mut(rows.clone());
            gate.gate.forward(theta, gate_tape.output(&tape.input).rows(rows.clone()), g);
            let linear = tape.linear.rows_mut(rows.clone());
            gate.linear.forward(theta, tape.input.rows(rows.clone()), linear);
            mix(g, proposal, linear, tape.mean.rows_mut(rows.clone()));
        }
        let raw = tape.raw.rows_mut(rows.clone());
        match &self.raw {
            RawSpread::Trunk(layer) => layer.forward(theta, trunk, raw),
            RawSpread::Proposal(layer) => {
                let rectified = tape.rectified.rows_mut(rows.clone());
                rectified.copy_from_slice(tape.proposal.rows(rows.clone()));
                Nonlinearity::Relu.apply(rectified);
                layer.forward(theta, rectified, raw);
            }
            RawSpread::Constant(constant) => {
                let constant = &theta[constant.clone()];
                raw.chunks_exact_mut(constant.len()).for_each(|row| row.copy_from_slice(constant));
            }
        }
        self.spread.variances(tape.raw.rows(rows.clone()), tape.variance.rows_mut(rows));
    }

    /// Pulls `d_mean` and `d_variance` of the rows back to `d_input`; adds the gradient of a formula's θ.
    pub(crate) fn backward<R: Real>(
        &self,
        theta: &[R],
        rows: Range<usize>,
        tape: &mut TransitionTape<R>,
        gradient: &mut [R],
    ) {
        tape.d_input.rows_mut(rows.clone()).fill(R::ZERO);
        tape.trunk.clear_deltas(rows.clone());
        let d_raw = tape.d_raw.rows_mut(rows.clone());
        self.spread.pull_back(tape.raw.rows(rows.clone()), tape.d_variance.rows(rows.clone()), d_raw);
        self.backward_mean(theta, rows.clone(), tape);
        let d_raw = tape.d_raw.rows(rows.clone());
        match &self.raw {
            RawSpread::Trunk(layer) => {
                layer.backward(
                    theta,
                    d_raw,
                    tape.trunk.output_deltas(&mut tape.d_input).rows_mut(rows.clone()),
                );
            }
            RawSpread::Proposal(layer) => {
                let d_rectified = tape.d_rectified.rows_mut(rows.clone());
                d_rectified.fill(R::ZERO);
                layer.backward(theta, d_raw, d_rectified);
                Nonlinearity::Relu.pull_back(tape.rectified.rows(rows.clone()), d_rectified);
                let d_proposal = tape.d_proposal.rows_mut(rows.clone());
                d_proposal.iter_mut().zip(&*d_rectified).for_each(|(d, r)| *d += *r);
            }
            RawSpread::Constant(_) => {}
        }
        match (&self.proposal, &tape.function) {
            (Proposal::Function(function), Some(values)) => {
                function.backward(rows.clone(), values, &tape.d_proposal, &mut tape.d_input, gradient);
            }
            (Proposal::Trunk(layer), _) => {
                let into = tape.trunk.output_deltas(&mut tape.d_input).rows_mut(rows.clone());
                layer.backward(theta, tape.d_proposal.rows(rows.clone()), into);
            }
            (Proposal::Function(_), None) => unreachable!("a function has its tape"),
        }
        self.trunk.backward(theta, rows, &mut tape.trunk, &mut tape.d_input);
    }

    /// From `d_mean` to the deltas of the proposal, and through the gate to those of the input.
    fn backward_mean<R: Real>(&self, theta: &[R], rows: Range<usize>, tape: &mut TransitionTape<R>) {
        let d_mean = tape.d_mean.rows(rows.clone());
        let d_proposal = tape.d_proposal.rows_mut(rows.clone());
        let (Some(gate), Some(gate_tape)) = (&self.gate, &mut tape.gate_trunk) else {
            return d_proposal.copy_from_slice(d_mean);
        };
        let d_gate = tape.d_gate.rows_mut(rows.clone());
        let d_linear = tape.d_linear.rows_mut(rows.clone());
        let (g, h) = (tape.gate.rows(rows.clone()), tape.proposal.rows(rows.clone()));
        unmix(g, h, tape.linear.rows(rows.clone()), d_mean, d_gate, d_proposal, d_linear);
        gate.linear.backward(theta, d_linear, tape.d_input.rows_mut(rows.clone()));
        gate_tape.clear_deltas(rows.clone());
        gate.gate.backward(
            theta,
            d_gate,
            gate_tape.output_deltas(&mut tape.d_input).rows_mut(rows.clone()),
        );
        gate.trunk.backward(theta, rows, gate_tape, &mut tape.d_input);
    }

    /// Adds the gradients of the weights over `rows`.
    pub(crate) fn gradient<R: Real>(
        &self,
        rows: Range<usize>,
        tape: &TransitionTape<R>,
        gradient: &mut [R],
    ) {
        let trunk = tape.trunk.output(&tape.input).rows(rows.clone());
        self.trunk.gradient(rows.clone(), &tape.input, &tape.trunk, gradient);
        if let Proposal::Trunk(layer) = &self.proposal {
            layer.gradient(trunk, tape.d_proposal.rows(rows.clone()), gradient);
        }
        if let (Some(gate), Some(gate_tape)) = (&self.gate, &tape.gate_trunk) {
            gate.trunk.gradient(rows.clone(), &tape.input, gate_tape, gradient);
            let hidden = gate_tape.output(&tape.input).rows(rows.clone());
            gate.gate.gradient(hidden, tape.d_gate.rows(rows.clone()), gradient);
            gate.linear.gradient(tape.input.rows(rows.clone()), tape.d_linear.rows(rows.clone()), gradient);
        }
        let d_raw = tape.d_raw.rows(rows.clone());
        match &self.raw {
            RawSpread::Trunk(layer) => layer.gradient(trunk, d_raw, gradient),
            RawSpread::Proposal(layer) => layer.gradient(tape.rectified.rows(rows), d_raw, gradient),
            RawSpread::Constant(constant) => crate::array::sum_rows(d_raw, &mut gradient[constant.clone()]),
        }
    }
}

impl<R: Real> TransitionTape<R> {
    pub(crate) fn resize(&mut self, rows: usize) {
        let TransitionTape { input, mean, variance, d_mean, d_variance, d_input, .. } = self;
        for grid in [input, mean, variance, d_mean, d_variance, d_input] {
            grid.resize(rows);
        }
        let TransitionTape { proposal, d_proposal, gate, d_gate, linear, d_linear, .. } = self;
        for grid in [proposal, d_proposal, gate, d_gate, linear, d_linear] {
            grid.resize(rows);
        }
        let TransitionTape { rectified, d_rectified, raw, d_raw, .. } = self;
        for grid in [rectified, d_rectified, raw, d_raw] {
            grid.resize(rows);
        }
        self.trunk.resize(rows);
        if let Some(tape) = &mut self.function {
            tape.values.resize(rows);
        }
        if let Some(tape) = &mut self.gate_trunk {
            tape.resize(rows);
        }
    }
}

vectorised! {
    /// g = σ(g) in place; μ = g h + (1 − g) l.
    fn mix(gate: &mut [R], proposal: &[R], linear: &[R], mean: &mut [R]) = mix_body
}
#[inline(always)]
fn mix_body<R: Real>(gate: &mut [R], proposal: &[R], linear: &[R], mean: &mut [R]) {
    for ((m, g), (h, l)) in mean.iter_mut().zip(gate).zip(proposal.iter().zip(linear)) {
        *g = g.sigmoid();
        *m = *l + *g * (*h - *l);
    }
}

vectorised! {
    /// The deltas of the gate's argument, of h and of l from those of μ.
    fn unmix(gate: &[R], proposal: &[R], linear: &[R], d_mean: &[R], d_gate: &mut [R], d_proposal: &mut [R], d_linear: &mut [R]) = unmix_body
}
#[inline(always)]
fn unmix_body<R: Real>(
    gate: &[R],
    proposal: &[R],
    linear: &[R],
    d_mean: &[R],
    d_gate: &mut [R],
    d_proposal: &mut [R],
    d_linear: &mut [R],
) {
    let values = gate.iter().zip(proposal.iter().zip(linear)).zip(d_mean);
    let deltas = d_gate.iter_mut().zip(d_proposal.iter_mut().zip(d_linear));
    for (((g, (h, l)), d), (d_g, (d_h, d_l))) in values.zip(deltas) {
        *d_g = *d * (*h - *l) * *g * (R::ONE - *g);
        *d_h = *d * *g;
        *d_l = *d * (R::ONE - *g);
    }
}
