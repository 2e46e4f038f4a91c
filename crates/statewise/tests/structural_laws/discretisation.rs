//! Exactness over steps of any length.

use statewise::data::Dataset;
use statewise::model::linear_gaussian::LgssmParams;
use statewise::model::structural::block::{
    Autoregressive, BlockSpec, Brownian, ConstantAcceleration, ConstantVelocity, Cycle, LocalLevel, Matern,
    OrnsteinUhlenbeck, Smoothness, TrigonometricSeasonal,
};
use statewise::model::structural::{ComponentSpec, StructuralSpec, StructuralTimeSeries, Time};
use statewise::params::{Array, Params};

use super::corpus::build;

fn continuous() -> Vec<BlockSpec> {
    vec![
        Brownian {}.into(),
        ConstantVelocity {}.into(),
        ConstantAcceleration {}.into(),
        OrnsteinUhlenbeck {}.into(),
        Matern { smoothness: Smoothness::Half }.into(),
        Matern { smoothness: Smoothness::ThreeHalves }.into(),
        Matern { smoothness: Smoothness::FiveHalves }.into(),
        Cycle::new(3.0, 12.0).into(),
        Cycle { damped: false, ..Cycle::new(3.0, 12.0) }.into(),
        TrigonometricSeasonal { irregular: true, ..TrigonometricSeasonal::new(7.3, 2) }.into(),
    ]
}

fn timed(block: BlockSpec) -> StructuralTimeSeries {
    let components = vec![ComponentSpec::from(block)];
    build(StructuralSpec { input_dim: 1, time: Time::Step { input: 0 }, ..StructuralSpec::new(components) })
}

/// Parameters by name; what is not named stays at 1.
fn params(model: &StructuralTimeSeries, values: &[(&str, f64)]) -> Params {
    let value = |path: &str| {
        let known = values.iter().find(|(name, _)| path.ends_with(name));
        known.map_or(0.8, |(_, value)| *value)
    };
    Params::new(model.schema().iter().map(|spec| Array::full(&spec.shape, value(&spec.path))).collect())
}

const VALUES: [(&str, f64); 4] =
    [("period", 5.3), ("length_scale", 1.7), ("rate", 0.45), (".variance", 1.4)];

fn lowered(model: &StructuralTimeSeries, values: &[(&str, f64)], steps: &[f64]) -> LgssmParams {
    let data = Dataset::single(vec![0.0; steps.len()], 1).unwrap();
    let data = data.with_inputs(steps.to_vec(), 1).unwrap();
    model.lower(&params(model, values), &data).unwrap()
}

/// F and Q over one step.
fn matrices(model: &StructuralTimeSeries, step: f64) -> (Vec<f64>, Vec<f64>) {
    let lowered = lowered(model, &VALUES, &[1.0, step]);
    (lowered.dynamics_weights.values().to_vec(), lowered.dynamics_cov.values().to_vec())
}

fn product(a: &[f64], b: &[f64]) -> Vec<f64> {
    let n = a.len().isqrt();
    let entry = |i: usize, j: usize| (0..n).map(|k| a[i * n + k] * b[k * n + j]).sum();
    (0..n * n).map(|e| entry(e / n, e % n)).collect()
}

fn transposed(a: &[f64]) -> Vec<f64> {
    let n = a.len().isqrt();
    (0..n * n).map(|e| a[e % n * n + e / n]).collect()
}

/// A P Aᵀ + Q.
fn carried(a: &[f64], p: &[f64], q: &[f64]) -> Vec<f64> {
    let moved = product(&product(a, p), &transposed(a));
    moved.iter().zip(q).map(|(x, y)| x + y).collect()
}

fn close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= tolerance * scale, "{what}: {got} for {want}");
    }
}

#[test]
fn two_steps_are_one_step_of_their_total_length() {
    for block in continuous() {
        let model = timed(block.clone());
        for (a, b) in [(0.3, 1.1), (2.0, 1e-3), (7.0, 19.0), (0.0, 0.6)] {
            let ((fa, qa), (fb, qb), (f, q)) =
                (matrices(&model, a), matrices(&model, b), matrices(&model, a + b));
            close(&format!("F of {block:?}"), &product(&fb, &fa), &f, 1e-13);
            close(&format!("Q of {block:?}"), &carried(&fb, &qa, &qb), &q, 1e-13);
        }
    }
}

