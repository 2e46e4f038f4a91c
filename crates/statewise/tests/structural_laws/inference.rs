//! Decompositions, coefficients and forecasts.

use statewise::data::Dataset;
use statewise::infer::gaussian::{Form, GaussianOptions};
use statewise::model::structural::block::{
    Intervention, LocalLevel, Matern, Regression, Shape, Smoothness, TrigonometricSeasonal,
};
use statewise::model::structural::{ComponentSpec, Initial, StructuralSpec, StructuralTimeSeries, Time};
use statewise::params::{Array, Params};
use statewise_kernels::linalg::{cholesky, log_det_chol, solve_chol, solve_lower};

use super::corpus::{self, build};
use super::learning::proper;

const OPTIONS: GaussianOptions = GaussianOptions { form: Form::Auto, steady_state: true, share: true };

fn close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(1.0f64, |m, x| m.max(x.abs()));
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= tolerance * scale, "{what}: {got} for {want}");
    }
}

fn product(h: &[f64], z: &[f64]) -> Vec<f64> {
    h.chunks_exact(z.len()).map(|row| row.iter().zip(z).map(|(a, b)| a * b).sum()).collect()
}

#[test]
fn components_add_up_to_what_is_seen_without_noise() {
    for model in corpus::models() {
        let model = proper(&model);
        let (data, params) = (corpus::data(&model), corpus::params(&model));
        let lowered = model.lower(&params, &data).unwrap();
        let smoothed = lowered.smoother(&data, &OPTIONS).unwrap().smoothed;
        let components = model.decompose(&params, &data, &OPTIONS).unwrap();
        let (d, m) = (model.state_dim(), model.emission_dim());
        for t in 0..data.num_rows() {
            let h = &lowered.emissions_weights;
            let h = if h.shape().len() == 3 { h.row(t) } else { h.values() };
            let want = product(h, &smoothed.means[t * d..(t + 1) * d]);
            let mut got = vec![0.0; m];
            components.iter().for_each(|c| got[c.series] += c.mean[t]);
            close("sum of components", &got, &want, 1e-12);
        }
        if let [only] = &components[..] {
            let variance = |t: usize| {
                let h = &lowered.emissions_weights;
                let h = if h.shape().len() == 3 { h.row(t) } else { h.values() };
                product(h, &product(smoothed.covs.of(0, t), h))[0]
            };
            let want: Vec<f64> = (0..data.num_rows()).map(variance).collect();
            close("variance", &only.variance, &want, 1e-12);
        }
    }
}

#[test]
fn forecasts_are_the_filter_over_rows_without_observations() {
    for model in corpus::models() {
        let model = proper(&model);
        let (data, params) = (corpus::data(&model), corpus::params(&model));
        let horizon = 4;
        let future: Vec<f64> = (0..horizon)
            .flat_map(|h| [0.2 * h as f64, 1.0, 7.5 + 0.4 * h as f64])
            .take(horizon * model.input_dim())
            .collect();
        let forecast = model.forecast(&params, &data, horizon, &future, &OPTIONS).unwrap().remove(0);
        let extended = model.extend(&data, horizon, &future).unwrap();
        let lowered = model.lower(&params, &extended).unwrap();
        let filtered = lowered.filter(&extended, &OPTIONS).unwrap().filtered;
        let d = model.state_dim();
        close("means", &forecast.state_means, &filtered.means[data.num_rows() * d..], 1e-12);
        for h in 0..horizon {
            let want = filtered.covs.of(0, data.num_rows() + h);
            close("covariances", &forecast.state_covs[h * d * d..(h + 1) * d * d], want, 1e-12);
        }
    }
}

#[test]
fn future_inputs_of_another_size_are_refused() {
    let model = corpus::alone(Regression { inputs: vec![0], time_varying: false }.into(), false);
    let (data, params) = (corpus::data(&model), corpus::params(&model));
    let error = model.forecast(&params, &data, 2, &[1.0; 3], &OPTIONS).unwrap_err().to_string();
    assert_eq!(error, "future_inputs: found 3 values, expected 1 sequences of 2 rows of dimension 3");
}

