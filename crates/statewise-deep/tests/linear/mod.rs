//! Deep Markov models that are linear and Gaussian, as the Kalman filter knows them.
#![allow(dead_code)]

pub(crate) mod exact;

use statewise::Seed;
use statewise::data::Dataset;
use statewise::infer::gaussian::GaussianOptions;
use statewise::model::linear_gaussian::LgssmParams;
use statewise::params::Array;
use statewise_deep::model::{DmmConfig, EmissionKind, TransitionKind};
use statewise_deep::{DeepMarkovModel, InitScheme};

/// z_t = A z_{t−1} + B u_t + b + noise, x_t = C z_t + D u_t + d + noise.
pub(crate) fn config(latent_dim: usize, emission_dim: usize, input_dim: usize) -> DmmConfig {
    DmmConfig {
        latent_dim,
        input_dim,
        emission: EmissionKind::Gaussian,
        emission_layers: 0,
        emission_constant_variance: true,
        transition: TransitionKind::LinearGaussian,
        rnn_size: 4,
        init_scheme: InitScheme::Uniform,
        init_weight: 0.6,
        ..DmmConfig::preset("default", emission_dim).unwrap()
    }
}

/// The softplus of `raw` and the floor.
pub(crate) fn variance(raw: f64) -> f64 {
    raw.exp().ln_1p() + 1e-6
}

/// The argument whose [`variance`] is this one.
pub(crate) fn raw(variance: f64) -> f64 {
    (variance - 1e-6).exp_m1().ln()
}

/// The same model without its inference network.
pub(crate) fn kalman(model: &DeepMarkovModel<f64>) -> LgssmParams {
    let (d, m, u) = (model.config().latent_dim, model.config().emission_dim, model.config().input_dim);
    let tensor = |name: &str| model.tensor(name).unwrap();
    // A layer's weight has a row an input: latents first, then inputs.
    let block = |name: &str, outputs: usize, rows: std::ops::Range<usize>| {
        let weight = tensor(name);
        let columns = rows.len();
        let at = |e: usize| weight[(rows.start + e % columns) * outputs + e / columns];
        Array::new(&[outputs, columns], (0..outputs * columns).map(at).collect())
    };
    let diagonal = |name: &str| {
        let variances = tensor(name).iter().map(|x| variance(*x)).collect::<Vec<_>>();
        let n = variances.len();
        let at = |e: usize| if e / n == e % n { variances[e / n] } else { 0.0 };
        Array::new(&[n, n], (0..n * n).map(at).collect())
    };
    let vector = |name: &str| Array::new(&[tensor(name).len()], tensor(name).to_vec());
    let mut params = LgssmParams::new(
        vector("initial.mean"),
        diagonal("initial.spread"),
        block("transition.mean.weight", d, 0..d),
        diagonal("transition.spread"),
        block("emission.output.weight", m, 0..d),
        diagonal("emission.spread"),
    );
    params.dynamics_bias = Some(vector("transition.mean.bias"));
    params.emissions_bias = Some(vector("emission.output.bias"));
    if u > 0 {
        params.dynamics_input_weights = Some(block("transition.mean.weight", d, d..d + u));
        params.emissions_input_weights = Some(block("emission.output.weight", m, d..d + u));
    }
    params
}

/// log p(x) of every sequence.
pub(crate) fn evidence(model: &DeepMarkovModel<f64>, data: &Dataset<'_>) -> Vec<f64> {
    kalman(model).marginal_log_prob(data, &GaussianOptions::default()).unwrap()
}

/// Sequences of the given lengths from the model itself, every seventh entry missing if `gaps`.
pub(crate) fn draw(model: &DeepMarkovModel<f64>, lengths: &[usize], gaps: bool) -> Dataset<'static> {
    let input_dim = model.config().input_dim;
    let params = kalman(model);
    let (mut rows, mut inputs) = (Vec::new(), Vec::new());
    for (n, length) in lengths.iter().enumerate() {
        let own: Vec<f64> = (0..length * input_dim).map(|i| ((3 * i + n) as f64).sin()).collect();
        rows.extend(params.sample(Seed(11), n as u64, *length, &own).unwrap().1);
        inputs.extend(own);
    }
    if gaps {
        rows.iter_mut().skip(3).step_by(7).for_each(|x| *x = f64::NAN);
    }
    let data = Dataset::ragged(rows, lengths, model.config().emission_dim).unwrap();
    if input_dim > 0 { data.with_inputs(inputs, input_dim).unwrap() } else { data }
}

/// Sets every entry (i, j) of a weight; j is 0 for a vector.
pub(crate) fn set(model: &mut DeepMarkovModel<f64>, name: &str, value: impl Fn(usize, usize) -> f64) {
    let tensor = model.tensors().iter().find(|tensor| tensor.name == name).unwrap();
    let columns = if tensor.shape.len() == 1 { 1 } else { tensor.shape[1] };
    let values = model.tensor_mut(name).unwrap().iter_mut();
    values.enumerate().for_each(|(e, x)| *x = value(e / columns, e % columns));
}

/// Mean and standard error.
pub(crate) fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    (mean, (square / n).sqrt())
}
