//! Inverse autoregressive flows on q(z_t): a Gaussian draw bent by maps with triangular Jacobians.
//!
//! One layer, m and s from one hidden layer whose masks let m_j, s_j read only latents before j:
//!
//! \[m, s\] = W₂ f(W₁ z + b₁) + b₂,  σ = 1 / (1 + e⁻ˢ),  z′ = m + σ (z − m),  ln |∂z′/∂z| = Σ_j ln σ_j
//!
//! Latents are in their own order in even layers and in the reverse in odd ones. All scales lie in (0, 1), so
//! that nothing overflows; q's variance makes up for what they take away, and b₂ starts s at 2, near the
//! identity. All time steps share the layers, and
//! log q(z_t | z_{t−1}, x) = log N(z⁰; mean, variance) − Σ_layers ln |∂z′/∂z|.
//!
//! # Source
//! Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling (2016), "Improved variational inference with
//! inverse autoregressive flow"; masks: Germain, Gregor, Murray and Larochelle (2015), "MADE".

use std::ops::Range;

use super::config::DmmConfig;
use crate::array::{Grid, Nonlinearity, Panels, Real, vectorised};
use crate::layers::Linear;
use crate::parameters::{Builder, Start};

/// s before training.
const START: f64 = 2.0;

/// All layers; none leave a draw as it is.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    size: usize,
    width: usize,
    nonlinearity: Nonlinearity,
    layers: Vec<FlowLayer>,
}

#[derive(Clone, Debug)]
struct FlowLayer {
    hidden: Linear,
    output: Linear,
    /// Whether the last latent comes first.
    reversed: bool,
}

/// The flow's values on every row, and the gradients with respect to them.
#[derive(Clone, Debug)]
pub(crate) struct FlowTape<R> {
    /// Σ ln |∂z′/∂z|, one value a row.
    pub(crate) log_det: Grid<R>,
    /// z before each layer.
    inputs: Vec<Grid<R>>,
    layers: Vec<LayerTape<R>>,
}

#[derive(Clone, Debug)]
struct LayerTape<R> {
    hidden: Grid<R>,
    d_hidden: Grid<R>,
    /// m, then σ.
    out: Grid<R>,
    /// ∂/∂m, then ∂/∂s.
    d_out: Grid<R>,
    weights: Masked<R>,
}

/// The masked weights of a layer laid out for time steps, and their transposes.
#[derive(Clone, Debug, Default)]
struct Masked<R> {
    hidden: Panels<R>,
    output: Panels<R>,
    hidden_back: Panels<R>,
    output_back: Panels<R>,
}

impl Flow {
    pub(crate) fn new(builder: &mut Builder, config: &DmmConfig) -> Self {
        let (size, width) = (config.latent_dim, config.iaf_width);
        let start = |j: usize| if j < size { 0.0 } else { START };
        let bias: Vec<f64> = (0..if config.iaf_layers > 0 { 2 * size } else { 0 }).map(start).collect();
        let layer = |l: usize| {
            let name = format!("guide.flow.{l}");
            let scheme = Start::Scheme { inputs: width };
            let (output, bias) = (format!("{name}.output"), Some(Start::Values(&bias)));
            FlowLayer {
                hidden: Linear::new(builder, &format!("{name}.hidden"), size, width),
                output: Linear::starting(builder, &output, width, 2 * size, scheme, bias),
                reversed: l % 2 == 1,
            }
        };
        let layers = (0..config.iaf_layers).map(layer).collect();
        Flow { size, width, nonlinearity: config.nonlinearity, layers }
    }

    /// Whether draws stay as they are.
    pub(crate) fn is_identity(&self) -> bool {
        self.layers.is_empty()
    }

    pub(crate) fn tape<R: Real>(&self) -> FlowTape<R> {
        let layer = || LayerTape {
            hidden: Grid::new(self.width),
            d_hidden: Grid::new(self.width),
            out: Grid::new(2 * self.size),
            d_out: Grid::new(2 * self.size),
            weights: Masked::default(),
        };
        FlowTape {
            log_det: Grid::new(if self.is_identity() { 0 } else { 1 }),
            inputs: self.layers.iter().map(|_| Grid::new(self.size)).collect(),
            layers: self.layers.iter().map(|_| layer()).collect(),
        }
    }

