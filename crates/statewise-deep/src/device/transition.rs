//! The transition on a device: `model/transition` with kernels.

use std::ops::Range;

use super::driver::{Driver, Kernel, NOWHERE};
use super::layers::MlpTape;
use super::memory::{Layout, Rows};
use super::stage::Stage;
use crate::array::Nonlinearity;
use crate::model::transition::{Gate, Proposal, RawSpread, Transition};

/// The transition's values on every row, and the gradients with respect to them.
#[derive(Clone, Debug)]
pub(super) struct TransitionTape {
    /// \[z_{t−1}, context\].
    pub(super) input: Rows,
    pub(super) mean: Rows,
    pub(super) variance: Rows,
    pub(super) d_mean: Rows,
    pub(super) d_variance: Rows,
    pub(super) d_input: Rows,
    pub(super) d_raw: Rows,
    raw: Rows,
    trunk: MlpTape,
    gated: Option<GatedTape>,
    rectified: Rows,
    d_rectified: Rows,
}

/// What the gated forms have beside.
#[derive(Clone, Debug)]
struct GatedTape {
    trunk: MlpTape,
    proposal: Rows,
    d_proposal: Rows,
    gate: Rows,
    d_gate: Rows,
    linear: Rows,
    d_linear: Rows,
}

impl TransitionTape {
    pub(super) fn new(layout: &mut Layout, transition: &Transition, rows: usize) -> Self {
        let dim = transition.latent_dim;
        let rectified = if matches!(transition.raw, RawSpread::Proposal(_)) { dim } else { 0 };
        TransitionTape {
            input: layout.rows(rows, transition.inputs),
            mean: layout.rows(rows, dim),
            variance: layout.rows(rows, dim),
            d_mean: layout.rows(rows, dim),
            d_variance: layout.rows(rows, dim),
            d_input: layout.rows(rows, transition.inputs),
            d_raw: layout.rows(rows, dim),
            raw: layout.rows(rows, dim),
            trunk: MlpTape::new(layout, &transition.trunk, rows),
            gated: transition.gate.as_ref().map(|gate| GatedTape::new(layout, gate, rows, dim)),
            rectified: layout.rows(rows, rectified),
            d_rectified: layout.rows(rows, rectified),
        }
    }

    /// μ and σ² of the rows from their inputs.
    pub(super) fn forward<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        transition: &Transition,
        rows: Range<usize>,
    ) {
        let at = |grid: Rows| grid.rows(rows.clone());
        let threads = rows.len() * transition.latent_dim;
        self.trunk.forward(stage, &transition.trunk, rows.clone(), self.input);
        let trunk = at(self.trunk.output(self.input));
        if let Proposal::Trunk(layer) = &transition.proposal {
            match (&transition.gate, &self.gated) {
                (Some(gate), Some(tape)) => {
                    stage.forward(layer, trunk, at(tape.proposal), false);
                    tape.forward(stage, gate, rows.clone(), self.input);
                    let x = [stage.bias(&gate.gate), stage.bias(layer), stage.bias(&gate.linear)];
                    let rectified = if self.rectified.width > 0 { at(self.rectified).at } else { NOWHERE };
                    let [g, h, l] = [tape.gate, tape.proposal, tape.linear].map(|grid| at(grid).at);
                    let y = [g, h, l, at(self.mean).at, rectified];
                    stage.launch(Kernel::Mix, threads, &x, &y, &[transition.latent_dim], &[]);
                }
                _ => {
                    stage.forward(layer, trunk, at(self.mean), false);
                    stage.apply(layer, Nonlinearity::Identity, at(self.mean));
                }
            }
        }
        let bias = match &transition.raw {
            RawSpread::Trunk(layer) => {
                stage.forward(layer, trunk, at(self.raw), false);
                stage.bias(layer)
            }
            RawSpread::Proposal(layer) => {
                stage.forward(layer, at(self.rectified), at(self.raw), false);
                stage.bias(layer)
            }
            RawSpread::Constant(constant) => stage.weight(constant),
        };
        let constant = matches!(transition.raw, RawSpread::Constant(_));
        let n = [transition.latent_dim, transition.spread as usize, usize::from(constant)];
        let y = [at(self.raw).at, at(self.variance).at];
        stage.launch(Kernel::Variances, threads, &[bias], &y, &n, &[]);
    }

    /// Pulls `d_mean` and `d_variance` of the rows back to `d_input`.
    pub(super) fn backward<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        transition: &Transition,
        rows: Range<usize>,
    ) {
        let at = |grid: Rows| grid.rows(rows.clone());
        let dim = transition.latent_dim;
        let threads = rows.len() * dim;
        stage.fill(at(self.d_input), 0.0);
        self.trunk.clear_deltas(stage, rows.clone());
        let x = [at(self.raw).at, at(self.d_variance).at];
        let n = [dim, transition.spread as usize, dim];
        stage.launch(Kernel::VariancesBack, threads, &x, &[at(self.d_raw).at], &n, &[]);
        if let (Some(gate), Some(tape)) = (&transition.gate, &self.gated) {
            tape.backward(stage, gate, rows.clone(), self.d_mean, self.d_input);
        }
        let d_proposal = at(self.d_proposal());
        let into = at(self.trunk.output_deltas(self.d_input));
        match &transition.raw {
            RawSpread::Trunk(layer) => stage.backward(layer, at(self.d_raw), into, true),
            RawSpread::Proposal(layer) => {
                let d_rectified = at(self.d_rectified);
                stage.backward(layer, at(self.d_raw), d_rectified, false);
                let x = [at(self.rectified).at, d_rectified.at];
                stage.launch(Kernel::Unrectify, threads, &x, &[d_proposal.at], &[], &[]);
            }
            RawSpread::Constant(_) => {}
        }
        if let Proposal::Trunk(layer) = &transition.proposal {
            stage.backward(layer, d_proposal, into, true);
        }
        self.trunk.backward(stage, &transition.trunk, rows, Some(self.d_input));
    }

    /// Adds the gradients of the weights over `rows`.
    pub(super) fn gradient<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        transition: &Transition,
        rows: Range<usize>,
    ) {
        let at = |grid: Rows| grid.rows(rows.clone());
        let trunk = at(self.trunk.output(self.input));
        self.trunk.gradient(stage, &transition.trunk, rows.clone(), self.input);
        if let Proposal::Trunk(layer) = &transition.proposal {
            stage.gradient(layer, trunk, at(self.d_proposal()));
        }
        if let (Some(gate), Some(tape)) = (&transition.gate, &self.gated) {
            tape.gradient(stage, gate, rows.clone(), self.input);
        }
        match &transition.raw {
            RawSpread::Trunk(layer) => stage.gradient(layer, trunk, at(self.d_raw)),
            RawSpread::Proposal(layer) => stage.gradient(layer, at(self.rectified), at(self.d_raw)),
            RawSpread::Constant(constant) => stage.sum_rows(at(self.d_raw), constant),
        }
    }

    /// The deltas of the proposal, which without a gate is the mean.
    fn d_proposal(&self) -> Rows {
        self.gated.as_ref().map_or(self.d_mean, |tape| tape.d_proposal)
    }
}

