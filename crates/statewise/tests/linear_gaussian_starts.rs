//! Starts of linear Gaussian models: what they find on data from a known model.

use rand_distr::{Distribution, StandardNormal};
use statewise::Seed;
use statewise::data::Dataset;
use statewise::learn::{Em, Learnable};
use statewise::model::linear_gaussian::{CovarianceForm, LinearGaussianSpec, LinearGaussianSsm, Start};
use statewise::params::{Array, Params, Properties};

/// A damped rotation and a slow decay, seen through three noisy mixtures, with an input.
struct Scene {
    model: LinearGaussianSsm,
    rows: Vec<f64>,
    inputs: Vec<f64>,
    steps: usize,
}

const F: [[f64; 3]; 3] = [[0.85, -0.45, 0.0], [0.45, 0.85, 0.0], [0.0, 0.0, 0.7]];
const H: [[f64; 3]; 2] = [[1.0, 0.2, 0.6], [0.1, -0.8, 0.5]];
const B: [f64; 3] = [0.4, 0.0, 1.0];
const D: [f64; 2] = [0.5, -0.3];

fn scene(steps: usize, input_dim: usize, missing: f64) -> Scene {
    let mut rng = Seed(7).stream("scene", steps as u64);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let (mut z, mut rows, mut inputs) = ([0.0; 3], Vec::new(), Vec::new());
    for t in 0..steps {
        let u = if input_dim > 0 { normal() + 0.5 * (0.05 * t as f64).sin() + 0.3 } else { 0.0 };
        inputs.extend(vec![u; input_dim]);
        let before = z;
        for i in 0..3 {
            z[i] = (0..3).map(|j| F[i][j] * before[j]).sum::<f64>() + B[i] * u + 0.5 * normal();
        }
        for i in 0..2 {
            let y: f64 = (0..3).map(|j| H[i][j] * z[j]).sum::<f64>() + D[i] * u + 0.4 * normal() + 2.0;
            rows.push(if 0.5 * (1.0 + (normal()).tanh()) < missing { f64::NAN } else { y });
        }
    }
    let spec = LinearGaussianSpec { input_dim, ..LinearGaussianSpec::new(3, 2) };
    Scene { model: LinearGaussianSsm::new(spec).unwrap(), rows, inputs, steps }
}

impl Scene {
    fn data(&self) -> Dataset<'_> {
        let data = Dataset::single(&self.rows[..], 2).unwrap();
        match self.inputs.len() / self.steps {
            0 => data,
            dim => data.with_inputs(&self.inputs[..], dim).unwrap(),
        }
    }

    fn loglik(&self, params: &Params) -> f64 {
        self.model.e_step(params, &self.data()).unwrap().marginal_loglik
    }

    fn start(&self, start: Start<'_, '_>) -> Params {
        self.model.initialize(start, Seed(0), &[]).unwrap().0
    }

    /// The model that made the data.
    fn truth(&self) -> Params {
        let eye = |n: usize, scale: f64| -> Vec<f64> {
            (0..n * n).map(|at| if at / n == at % n { scale } else { 0.0 }).collect()
        };
        let dim = self.model.spec().input_dim;
        let arrays = self.model.schema().iter().map(|spec| {
            let values = match spec.path.as_str() {
                "initial.cov" => eye(3, 1.0),
                "dynamics.weights" => F.concat(),
                "dynamics.input_weights" => B[..3 * dim].to_vec(),
                "dynamics.cov" => eye(3, 0.25),
                "emissions.weights" => H.concat(),
                "emissions.input_weights" => D[..2 * dim].to_vec(),
                "emissions.bias" => vec![2.0; 2],
                "emissions.cov" => eye(2, 0.16),
                _ => vec![0.0; 3],
            };
            Array::new(&spec.shape, values)
        });
        Params::new(arrays.collect())
    }
}

/// Tr Fᵏ, k = 1, 2, 3: the eigenvalues without an order.
fn traces(f: &[f64]) -> [f64; 3] {
    let mut power = f.to_vec();
    [0; 3].map(|_| {
        let trace = power[0] + power[4] + power[8];
        power =
            (0..9).map(|at| (0..3).map(|k| power[(at / 3) * 3 + k] * f[k * 3 + at % 3]).sum()).collect();
        trace
    })
}

/// Impulse responses H Fᵏ B (and D + H B at once), which no choice of coordinates changes.
fn responses(model: &LinearGaussianSsm, params: &Params, lags: usize) -> Vec<f64> {
    let get = |path: &str| params.get(model.schema(), path).unwrap().values();
    let (f, h) = (get("dynamics.weights"), get("emissions.weights"));
    let mut z = get("dynamics.input_weights").to_vec();
    let mut all = Vec::new();
    for lag in 0..lags {
        for i in 0..2 {
            let direct = if lag == 0 { get("emissions.input_weights")[i] } else { 0.0 };
            all.push(direct + (0..3).map(|j| h[i * 3 + j] * z[j]).sum::<f64>());
        }
        z = (0..3).map(|i| (0..3).map(|j| f[i * 3 + j] * z[j]).sum()).collect();
    }
    all
}