/// A level without noise of its own, a regressor and a step, all constants: ordinary regression.
fn constants() -> (StructuralTimeSeries, Dataset<'static>, Params) {
    let start = || Initial::Given { mean: Array::zeros(&[1]), cov: Array::new(&[1, 1], vec![50.0]) };
    let model = build(StructuralSpec {
        input_dim: 1,
        ..StructuralSpec::new(vec![
            ComponentSpec::from(LocalLevel { stochastic: false }).starting(start()),
            ComponentSpec::from(Regression { inputs: vec![0], time_varying: false }).starting(start()),
            ComponentSpec::from(Intervention { shape: Shape::Step, at: 6 }).starting(start()),
        ])
    });
    let inputs: Vec<f64> = (0..12).map(|t| (1.3 * t as f64).sin()).collect();
    let noise = |t: usize| 0.1 * (5.1 * t as f64).cos();
    let rows = (0..12).map(|t| 3.0 + 2.0 * inputs[t] - 1.5 * f64::from(t >= 6) + noise(t));
    let data = Dataset::single(rows.collect::<Vec<f64>>(), 1).unwrap();
    let params = Params::new(vec![Array::new(&[], vec![0.04])]);
    (model, data.with_inputs(inputs, 1).unwrap(), params)
}

#[test]
fn coefficients_of_constants_are_those_of_bayesian_regression() {
    let (model, data, params) = constants();
    let got = model.coefficients(&params, &data, &OPTIONS).unwrap();
    let names: Vec<&str> = got.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["regression.coefficient_0", "intervention.coefficient"]);
    // (XᵀX / σ² + I / 50) β = Xᵀ y / σ², by Gauss-Jordan on three unknowns.
    let row = |t: usize| [1.0, data.sequence(0).inputs[t], f64::from(t >= 6)];
    let mut system = [[0.0; 7]; 3];
    for t in 0..12 {
        for i in 0..3 {
            for j in 0..3 {
                system[i][j] += row(t)[i] * row(t)[j] / 0.04;
            }
            system[i][6] += row(t)[i] * data.rows()[t] / 0.04;
        }
    }
    for i in 0..3 {
        system[i][i] += 1.0 / 50.0;
        system[i][3 + i] = 1.0;
    }
    for k in 0..3 {
        let pivot = system[k][k];
        system[k].iter_mut().for_each(|x| *x /= pivot);
        for i in (0..3).filter(|i| *i != k) {
            let (factor, source) = (system[i][k], system[k]);
            system[i].iter_mut().zip(source).for_each(|(x, s)| *x -= factor * s);
        }
    }
    for (coefficient, i) in got.iter().zip(1..3) {
        assert!((coefficient.mean - system[i][6]).abs() < 1e-12, "{coefficient:?}");
        assert!((coefficient.std_error - system[i][3 + i].sqrt()).abs() < 1e-12, "{coefficient:?}");
    }
}