    /// Before the first [`Flow::forward`] of a pass: masks the weights and lays them out.
    pub(crate) fn start<R: Real>(&self, theta: &[R], tape: &mut FlowTape<R>) {
        for (layer, tape) in self.layers.iter().zip(&mut tape.layers) {
            let (hidden, output) = self.masked(layer, theta);
            tape.weights.hidden.fill(&hidden, self.size, self.width);
            tape.weights.output.fill(&output, self.width, 2 * self.size);
        }
    }

    /// Bends the rows of `z` in place.
    pub(crate) fn forward<R: Real>(
        &self,
        theta: &[R],
        rows: Range<usize>,
        z: &mut Grid<R>,
        tape: &mut FlowTape<R>,
    ) {
        if self.is_identity() {
            return;
        }
        tape.log_det.rows_mut(rows.clone()).fill(R::ZERO);
        for ((layer, input), layer_tape) in self.layers.iter().zip(&mut tape.inputs).zip(&mut tape.layers) {
            input.rows_mut(rows.clone()).copy_from_slice(z.rows(rows.clone()));
            let hidden = layer_tape.hidden.rows_mut(rows.clone());
            layer.hidden.fill_bias(theta, hidden);
            layer_tape.weights.hidden.add(input.rows(rows.clone()), hidden);
            self.nonlinearity.apply(hidden);
            let out = layer_tape.out.rows_mut(rows.clone());
            layer.output.fill_bias(theta, out);
            layer_tape.weights.output.add(hidden, out);
            bend(self.size, out, z.rows_mut(rows.clone()), tape.log_det.rows_mut(rows.clone()));
        }
    }

    /// Before the first [`Flow::backward`] of a pass: lays out the masked weights' transposes.
    pub(crate) fn start_back<R: Real>(&self, theta: &[R], tape: &mut FlowTape<R>) {
        for (layer, tape) in self.layers.iter().zip(&mut tape.layers) {
            let (hidden, output) = self.masked(layer, theta);
            tape.weights.hidden_back.fill_transposed(&hidden, self.width, self.size);
            tape.weights.output_back.fill_transposed(&output, 2 * self.size, self.width);
        }
    }

    /// Pulls `d_z` of the rows back to the draw before the flow; `weights` are those of log q in the sum
    /// that is differentiated, one for each row of the batch.
    pub(crate) fn backward<R: Real>(
        &self,
        rows: Range<usize>,
        weights: &[R],
        d_z: &mut Grid<R>,
        tape: &mut FlowTape<R>,
    ) {
        for ((input, layer_tape), _) in tape.inputs.iter().zip(&mut tape.layers).zip(&self.layers).rev() {
            let d_out = layer_tape.d_out.rows_mut(rows.clone());
            let (z, out) = (input.rows(rows.clone()), layer_tape.out.rows(rows.clone()));
            unbend(self.size, &weights[rows.clone()], z, out, d_z.rows_mut(rows.clone()), d_out);
            let d_hidden = layer_tape.d_hidden.rows_mut(rows.clone());
            d_hidden.fill(R::ZERO);
            layer_tape.weights.output_back.add(d_out, d_hidden);
            self.nonlinearity.pull_back(layer_tape.hidden.rows(rows.clone()), d_hidden);
            layer_tape.weights.hidden_back.add(d_hidden, d_z.rows_mut(rows.clone()));
        }
    }

    /// Adds the gradients of the weights, all rows at once; masked weights have none.
    pub(crate) fn gradient<R: Real>(&self, tape: &FlowTape<R>, gradient: &mut [R]) {
        for ((layer, input), tape) in self.layers.iter().zip(&tape.inputs).zip(&tape.layers) {
            layer.hidden.gradient(input.all(), tape.d_hidden.all(), gradient);
            layer.output.gradient(tape.hidden.all(), tape.d_out.all(), gradient);
            self.mask(layer, &mut gradient[layer.hidden.weight()], true);
            self.mask(layer, &mut gradient[layer.output.weight()], false);
        }
    }