/// Moments of 20000 steps have two digits.
#[test]
fn subspace_identification_finds_eigenvalues_and_responses() {
    for input_dim in [0, 1] {
        let scene = scene(20_000, input_dim, 0.0);
        let data = scene.data();
        let found = scene.start(Start::Subspace(&data));
        let f = found.get(scene.model.schema(), "dynamics.weights").unwrap().values();
        for (got, want) in traces(f).into_iter().zip(traces(&F.concat())) {
            assert!((got - want).abs() < 0.08, "inputs {input_dim}: {got} for {want}");
        }
        if input_dim > 0 {
            let (got, want) =
                (responses(&scene.model, &found, 6), responses(&scene.model, &scene.truth(), 6));
            for (got, want) in got.iter().zip(&want) {
                assert!((got - want).abs() < 0.05, "{got} for {want}");
            }
        }
        // As good as the truth but for a fiftieth of a nat a step.
        let (got, want) = (scene.loglik(&found), scene.loglik(&scene.truth()));
        assert!(got > want - 0.02 * scene.steps as f64, "inputs {input_dim}: {got} of {want}");
    }
}

#[test]
fn starts_from_data_are_better_ones_and_subspaces_the_best() {
    for (steps, input_dim, missing) in [(300, 0, 0.0), (300, 1, 0.1), (2000, 1, 0.0), (5000, 0, 0.2)] {
        let scene = scene(steps, input_dim, missing);
        let data = scene.data();
        let loglik = |start| scene.loglik(&scene.start(start));
        let (default, pca, subspace) =
            (loglik(Start::Default), loglik(Start::Pca(&data)), loglik(Start::Subspace(&data)));
        assert!(default < pca && pca < subspace, "{steps} steps: {default}, {pca}, {subspace}");
        let fit = |params: &Params| {
            let em = Em { num_iters: 20, tolerance: None, prior: false };
            let properties = Properties::trainable(scene.model.schema());
            let report = em.fit(&scene.model, params, &properties, &data, &mut |_| true).unwrap();
            report.final_log_prob().unwrap()
        };
        let (a, b) = (fit(&scene.start(Start::Default)), fit(&scene.start(Start::Subspace(&data))));
        assert!(
            b > a,
            "{steps} steps, after 20 iterations of EM: {a} from the default, {b} from subspaces"
        );
    }
}

#[test]
fn every_start_fits_every_shape_of_model() {
    use CovarianceForm::{Diagonal, Scalar};
    let scene = scene(120, 1, 0.1);
    for (state_dim, emission_dim) in [(1, 2), (2, 2), (3, 2), (5, 1), (7, 2), (1, 1)] {
        for (biases, form) in [(true, CovarianceForm::Full), (false, Diagonal), (true, Scalar)] {
            for input_dim in [0, 1] {
                let spec = LinearGaussianSpec {
                    input_dim,
                    has_dynamics_bias: biases,
                    has_emissions_bias: biases,
                    initial_cov: form.clone(),
                    dynamics_cov: form.clone(),
                    emissions_cov: form.clone(),
                    ..LinearGaussianSpec::new(state_dim, emission_dim)
                };
                let model = LinearGaussianSsm::new(spec).unwrap();
                let rows: Vec<f64> =
                    scene.rows.chunks_exact(2).flat_map(|r| r[..emission_dim].to_vec()).collect();
                let mut data = Dataset::ragged(rows, &[100, 1, 19], emission_dim).unwrap();
                if input_dim > 0 {
                    data = data.with_inputs(&scene.inputs[..], 1).unwrap();
                }
                for start in [Start::Default, Start::Pca(&data), Start::Subspace(&data)] {
                    let (params, properties) = model.initialize(start, Seed(3), &[]).unwrap();
                    let em = Em { num_iters: 3, tolerance: None, prior: false };
                    let report = em.fit(&model, &params, &properties, &data, &mut |_| true).unwrap();
                    assert!(
                        report.log_probs.windows(2).all(|p| p[1] > p[0]),
                        "{state_dim}, {emission_dim}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_default_start_is_that_of_dynamax_and_given_values_are_kept() {
    let model = LinearGaussianSsm::new(LinearGaussianSpec::new(2, 1)).unwrap();
    let given = vec![
        ("emission_weights".to_owned(), Array::new(&[1, 2], vec![1.0, 0.5])),
        ("dynamics.cov".to_owned(), Array::zeros(&[2, 2])),
    ];
    let (params, _) = model.initialize(Start::Default, Seed(0), &given).unwrap();
    let get = |path: &str| params.get(model.schema(), path).unwrap().values().to_vec();
    assert_eq!(get("initial.mean"), [0.0, 0.0]);
    assert_eq!(get("initial.cov"), [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(get("dynamics.weights"), [0.99, 0.0, 0.0, 0.99]);
    assert_eq!(get("dynamics.cov"), [0.0; 4]);
    assert_eq!(get("emissions.weights"), [1.0, 0.5]);
    assert_eq!(get("emissions.cov"), [0.1]);
    assert_eq!(get("emissions.bias"), [0.0]);
    let wrong = vec![("emission_weights".to_owned(), Array::zeros(&[2]))];
    assert!(model.initialize(Start::Default, Seed(0), &wrong).is_err());
    let data = Dataset::single(vec![1.0, 2.0, 3.0], 1).unwrap();
    let short = model.initialize(Start::Subspace(&data), Seed(0), &[]).unwrap_err().to_string();
    assert!(short.contains("at least"), "{short}");
}