/// Drift A and noise density L Lᵀ of a block, from the textbook.
fn drift(block: &BlockSpec) -> Option<(Vec<f64>, Vec<f64>)> {
    let value = |name: &str| VALUES.iter().find(|(n, _)| *n == name).unwrap().1;
    let (length, rate, variance) = (value("length_scale"), value("rate"), value(".variance"));
    let lambda = |nu: f64| (2.0 * nu).sqrt() / length;
    Some(match block {
        BlockSpec::Brownian(_) => (vec![0.0], vec![variance]),
        BlockSpec::ConstantVelocity(_) => (vec![0.0, 1.0, 0.0, 0.0], vec![0.0, 0.0, 0.0, variance]),
        BlockSpec::ConstantAcceleration(_) => {
            let mut noise = vec![0.0; 9];
            noise[8] = variance;
            (vec![0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0], noise)
        }
        BlockSpec::OrnsteinUhlenbeck(_) => (vec![-rate], vec![2.0 * rate * variance]),
        BlockSpec::Matern(Matern { smoothness: Smoothness::Half }) => {
            (vec![-lambda(0.5)], vec![2.0 * lambda(0.5) * variance])
        }
        BlockSpec::Matern(Matern { smoothness: Smoothness::ThreeHalves }) => {
            let l = lambda(1.5);
            (vec![0.0, 1.0, -l * l, -2.0 * l], vec![0.0, 0.0, 0.0, 4.0 * l.powi(3) * variance])
        }
        BlockSpec::Matern(_) => {
            let l = lambda(2.5);
            let mut noise = vec![0.0; 9];
            noise[8] = 16.0 / 3.0 * l.powi(5) * variance;
            (vec![0.0, 1.0, 0.0, 0.0, 0.0, 1.0, -l.powi(3), -3.0 * l * l, -3.0 * l], noise)
        }
        _ => return None,
    })
}

/// Σ_k A^k Δ^k / k!, and ∫_0^Δ e^{As} N e^{Aᵀs} ds as the series with terms A X + X Aᵀ.
fn series(a: &[f64], noise: &[f64], step: f64) -> (Vec<f64>, Vec<f64>) {
    let n = a.len().isqrt();
    let mut power: Vec<f64> = (0..n * n).map(|e| f64::from(e / n == e % n)).collect();
    let mut term: Vec<f64> = noise.iter().map(|x| x * step).collect();
    let (mut f, mut q) = (power.clone(), term.clone());
    for k in 1..60 {
        power = product(a, &power).iter().map(|x| x * step / k as f64).collect();
        let left = product(a, &term);
        let both = left.iter().zip(transposed(&left)).map(|(x, y)| x + y);
        term = both.map(|x| x * step / (k + 1) as f64).collect();
        f.iter_mut().zip(&power).for_each(|(f, x)| *f += x);
        q.iter_mut().zip(&term).for_each(|(q, x)| *q += x);
    }
    (f, q)
}

#[test]
fn closed_forms_equal_the_series_of_the_matrix_exponential() {
    for block in continuous() {
        let Some((a, noise)) = drift(&block) else { continue };
        for step in [1e-4, 0.1, 1.0, 2.5] {
            let (f, q) = matrices(&timed(block.clone()), step);
            let (want_f, want_q) = series(&a, &noise, step);
            // The series adds terms of both signs of up to e^{2 |A| Δ}, at most e^{20} here.
            let tolerance = if step > 1.0 { 1e-8 } else { 1e-11 };
            close(&format!("F of {block:?} at {step}"), &f, &want_f, tolerance);
            close(&format!("Q of {block:?} at {step}"), &q, &want_q, tolerance);
        }
    }
}

#[test]
fn noise_over_short_steps_keeps_its_relative_precision() {
    // Q_11 of the Matérn 5/2 is q Δ⁵/20 (1 + O(Δ)): at Δ = 1e-4 a fifth of 1e-20, which P − F P Fᵀ
    // would lose altogether.
    let model = timed(Matern { smoothness: Smoothness::FiveHalves }.into());
    let step = 1e-4;
    let (_, q) = matrices(&model, step);
    let lambda = 5f64.sqrt() / 1.7;
    let leading = 16.0 / 3.0 * lambda.powi(5) * 1.4 * step.powi(5) / 20.0;
    assert!((q[0] / leading - 1.0).abs() < 1e-3, "{} for {leading}", q[0]);
    assert!(q[0] / leading < 1.0);
}

#[test]
fn stationary_blocks_stay_at_their_stationary_law() {
    for block in continuous() {
        let model = timed(block.clone());
        let start = lowered(&model, &VALUES, &[1.0, 1.0]);
        if start.initial_diffuse.is_some() {
            continue;
        }
        for step in [0.05, 1.0, 8.0, 400.0] {
            let (f, q) = matrices(&model, step);
            let p = start.initial_cov.values();
            close(&format!("{block:?}"), &carried(&f, p, &q), p, 1e-13);
        }
    }
}