    fn masked<R: Real>(&self, layer: &FlowLayer, theta: &[R]) -> (Vec<R>, Vec<R>) {
        let mut hidden = theta[layer.hidden.weight()].to_vec();
        let mut output = theta[layer.output.weight()].to_vec();
        self.mask(layer, &mut hidden, true);
        self.mask(layer, &mut output, false);
        (hidden, output)
    }

    /// Zeroes the weights that no unit may have. Hidden unit k reads the latents of ranks up to its degree
    /// k mod (S − 1), 0-based; outputs of a latent read the hidden units of degrees below its rank.
    fn mask<R: Real>(&self, layer: &FlowLayer, weight: &mut [R], into_hidden: bool) {
        let rank = |j: usize| if layer.reversed { self.size - 1 - j } else { j };
        let degree = |k: usize| k % (self.size - 1).max(1);
        let columns = if into_hidden { self.width } else { 2 * self.size };
        for (i, row) in weight.chunks_exact_mut(columns).enumerate() {
            for (j, x) in row.iter_mut().enumerate() {
                let allowed =
                    if into_hidden { rank(i) <= degree(j) } else { degree(i) < rank(j % self.size) };
                if !allowed {
                    *x = R::ZERO;
                }
            }
        }
    }
}

impl<R: Real> FlowTape<R> {
    pub(crate) fn resize(&mut self, rows: usize) {
        self.log_det.resize(rows);
        self.inputs.iter_mut().for_each(|grid| grid.resize(rows));
        for LayerTape { hidden, d_hidden, out, d_out, .. } in &mut self.layers {
            for grid in [hidden, d_hidden, out, d_out] {
                grid.resize(rows);
            }
        }
    }
}

vectorised! {
    /// s becomes σ, z becomes z′; ln |∂z′/∂z| is added to `log_det`.
    fn bend(size: usize, out: &mut [R], z: &mut [R], log_det: &mut [R]) = bend_body
}
#[inline(always)]
fn bend_body<R: Real>(size: usize, out: &mut [R], z: &mut [R], log_det: &mut [R]) {
    for ((out, z), log_det) in out.chunks_exact_mut(2 * size).zip(z.chunks_exact_mut(size)).zip(log_det) {
        let (means, gates) = out.split_at_mut(size);
        for ((z, m), s) in z.iter_mut().zip(means).zip(gates) {
            *log_det += -(-*s).softplus();
            *s = s.sigmoid();
            *z = *m + *s * (*z - *m);
        }
    }
}

