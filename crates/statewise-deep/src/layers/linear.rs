//! y = x W + b.

use std::ops::Range;

use crate::array::{Panels, Real, add_outer, add_rows, multiply, multiply_transposed, sum_rows};
use crate::parameters::{Builder, Start};

/// A linear layer from `inputs` to `outputs` units, with or without a bias.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) weight: Range<usize>,
    pub(crate) bias: Option<Range<usize>>,
}

impl Linear {
    pub(crate) fn new(builder: &mut Builder, name: &str, inputs: usize, outputs: usize) -> Self {
        let start = Start::Scheme { inputs };
        Self::starting(builder, name, inputs, outputs, start, Some(start))
    }

    pub(crate) fn without_bias(builder: &mut Builder, name: &str, inputs: usize, outputs: usize) -> Self {
        Self::starting(builder, name, inputs, outputs, Start::Scheme { inputs }, None)
    }

    /// A layer whose weight (and bias, if it has one) start as told.
    pub(crate) fn starting(
        builder: &mut Builder,
        name: &str,
        inputs: usize,
        outputs: usize,
        weight: Start<'_>,
        bias: Option<Start<'_>>,
    ) -> Self {
        let weight = builder.tensor(format!("{name}.weight"), &[inputs, outputs], weight);
        let bias = bias.map(|start| builder.tensor(format!("{name}.bias"), &[outputs], start));
        Linear { inputs, outputs, weight, bias }
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Where the weight lies.
    pub(crate) fn weight(&self) -> Range<usize> {
        self.weight.clone()
    }

    /// y = x W + b.
    pub(crate) fn forward<R: Real>(&self, theta: &[R], x: &[R], y: &mut [R]) {
        multiply(x, &theta[self.weight.clone()], self.inputs, self.outputs, y, false);
        if let Some(bias) = &self.bias {
            add_rows(y, &theta[bias.clone()]);
        }
    }

    /// y += x W, the bias left out.
    pub(crate) fn add<R: Real>(&self, theta: &[R], x: &[R], y: &mut [R]) {
        multiply(x, &theta[self.weight.clone()], self.inputs, self.outputs, y, true);
    }

    /// Lays out W for products with the few rows of a time step.
    pub(crate) fn fill_panels<R: Real>(&self, theta: &[R], panels: &mut Panels<R>) {
        panels.fill(&theta[self.weight.clone()], self.inputs, self.outputs);
    }

    /// Lays out Wᵀ for the backward passes of time steps.
    pub(crate) fn fill_transposed_panels<R: Real>(&self, theta: &[R], panels: &mut Panels<R>) {
        panels.fill_transposed(&theta[self.weight.clone()], self.outputs, self.inputs);
    }

    /// y = b: where a product is then added.
    pub(crate) fn fill_bias<R: Real>(&self, theta: &[R], y: &mut [R]) {
        match &self.bias {
            Some(bias) => {
                y.chunks_exact_mut(self.outputs).for_each(|row| row.copy_from_slice(&theta[bias.clone()]))
            }
            None => y.fill(R::ZERO),
        }
    }

    /// dx += dy Wᵀ.
    pub(crate) fn backward<R: Real>(&self, theta: &[R], dy: &[R], dx: &mut [R]) {
        multiply_transposed(dy, &theta[self.weight.clone()], self.inputs, self.outputs, dx, true);
    }

    /// dW += xᵀ dy, db += Σ dy.
    pub(crate) fn gradient<R: Real>(&self, x: &[R], dy: &[R], gradient: &mut [R]) {
        add_outer(x, dy, self.inputs, self.outputs, &mut gradient[self.weight.clone()]);
        if let Some(bias) = &self.bias {
            sum_rows(dy, &mut gradient[bias.clone()]);
        }
    }
}
