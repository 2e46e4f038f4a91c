//! What single blocks must do, seen on their matrices.

use statewise::data::Dataset;
use statewise::model::linear_gaussian::LgssmParams;
use statewise::model::structural::block::{
    Arma, Autoregressive, BlockSpec, Cycle, DampedTrend, Intervention, LocalLevel, LocalLinearTrend,
    Regression, Seasonal, Shape, TrigonometricSeasonal,
};
use statewise::model::structural::{
    Across, ComponentSpec, Initial, Irregular, StructuralSpec, StructuralTimeSeries,
};
use statewise::params::{Array, Params};

use super::corpus::{self, build};

fn alone(block: impl Into<BlockSpec>) -> StructuralTimeSeries {
    build(StructuralSpec::new(vec![ComponentSpec::from(block.into())]))
}

fn lowered(model: &StructuralTimeSeries, arrays: Vec<Array>, num_steps: usize) -> LgssmParams {
    let data = Dataset::single(vec![0.0; num_steps * model.emission_dim()], model.emission_dim()).unwrap();
    model.lower(&Params::new(arrays), &data).unwrap()
}

fn scalar(value: f64) -> Array {
    Array::new(&[], vec![value])
}

fn vector(values: &[f64]) -> Array {
    Array::new(&[values.len()], values.to_vec())
}

/// h F^t z for t = 0.., without noise.
fn path(lowered: &LgssmParams, state: &[f64], num_steps: usize) -> Vec<f64> {
    let (f, h) = (lowered.dynamics_weights.values(), lowered.emissions_weights.values());
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let mut z = state.to_vec();
    (0..num_steps)
        .map(|_| {
            let y = dot(h, &z);
            z = f.chunks_exact(state.len()).map(|row| dot(row, &z)).collect();
            y
        })
        .collect()
}

#[test]
fn seasonal_patterns_repeat_and_sum_to_zero_over_a_period() {
    for period in [2, 3, 4, 7, 12] {
        let blocks: [BlockSpec; 2] = [
            Seasonal { period, stochastic: false }.into(),
            TrigonometricSeasonal {
                stochastic: false,
                ..TrigonometricSeasonal::new(period as f64, period / 2)
            }
            .into(),
        ];
        for block in blocks {
            let model = alone(block.clone());
            assert_eq!(model.state_dim(), period - 1, "{block:?}");
            let lowered = lowered(&model, vec![scalar(1.0)], 1);
            let state: Vec<f64> = (0..period - 1).map(|i| (1.0 + i as f64).cos()).collect();
            let seasons = path(&lowered, &state, 2 * period);
            let sum: f64 = seasons[1..=period].iter().sum();
            assert!(sum.abs() < 1e-13, "{block:?}: sum {sum}");
            for (a, b) in seasons.iter().zip(&seasons[period..]) {
                assert!((a - b).abs() < 1e-13, "{block:?}: {a} and {b} a period later");
            }
        }
    }
}

#[test]
fn both_forms_of_a_fixed_seasonal_make_the_same_patterns() {
    // Any pattern of the waves is one of the dummy form: its last seasons, latest first, are a state.
    let period = 6;
    let waves = alone(TrigonometricSeasonal { stochastic: false, ..TrigonometricSeasonal::new(6.0, 3) });
    let dummies = alone(Seasonal { period, stochastic: false });
    let pattern = path(&lowered(&waves, vec![scalar(1.0)], 1), &[0.3, -1.0, 0.7, 0.2, -0.4], 12);
    let state: Vec<f64> = pattern[..period - 1].iter().rev().copied().collect();
    let again = path(&lowered(&dummies, vec![scalar(1.0)], 1), &state, 8);
    for (got, want) in again.iter().zip(&pattern[period - 2..]) {
        assert!((got - want).abs() < 1e-13, "{got} for {want}");
    }
}

/// The stationary covariance by adding up F^k Q Fᵏᵀ.
fn accumulated(f: &[f64], q: &[f64]) -> Vec<f64> {
    let n = f.len().isqrt();
    let product = |a: &[f64], b: &[f64]| -> Vec<f64> {
        let entry = |i: usize, j: usize| (0..n).map(|k| a[i * n + k] * b[k * n + j]).sum();
        (0..n * n).map(|e| entry(e / n, e % n)).collect()
    };
    let transposed = |a: &[f64]| -> Vec<f64> { (0..n * n).map(|e| a[e % n * n + e / n]).collect() };
    let (mut f, mut p) = (f.to_vec(), q.to_vec());
    for _ in 0..40 {
        let moved = product(&product(&f, &p), &transposed(&f));
        p.iter_mut().zip(moved).for_each(|(p, m)| *p += m);
        f = product(&f, &f);
    }
    p
}