vectorised! {
    /// Sets the deltas of m and s, and turns those of z′ into those of z, apart from the path through the network.
    fn unbend(size: usize, weights: &[R], z: &[R], out: &[R], d_z: &mut [R], d_out: &mut [R]) = unbend_body
}
#[inline(always)]
fn unbend_body<R: Real>(size: usize, weights: &[R], z: &[R], out: &[R], d_z: &mut [R], d_out: &mut [R]) {
    let values = z.chunks_exact(size).zip(out.chunks_exact(2 * size));
    let deltas = d_z.chunks_exact_mut(size).zip(d_out.chunks_exact_mut(2 * size));
    for (((z, out), (d_z, d_out)), weight) in values.zip(deltas).zip(weights) {
        let ((means, gates), (d_means, d_gates)) = (out.split_at(size), d_out.split_at_mut(size));
        for j in 0..size {
            let closed = R::ONE - gates[j];
            // −Σ ln σ is a term of log q: its slope in s is −(1 − σ).
            d_gates[j] = closed * (d_z[j] * (z[j] - means[j]) * gates[j] - *weight);
            d_means[j] = d_z[j] * closed;
            d_z[j] *= gates[j];
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use statewise::Seed;

    use super::Flow;
    use crate::array::Grid;
    use crate::model::DmmConfig;
    use crate::parameters::{Builder, InitScheme};

    /// A flow with weights far from the identity.
    fn flow(latent_dim: usize, iaf_layers: usize, iaf_width: usize) -> (Flow, Vec<f64>) {
        let config = DmmConfig {
            latent_dim,
            iaf_layers,
            iaf_width,
            nonlinearity: crate::array::Nonlinearity::Tanh,
            ..DmmConfig::preset("default", 1).unwrap()
        };
        let mut builder = Builder::new(InitScheme::Normal, 1.0, Seed(2));
        let flow = Flow::new(&mut builder, &config);
        (flow, builder.finish().1)
    }

    fn bent(flow: &Flow, theta: &[f64], from: &[f64]) -> (Vec<f64>, f64, Vec<f64>) {
        let (mut z, mut tape) = (Grid::new(from.len()), flow.tape());
        z.resize(1);
        tape.resize(1);
        z.all_mut().copy_from_slice(from);
        flow.start(theta, &mut tape);
        flow.forward(theta, 0..1, &mut z, &mut tape);
        let out = tape.layers[flow.layers.len() - 1].out.all().to_vec();
        (z.all().to_vec(), tape.log_det.all()[0], out)
    }

    fn point(size: usize) -> Vec<f64> {
        let mut rng = Seed(5).stream("point", 0);
        (0..size).map(|_| 2.0 * rng.random::<f64>() - 1.0).collect()
    }

    /// ∂z′_i/∂z_j at \[i\]\[j\], by fourth-order central differences.
    fn jacobian(flow: &Flow, theta: &[f64], at: &[f64]) -> Vec<Vec<f64>> {
        let (n, h) = (at.len(), 1e-3);
        let mut jacobian = vec![vec![0.0; n]; n];
        for j in 0..n {
            for (step, weight) in [(1.0, 8.0), (-1.0, -8.0), (2.0, -1.0), (-2.0, 1.0)] {
                let mut moved = at.to_vec();
                moved[j] += step * h;
                let z = bent(flow, theta, &moved).0;
                (0..n).for_each(|i| jacobian[i][j] += weight * z[i] / (12.0 * h));
            }
        }
        jacobian
    }

    /// ln |det| by elimination with row pivots.
    fn log_det(mut a: Vec<Vec<f64>>) -> f64 {
        let n = a.len();
        let mut sum = 0.0;
        for k in 0..n {
            let pivot = (k..n).max_by(|i, j| a[*i][k].abs().total_cmp(&a[*j][k].abs())).unwrap();
            a.swap(k, pivot);
            sum += a[k][k].abs().ln();
            for i in k + 1..n {
                let factor = a[i][k] / a[k][k];
                for j in k..n {
                    a[i][j] -= factor * a[k][j];
                }
            }
        }
        sum
    }

    #[test]
    fn the_log_determinant_is_that_of_the_jacobian() {
        for (size, layers, width) in [(1, 1, 1), (1, 3, 2), (2, 2, 3), (5, 1, 7), (5, 2, 5), (6, 3, 9)] {
            let (flow, theta) = flow(size, layers, width);
            let at = point(size);
            let (exact, found) = (log_det(jacobian(&flow, &theta, &at)), bent(&flow, &theta, &at).1);
            assert!((exact - found).abs() < 1e-8, "{found} for {exact}");
        }
    }

    #[test]
    fn a_layer_is_triangular_in_its_order() {
        let (mut flow, theta) = flow(5, 1, 7);
        for reversed in [false, true] {
            flow.layers[0].reversed = reversed;
            let jacobian = jacobian(&flow, &theta, &point(5));
            for (i, row) in jacobian.iter().enumerate() {
                for (j, slope) in row.iter().enumerate() {
                    let after = if reversed { j < i } else { j > i };
                    // Differences of equal numbers: zero to the last bit. Every latent before has a say.
                    assert!(if after { *slope == 0.0 } else { slope.abs() > 1e-6 }, "({i}, {j}): {slope}");
                }
            }
        }
    }

    #[test]
    fn a_layer_has_an_inverse() {
        for reversed in [false, true] {
            let (mut flow, theta) = flow(5, 1, 7);
            flow.layers[0].reversed = reversed;
            let at = point(5);
            let there = bent(&flow, &theta, &at).0;
            // A step makes one more latent exact, in the layer's order.
            let mut back = vec![0.0; 5];
            for _ in 0..5 {
                let out = bent(&flow, &theta, &back).2;
                (0..5).for_each(|j| back[j] = out[j] + (there[j] - out[j]) / out[5 + j]);
            }
            back.iter().zip(&at).for_each(|(found, exact)| assert!((found - exact).abs() < 1e-10));
        }
    }
}
