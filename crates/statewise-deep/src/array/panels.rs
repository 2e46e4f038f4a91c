//! A weight matrix laid out for many products with few rows: the loop over time of a recurrent layer.
//!
//! PERF: a general product packs the weight anew in every call, which for ten rows costs as much as
//! the product itself. Here it is packed once a pass, in panels of [`PANEL`] columns that are read
//! front to back, and up to [`ROWS`] rows are kept in registers.

use super::Real;

/// Columns of a panel: two registers of single precision.
const PANEL: usize = 32;
/// Rows that are multiplied at a time.
const ROWS: usize = 10;

/// A matrix (k × n) in panels of columns, the last one padded with zeros.
#[derive(Clone, Debug, Default)]
pub(crate) struct Panels<R> {
    inputs: usize,
    outputs: usize,
    values: Vec<R>,
}

impl<R: Real> Panels<R> {
    /// Lays out `weight` (inputs × outputs, row-major).
    pub(crate) fn fill(&mut self, weight: &[R], inputs: usize, outputs: usize) {
        self.lay_out(inputs, outputs, |i, j| weight[i * outputs + j]);
    }

    /// Lays out the transpose of `weight` (outputs × inputs, row-major).
    pub(crate) fn fill_transposed(&mut self, weight: &[R], inputs: usize, outputs: usize) {
        self.lay_out(inputs, outputs, |i, j| weight[j * inputs + i]);
    }

    fn lay_out(&mut self, inputs: usize, outputs: usize, weight: impl Fn(usize, usize) -> R) {
        (self.inputs, self.outputs) = (inputs, outputs);
        self.values.resize(inputs * outputs.next_multiple_of(PANEL), R::ZERO);
        let mut at = 0;
        for first in (0..outputs).step_by(PANEL) {
            for i in 0..inputs {
                for j in first..first + PANEL {
                    self.values[at] = if j < outputs { weight(i, j) } else { R::ZERO };
                    at += 1;
                }
            }
        }
    }

    /// y (rows × outputs) += x (rows × inputs) W.
    pub(crate) fn add(&self, x: &[R], y: &mut [R]) {
        debug_assert_eq!(x.len() * self.outputs, y.len() * self.inputs);
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma") {
                // SAFETY: the processor has every feature that the callee is compiled for.
                return unsafe { add_avx512(self, x, y) };
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                // SAFETY: as above.
                return unsafe { add_avx2(self, x, y) };
            }
        }
        add_strips::<R, false>(self, x, y);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn add_avx512<R: Real>(panels: &Panels<R>, x: &[R], y: &mut [R]) {
    add_strips::<R, true>(panels, x, y);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn add_avx2<R: Real>(panels: &Panels<R>, x: &[R], y: &mut [R]) {
    add_strips::<R, true>(panels, x, y);
}

#[inline(always)]
fn add_strips<R: Real, const FUSED: bool>(panels: &Panels<R>, x: &[R], y: &mut [R]) {
    let (inputs, outputs) = (panels.inputs, panels.outputs);
    let strips = x.chunks(ROWS * inputs).zip(y.chunks_mut(ROWS * outputs));
    for (x, y) in strips {
        match y.len() / outputs {
            1 => strip_1::<R, FUSED>(panels, x, y),
            2 => strip_2::<R, FUSED>(panels, x, y),
            3 => strip_3::<R, FUSED>(panels, x, y),
            4 => strip_4::<R, FUSED>(panels, x, y),
            5 => strip_5::<R, FUSED>(panels, x, y),
            6 => strip_6::<R, FUSED>(panels, x, y),
            7 => strip_7::<R, FUSED>(panels, x, y),
            8 => strip_8::<R, FUSED>(panels, x, y),
            9 => strip_9::<R, FUSED>(panels, x, y),
            _ => strip_10::<R, FUSED>(panels, x, y),
        }
    }
}

/// Defines the product of so many rows with all panels.
///
/// PERF: sums of a row are a variable of their own; in one array of rows they would stay in memory,
/// ten times slower.
macro_rules! strip {
    ($name:ident, $($sums:ident = $row:literal),+) => {
        #[inline(always)]
        fn $name<R: Real, const FUSED: bool>(panels: &Panels<R>, x: &[R], y: &mut [R]) {
            let (inputs, outputs) = (panels.inputs, panels.outputs);
            let row = |m: usize| &x[m * inputs..(m + 1) * inputs];
            let rows = [$(row($row)),+];
            for (p, panel) in panels.values.chunks_exact(inputs * PANEL).enumerate() {
                $(let mut $sums = [R::ZERO; PANEL];)+
                for (i, weights) in panel.as_chunks::<PANEL>().0.iter().enumerate() {
                    $(add_scaled::<R, FUSED>(rows[$row][i], weights, &mut $sums);)+
                }
                let first = p * PANEL;
                let width = PANEL.min(outputs - first);
                $(
                    let target = &mut y[$row * outputs + first..$row * outputs + first + width];
                    target.iter_mut().zip(&$sums).for_each(|(y, s)| *y += *s);
                )+
            }
        }
    };
}

strip!(strip_1, a = 0);
strip!(strip_2, a = 0, b = 1);
strip!(strip_3, a = 0, b = 1, c = 2);
strip!(strip_4, a = 0, b = 1, c = 2, d = 3);
strip!(strip_5, a = 0, b = 1, c = 2, d = 3, e = 4);
strip!(strip_6, a = 0, b = 1, c = 2, d = 3, e = 4, f = 5);
strip!(strip_7, a = 0, b = 1, c = 2, d = 3, e = 4, f = 5, g = 6);
strip!(strip_8, a = 0, b = 1, c = 2, d = 3, e = 4, f = 5, g = 6, h = 7);
strip!(strip_9, a = 0, b = 1, c = 2, d = 3, e = 4, f = 5, g = 6, h = 7, k = 8);
strip!(strip_10, a = 0, b = 1, c = 2, d = 3, e = 4, f = 5, g = 6, h = 7, k = 8, l = 9);

/// sums += factor · weights.
#[inline(always)]
fn add_scaled<R: Real, const FUSED: bool>(factor: R, weights: &[R; PANEL], sums: &mut [R; PANEL]) {
    for j in 0..PANEL {
        sums[j] =
            if FUSED { factor.multiply_add(weights[j], sums[j]) } else { factor * weights[j] + sums[j] };
    }
}

#[cfg(test)]
mod tests {
    use super::Panels;
    use crate::array::multiply;

    #[test]
    fn panels_give_the_product_of_any_size() {
        for (rows, inputs, outputs) in [(1, 1, 1), (3, 5, 33), (10, 7, 64), (23, 40, 70)] {
            let values = |len: usize, k: usize| -> Vec<f64> {
                (0..len).map(|i| ((i * k) % 17) as f64 / 16.0 - 0.5).collect()
            };
            let (x, w) = (values(rows * inputs, 7), values(inputs * outputs, 11));
            let mut want = vec![0.25; rows * outputs];
            multiply(&x, &w, inputs, outputs, &mut want, true);
            let mut transpose = vec![0.0; w.len()];
            (0..w.len()).for_each(|e| transpose[(e % outputs) * inputs + e / outputs] = w[e]);
            for transposed in [false, true] {
                let mut panels = Panels::default();
                if transposed {
                    panels.fill_transposed(&transpose, inputs, outputs);
                } else {
                    panels.fill(&w, inputs, outputs);
                }
                let mut got = vec![0.25; rows * outputs];
                panels.add(&x, &mut got);
                // Sums of at most 40 products near 1.
                assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-14));
            }
        }
    }
}