#[test]
fn matern_processes_have_the_matern_covariance() {
    let (length, variance) = (1.7, 1.4);
    type Kernel = fn(f64) -> f64;
    let cases: [(Smoothness, f64, Kernel); 3] = [
        (Smoothness::Half, 0.5, |_| 1.0),
        (Smoothness::ThreeHalves, 1.5, |x| 1.0 + x),
        (Smoothness::FiveHalves, 2.5, |x| 1.0 + x + x * x / 3.0),
    ];
    for (smoothness, nu, polynomial) in cases {
        let model = timed(Matern { smoothness }.into());
        let start = lowered(&model, &VALUES, &[1.0]).initial_cov;
        for lag in [0.0, 0.2, 1.0, 4.0, 30.0] {
            let (f, _) = matrices(&model, lag);
            let got = product(&f, start.values())[0];
            let x = f64::sqrt(2.0 * nu) * lag / length;
            let want = variance * polynomial(x) * (-x).exp();
            assert!((got - want).abs() < 1e-14, "{smoothness:?} at {lag}: {got} for {want}");
        }
    }
}

/// All that a model is, apart from names.
fn same(a: &LgssmParams, b: &LgssmParams) {
    close("F", a.dynamics_weights.values(), b.dynamics_weights.values(), 1e-14);
    close("Q", a.dynamics_cov.values(), b.dynamics_cov.values(), 1e-14);
    close("S", a.initial_cov.values(), b.initial_cov.values(), 1e-14);
    close("H", a.emissions_weights.values(), b.emissions_weights.values(), 0.0);
    assert_eq!(a.initial_diffuse, b.initial_diffuse);
}

#[test]
fn an_ornstein_uhlenbeck_process_over_unit_steps_is_an_autoregression() {
    let (phi, noise) = (0.6f64, 0.3);
    let steps = [1.0; 4];
    let ar = timed(Autoregressive { order: 1 }.into());
    let ou = timed(OrnsteinUhlenbeck {}.into());
    let stationary = noise / (1.0 - phi * phi);
    same(
        &lowered(&ou, &[("rate", -phi.ln()), ("ou.variance", stationary)], &steps),
        &lowered(&ar, &[("coefficients", phi), ("ar.variance", noise)], &steps),
    );
    let matern = timed(Matern { smoothness: Smoothness::Half }.into());
    same(
        &lowered(&ou, &[("rate", 0.4), ("ou.variance", 2.0)], &steps),
        &lowered(&matern, &[("length_scale", 2.5), ("matern.variance", 2.0)], &steps),
    );
}

#[test]
fn a_brownian_level_over_unit_steps_is_a_local_level() {
    let steps = [1.0; 4];
    let level = timed(LocalLevel::default().into());
    let brownian = timed(Brownian {}.into());
    same(&lowered(&brownian, &VALUES, &steps), &lowered(&level, &VALUES, &steps));
}

#[test]
fn steps_of_one_length_leave_matrices_without_an_axis_for_time() {
    let model = timed(ConstantVelocity {}.into());
    assert_eq!(lowered(&model, &VALUES, &[9.0, 0.5, 0.5, 0.5]).dynamics_weights.shape(), [2, 2]);
    assert_eq!(lowered(&model, &VALUES, &[9.0, 0.5, 0.5, 0.7]).dynamics_weights.shape(), [4, 2, 2]);
}

#[test]
fn stamps_and_their_differences_are_the_same_steps() {
    let stamps = [10.0, 10.5, 12.0, 12.25];
    let steps = [f64::MAX, 0.5, 1.5, 0.25];
    let stepped = timed(Matern { smoothness: Smoothness::ThreeHalves }.into());
    let spec = StructuralSpec { time: Time::Stamp { input: 0 }, ..stepped.spec().clone() };
    let stamped = build(spec);
    assert_eq!(lowered(&stamped, &VALUES, &stamps), lowered(&stepped, &VALUES, &steps));
}

#[test]
fn steps_that_go_back_are_refused_by_their_row() {
    let model = timed(Brownian {}.into());
    let data = Dataset::single(vec![0.0; 3], 1).unwrap();
    let data = data.with_inputs(vec![1.0, 0.5, -0.25], 1).unwrap();
    let error = model.check_data(&data).unwrap_err().to_string();
    assert_eq!(error, "inputs: the step into row 2: found -0.25, expected a finite length of at least 0");
}