#[test]
fn matern_components_on_irregular_stamps_are_gaussian_process_regression() {
    type Kernel = fn(f64) -> f64;
    let cases: [(Smoothness, f64, Kernel); 3] = [
        (Smoothness::Half, 1.0, |_| 1.0),
        (Smoothness::ThreeHalves, 3.0, |x| 1.0 + x),
        (Smoothness::FiveHalves, 5.0, |x| 1.0 + x + x * x / 3.0),
    ];
    let stamps: Vec<f64> = (0..40).map(|t| 0.3 * t as f64 + 0.13 * (2.3 * t as f64).sin()).collect();
    let mut rows: Vec<f64> = stamps.iter().map(|s| s.sin() + 0.2 * (17.0 * s).cos()).collect();
    rows[7..12].fill(f64::NAN);
    let (length, variance, noise) = (0.9, 1.3, 0.05);
    for (smoothness, two_nu, polynomial) in cases {
        let kernel = |s: f64| {
            let x = f64::sqrt(two_nu) * s.abs() / length;
            variance * polynomial(x) * (-x).exp()
        };
        let model = build(StructuralSpec {
            input_dim: 1,
            time: Time::Stamp { input: 0 },
            ..StructuralSpec::new(vec![Matern { smoothness }.into()])
        });
        let data = Dataset::single(rows.clone(), 1).unwrap().with_inputs(stamps.clone(), 1).unwrap();
        let values = [length, variance, noise].map(|x| Array::new(&[], vec![x]));
        let params = Params::new(values.to_vec());
        // K + σ² I over what is seen; mean and variance at every stamp.
        let seen: Vec<usize> = (0..rows.len()).filter(|t| !rows[*t].is_nan()).collect();
        let n = seen.len();
        let entry = |i: usize, j: usize| {
            kernel(stamps[seen[i]] - stamps[seen[j]]) + if i == j { noise } else { 0.0 }
        };
        let mut chol: Vec<f64> = (0..n * n).map(|e| entry(e / n, e % n)).collect();
        cholesky(&mut chol, n).unwrap();
        let y: Vec<f64> = seen.iter().map(|t| rows[*t]).collect();
        let mut weights = y.clone();
        solve_chol(&chol, n, &mut weights);
        let quadratic: f64 = y.iter().zip(&weights).map(|(y, w)| y * w).sum();
        let tau = n as f64 * std::f64::consts::TAU.ln();
        let want = -0.5 * (tau + log_det_chol(&chol, n) + quadratic);
        let got = model.marginal_log_prob(&params, &data, &OPTIONS).unwrap()[0];
        assert!((got - want).abs() < 1e-9, "{smoothness:?}: {got} for {want}");
        let component = model.decompose(&params, &data, &OPTIONS).unwrap().remove(0);
        for t in 0..rows.len() {
            let mut column: Vec<f64> = seen.iter().map(|s| kernel(stamps[t] - stamps[*s])).collect();
            let mean: f64 = column.iter().zip(&weights).map(|(k, w)| k * w).sum();
            solve_lower(&chol, n, &mut column);
            let spread = variance - column.iter().map(|x| x * x).sum::<f64>();
            assert!((component.mean[t] - mean).abs() < 1e-10, "{smoothness:?} mean at {t}");
            assert!((component.variance[t] - spread).abs() < 1e-10, "{smoothness:?} variance at {t}");
        }
    }
}

/// A season of 52 steps hardly moves over the first few, which tell its directions apart badly.
#[test]
fn a_slow_season_has_the_evidence_and_states_of_a_very_loose_start() {
    let season = TrigonometricSeasonal { stochastic: false, ..TrigonometricSeasonal::new(52.0, 2) };
    let model = build(StructuralSpec::new(vec![LocalLevel::default().into(), season.into()]));
    let rows: Vec<f64> = (0..104).map(f64::from).map(|t| (t / 8.0).sin() + 0.3 * (t * t).cos()).collect();
    let data = Dataset::single(rows, 1).unwrap();
    let lowered = model.lower(&corpus::params(&model), &data).unwrap();
    let diffuse = lowered.smoother(&data, &OPTIONS).unwrap();

    let d = model.state_dim();
    let kappa = 1e7;
    let mut loose = lowered.clone();
    loose.initial_diffuse = None;
    loose.initial_cov.values_mut().iter_mut().step_by(d + 1).for_each(|x| *x = kappa);
    let loose = loose.smoother(&data, &GaussianOptions { form: Form::SquareRoot, ..OPTIONS }).unwrap();
    let want = loose.marginal_loglik[0] + 0.5 * d as f64 * kappa.ln();
    // A loose start differs from a diffuse one by terms of order 1 / κ.
    assert!((diffuse.marginal_loglik[0] - want).abs() < 1e-4, "{} {want}", diffuse.marginal_loglik[0]);
    for (got, want) in diffuse.smoothed.covs.values.iter().zip(&loose.smoothed.covs.values) {
        assert!((got - want).abs() < 1e-5 * (1.0 + want.abs()), "{got} for {want}");
    }
    for (got, want) in diffuse.smoothed.means.iter().zip(&loose.smoothed.means) {
        assert!((got - want).abs() < 1e-5 * (1.0 + want.abs()), "{got} for {want}");
    }
}