impl GatedTape {
    fn new(layout: &mut Layout, gate: &Gate, rows: usize, dim: usize) -> Self {
        GatedTape {
            trunk: MlpTape::new(layout, &gate.trunk, rows),
            proposal: layout.rows(rows, dim),
            d_proposal: layout.rows(rows, dim),
            gate: layout.rows(rows, dim),
            d_gate: layout.rows(rows, dim),
            linear: layout.rows(rows, dim),
            d_linear: layout.rows(rows, dim),
        }
    }

    /// The products of the gate and of the linear proposal.
    fn forward<D: Driver>(&self, stage: &mut Stage<'_, D>, gate: &Gate, rows: Range<usize>, input: Rows) {
        self.trunk.forward(stage, &gate.trunk, rows.clone(), input);
        let hidden = self.trunk.output(input).rows(rows.clone());
        stage.forward(&gate.gate, hidden, self.gate.rows(rows.clone()), false);
        stage.forward(&gate.linear, input.rows(rows.clone()), self.linear.rows(rows), false);
    }

    /// From the deltas of the mean to those of the proposal, and through the gate to those of the input.
    fn backward<D: Driver>(
        &self,
        stage: &mut Stage<'_, D>,
        gate: &Gate,
        rows: Range<usize>,
        d_mean: Rows,
        d_input: Rows,
    ) {
        let at = |grid: Rows| grid.rows(rows.clone());
        let x = [self.gate, self.proposal, self.linear, d_mean].map(|grid| at(grid).at);
        let y = [self.d_gate, self.d_proposal, self.d_linear].map(|grid| at(grid).at);
        stage.launch(Kernel::Unmix, at(d_mean).len(), &x, &y, &[], &[]);
        stage.backward(&gate.linear, at(self.d_linear), at(d_input), true);
        self.trunk.clear_deltas(stage, rows.clone());
        stage.backward(&gate.gate, at(self.d_gate), at(self.trunk.output_deltas(d_input)), true);
        self.trunk.backward(stage, &gate.trunk, rows, Some(d_input));
    }

    fn gradient<D: Driver>(&self, stage: &mut Stage<'_, D>, gate: &Gate, rows: Range<usize>, input: Rows) {
        let at = |grid: Rows| grid.rows(rows.clone());
        self.trunk.gradient(stage, &gate.trunk, rows.clone(), input);
        stage.gradient(&gate.gate, at(self.trunk.output(input)), at(self.d_gate));
        stage.gradient(&gate.linear, at(input), at(self.d_linear));
    }
}