#[test]
fn stationary_starts_solve_the_lyapunov_equation() {
    let blocks: Vec<(BlockSpec, Vec<Array>)> = vec![
        (Autoregressive { order: 1 }.into(), vec![vector(&[-0.7]), scalar(0.4)]),
        (Autoregressive { order: 3 }.into(), vec![vector(&[0.9, -0.5, 0.3]), scalar(0.4)]),
        (Autoregressive { order: 5 }.into(), vec![vector(&[0.2, 0.1, -0.3, 0.25, 0.4]), scalar(1.4)]),
        (
            Arma { ar_order: 2, ma_order: 2 }.into(),
            vec![vector(&[1.2, -0.6]), vector(&[0.5, 0.2]), scalar(0.4)],
        ),
        (Arma { ar_order: 1, ma_order: 4 }.into(), {
            vec![vector(&[0.8]), vector(&[0.5, -0.2, 0.1, 0.3]), scalar(0.4)]
        }),
        (Arma { ar_order: 0, ma_order: 2 }.into(), vec![vector(&[0.5, 0.2]), scalar(0.4)]),
        (Cycle::new(2.0, 20.0).into(), vec![scalar(6.5), scalar(0.93), scalar(0.3)]),
    ];
    for (block, mut arrays) in blocks {
        let model = alone(block.clone());
        arrays.push(scalar(1.0));
        let lowered = lowered(&model, arrays, 2);
        assert!(lowered.initial_diffuse.is_none());
        let want = accumulated(lowered.dynamics_weights.values(), lowered.dynamics_cov.values());
        for (got, want) in lowered.initial_cov.values().iter().zip(&want) {
            assert!((got - want).abs() < 1e-11 * (1.0 + want.abs()), "{block:?}: {got} for {want}");
        }
    }
}

#[test]
fn an_arma_process_has_the_autocovariances_of_its_moving_average() {
    let (ar, ma, noise) = ([0.5, -0.3], [0.7, 0.2, -0.1], 1.3);
    let model = alone(Arma { ar_order: 2, ma_order: 3 });
    let lowered = lowered(&model, vec![vector(&ar), vector(&ma), scalar(noise), scalar(0.0)], 2);
    // ψ: the response to one shock; γ_k = σ² Σ_j ψ_j ψ_{j+k}. 0.55^400 is far below rounding.
    let mut psi = vec![1.0];
    for j in 1..400usize {
        let past = (1..=2.min(j)).map(|k| ar[k - 1] * psi[j - k]).sum::<f64>();
        psi.push(past + ma.get(j - 1).unwrap_or(&0.0));
    }
    let (f, h) = (lowered.dynamics_weights.values(), lowered.emissions_weights.values());
    let d = model.state_dim();
    // Cov(x_{t+k}, x_t) = h F^k S hᵀ.
    let apply = |m: &[f64], v: &[f64]| -> Vec<f64> {
        m.chunks_exact(d).map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum()).collect()
    };
    let mut column = apply(lowered.initial_cov.values(), h);
    for k in 0..6 {
        let got: f64 = h.iter().zip(&column).map(|(a, b)| a * b).sum();
        let want: f64 = noise * (0..400 - k).map(|j| psi[j] * psi[j + k]).sum::<f64>();
        assert!((got - want).abs() < 1e-13, "lag {k}: {got} for {want}");
        column = apply(f, &column);
    }
}

