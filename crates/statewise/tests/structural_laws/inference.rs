//! Decompositions, coefficients and forecasts.

use statewise::data::Dataset;
use statewise::infer::gaussian::GaussianOptions;
use statewise::model::structural::block::{Intervention, LocalLevel, Regression, Shape};
use statewise::model::structural::{ComponentSpec, Initial, StructuralSpec, StructuralTimeSeries};
use statewise::params::{Array, Params};

use super::corpus::{self, build};
use super::learning::proper;

const OPTIONS: GaussianOptions = GaussianOptions { steady_state: true, share: true };

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
