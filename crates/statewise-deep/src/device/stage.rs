//! A pass's view of the device: the weights, their gradient, and the products and kernels of layers.

use std::ops::Range;

use super::driver::{Call, Driver, Kernel, NOWHERE, Product};
use super::memory::Rows;
use crate::array::Nonlinearity;
use crate::layers::Linear;

/// The device, with the places of what all layers share.
pub(super) struct Stage<'a, D> {
    pub(super) driver: &'a mut D,
    /// The weights.
    pub(super) theta: usize,
    /// Their gradient, laid out alike.
    pub(super) gradient: usize,
    /// A column of ones, as long as any matrix has rows or columns.
    pub(super) ones: Rows,
}

impl<D: Driver> Stage<'_, D> {
    /// Runs a kernel; the slices are what it names x, y, n and c.
    pub(super) fn launch(
        &mut self,
        kernel: Kernel,
        threads: usize,
        x: &[usize],
        y: &[usize],
        n: &[usize],
        c: &[f64],
    ) {
        if threads > 0 {
            self.driver.launch(kernel, &Call { threads, x, y, n, c });
        }
    }

    /// The place of a tensor's values.
    pub(super) fn weight(&self, range: &Range<usize>) -> usize {
        self.theta + range.start
    }

    /// The place of a layer's bias.
    pub(super) fn bias(&self, layer: &Linear) -> usize {
        layer.bias.as_ref().map_or(NOWHERE, |bias| self.weight(bias))
    }

    /// The gradient of a tensor as a single row.
    pub(super) fn gradient_row(&self, range: &Range<usize>) -> Rows {
        Rows { at: self.gradient + range.start, count: 1, width: range.len(), stride: range.len() }
    }

    /// Sets all values.
    pub(super) fn fill(&mut self, rows: Rows, value: f64) {
        self.launch(Kernel::Fill, rows.len(), &[], &[rows.at], &[], &[value]);
    }

    /// Copies rows of the width of `to`; `from` NOWHERE clears, a stride of 0 repeats one row.
    pub(super) fn copy(&mut self, from: usize, stride: usize, to: Rows) {
        let threads = to.count * to.width;
        self.launch(Kernel::CopyColumns, threads, &[from], &[to.at], &[to.width, stride, to.stride], &[]);
    }

    /// y = x W, or y += x W; the bias is left to the kernel that follows.
    pub(super) fn forward(&mut self, layer: &Linear, x: Rows, y: Rows, accumulate: bool) {
        self.multiply(x, self.weight(&layer.weight), y, accumulate);
    }

    /// y = f(y + b).
    pub(super) fn apply(&mut self, layer: &Linear, f: Nonlinearity, y: Rows) {
        let bias = self.bias(layer);
        if bias != NOWHERE || f != Nonlinearity::Identity {
            self.launch(Kernel::BiasApply, y.len(), &[bias], &[y.at], &[y.width, f as usize], &[]);
        }
    }

    /// dy *= f′, given the values y = f(·).
    pub(super) fn pull_back(&mut self, f: Nonlinearity, y: Rows, dy: Rows) {
        if f != Nonlinearity::Identity {
            self.launch(Kernel::PullBack, dy.len(), &[y.at], &[dy.at], &[f as usize], &[]);
        }
    }

    /// dx = dy Wᵀ, or dx += dy Wᵀ.
    pub(super) fn backward(&mut self, layer: &Linear, dy: Rows, dx: Rows, accumulate: bool) {
        self.multiply_transposed(dy, self.weight(&layer.weight), dx, accumulate);
    }

    /// dW += xᵀ dy, db += Σ dy.
    pub(super) fn gradient(&mut self, layer: &Linear, x: Rows, dy: Rows) {
        self.add_outer(x, dy, self.gradient + layer.weight.start, true);
        if let Some(bias) = &layer.bias {
            self.sum_rows(dy, bias);
        }
    }

    /// Adds the sum over rows to the gradient of a tensor.
    pub(super) fn sum_rows(&mut self, rows: Rows, tensor: &Range<usize>) {
        self.add_outer(self.ones.rows(0..rows.count), rows, self.gradient + tensor.start, true);
    }

    /// The sum of every row.
    pub(super) fn sum_columns(&mut self, rows: Rows, sums: Rows) {
        self.multiply(rows, self.ones.at, sums, false);
    }

    /// y = x W with W (k × n) row-major: column-major it is yᵀ (n × rows) = Wᵀ xᵀ.
    pub(super) fn multiply(&mut self, x: Rows, weight: usize, y: Rows, accumulate: bool) {
        debug_assert_eq!(x.count, y.count);
        self.product(Product {
            m: y.width,
            n: y.count,
            k: x.width,
            a: weight,
            lda: y.width,
            transpose_a: false,
            b: x.at,
            ldb: x.stride,
            transpose_b: false,
            c: y.at,
            ldc: y.stride,
            accumulate,
        });
    }

    /// dx = dy Wᵀ with W (k × n) row-major: dxᵀ (k × rows) = W dyᵀ.
    pub(super) fn multiply_transposed(&mut self, dy: Rows, weight: usize, dx: Rows, accumulate: bool) {
        debug_assert_eq!(dx.count, dy.count);
        self.product(Product {
            m: dx.width,
            n: dx.count,
            k: dy.width,
            a: weight,
            lda: dy.width,
            transpose_a: true,
            b: dy.at,
            ldb: dy.stride,
            transpose_b: false,
            c: dx.at,
            ldc: dx.stride,
            accumulate,
        });
    }

    /// dW (k × n, row-major) = xᵀ dy, or dW += xᵀ dy: dWᵀ (n × k) = dyᵀ x.
    pub(super) fn add_outer(&mut self, x: Rows, dy: Rows, weight: usize, accumulate: bool) {
        debug_assert_eq!(x.count, dy.count);
        self.product(Product {
            m: dy.width,
            n: x.width,
            k: x.count,
            a: dy.at,
            lda: dy.stride,
            transpose_a: false,
            b: x.at,
            ldb: x.stride,
            transpose_b: true,
            c: weight,
            ldc: dy.width,
            accumulate,
        });
    }

    fn product(&mut self, product: Product) {
        if product.m > 0 && product.n > 0 && product.k > 0 {
            self.driver.multiply(&product);
        }
    }
}