#[test]
fn interventions_have_their_shapes() {
    let cases: [(Shape, [f64; 7]); 4] = [
        (Shape::Step, [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
        (Shape::Pulse, [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]),
        (Shape::Slope, [0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0]),
        (Shape::Ramp { until: 6 }, [0.0, 0.0, 0.0, 0.25, 0.5, 0.75, 1.0]),
    ];
    for (shape, want) in cases {
        let model = alone(Intervention { shape, at: 2 });
        let lowered = lowered(&model, vec![scalar(1.0)], 7);
        assert_eq!(lowered.emissions_weights.values(), want, "{shape:?}");
    }
}

#[test]
fn regressors_are_the_inputs_of_each_step() {
    let regression = Regression { inputs: vec![2, 0], time_varying: false };
    let model = build(StructuralSpec { input_dim: 3, ..StructuralSpec::new(vec![regression.into()]) });
    let data = Dataset::single(vec![0.0; 2], 1).unwrap();
    let data = data.with_inputs(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3).unwrap();
    let lowered = model.lower(&Params::new(vec![scalar(1.0)]), &data).unwrap();
    assert_eq!(lowered.emissions_weights.values(), [3.0, 1.0, 6.0, 4.0]);
    assert_eq!(lowered.input_dim(), 0, "inputs are within the matrices");
    lowered.check(&data).unwrap();
}

#[test]
fn fixed_variances_of_zero_are_the_deterministic_blocks() {
    let zero = alone(LocalLinearTrend::default());
    let zero = lowered(&zero, vec![scalar(0.0), scalar(0.0), scalar(1.0)], 3);
    let fixed = alone(LocalLinearTrend { stochastic_level: false, stochastic_slope: false });
    assert_eq!(zero, lowered(&fixed, vec![scalar(1.0)], 3));
}

#[test]
fn a_damped_trend_with_drift_tends_to_a_straight_line() {
    let model = alone(DampedTrend { stochastic_level: true, drift: true });
    assert_eq!(model.state_names(), ["trend.level", "trend.slope", "trend.drift"]);
    let arrays = vec![scalar(0.5), scalar(0.1), scalar(0.1), scalar(1.0)];
    let lowered = lowered(&model, arrays, 1);
    let levels = path(&lowered, &[2.0, 1.0, 0.25], 60);
    // The slope adds 1 + 1/2 + 1/4 + ... = 2 in all.
    assert!((levels[59] - (2.0 + 2.0 + 0.25 * 59.0)).abs() < 1e-12, "{}", levels[59]);
    assert_eq!(
        lowered.initial_diffuse.as_ref().unwrap().values(),
        [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    );
    assert_eq!(lowered.initial_cov.values()[4], 0.1 / 0.75);
}

#[test]
fn series_share_components_as_they_say() {
    let level = |across| {
        let components = vec![ComponentSpec::from(LocalLevel::default()).across(across)];
        build(StructuralSpec {
            emission_dim: 2,
            irregular: Irregular::None,
            ..StructuralSpec::new(components)
        })
    };
    let own = lowered(&level(Across::Independent), vec![vector(&[1.0, 2.0])], 1);
    assert_eq!(own.dynamics_cov.values(), [1.0, 0.0, 0.0, 2.0]);
    assert_eq!(own.emissions_weights.values(), [1.0, 0.0, 0.0, 1.0]);
    let equal = lowered(&level(Across::EqualVariance), vec![scalar(3.0)], 1);
    assert_eq!(equal.dynamics_cov.values(), [3.0, 0.0, 0.0, 3.0]);
    let cov = Array::new(&[2, 2], vec![1.0, 0.5, 0.5, 2.0]);
    let correlated = lowered(&level(Across::Correlated), vec![cov.clone()], 1);
    assert_eq!(correlated.dynamics_cov, cov);
    let common = lowered(&level(Across::Common), vec![vector(&[-0.4]), scalar(3.0)], 1);
    assert_eq!(common.dynamics_cov.values(), [3.0]);
    assert_eq!(common.emissions_weights.values(), [1.0, -0.4]);
}

#[test]
fn a_component_may_start_where_it_is_told() {
    let mean = vector(&[2.0, -1.0]);
    let cov = Array::new(&[2, 2], vec![1.0, 0.2, 0.2, 0.5]);
    let given = Initial::Given { mean: mean.clone(), cov: cov.clone() };
    let trend = ComponentSpec::from(LocalLinearTrend::default()).starting(given);
    let model = build(StructuralSpec::new(vec![trend]));
    let start = lowered(&model, vec![scalar(0.1); 3], 1);
    assert_eq!((start.initial_mean, start.initial_cov, start.initial_diffuse), (mean, cov, None));
    let diffuse = ComponentSpec::from(Autoregressive { order: 1 }).starting(Initial::Diffuse);
    let model = build(StructuralSpec::new(vec![diffuse]));
    let start = lowered(&model, vec![vector(&[0.5]), scalar(0.1), scalar(0.1)], 1);
    assert_eq!(start.initial_diffuse.unwrap().values(), [1.0]);
    assert_eq!(start.initial_cov.values(), [0.0]);
}

#[test]
fn every_model_lowers_to_proper_parameters_that_fit_its_data() {
    for model in corpus::models() {
        let data = corpus::data(&model);
        let lowered = model.lower(&corpus::params(&model), &data).unwrap();
        lowered.check(&data).unwrap();
        assert_eq!(lowered.state_dim(), model.state_names().len());
    }
}
