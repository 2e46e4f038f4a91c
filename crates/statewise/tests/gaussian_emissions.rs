//! Gaussian emission families against dense algebra, published numbers and degenerate data.

use serde_json::{Value, json};
use statewise::data::Dataset;
use statewise::model::hmm::component::{MStep, Maximised};
use statewise::model::hmm::emission::{Emission, EmissionSpec};
use statewise::params::{Array, ParamProperties};
use statewise_kernels::linalg::{cholesky, log_det_chol, solve_lower};
use statewise_kernels::random::Seed;

fn build(spec: Value) -> Box<dyn Emission> {
    serde_json::from_value::<EmissionSpec>(spec).unwrap().build().unwrap()
}

/// Statistics of all rows under `gamma` and the M-step that follows.
fn em_step(
    emission: &dyn Emission,
    params: &[Array],
    data: &Dataset<'_>,
    gamma: &[f64],
    prior: bool,
) -> (Vec<Array>, usize) {
    let mut stats = vec![0.0; emission.num_stats()];
    let (prepared, k) = (emission.prepare(params).unwrap(), emission.num_states());
    for n in 0..data.num_sequences() {
        let range = data.range(n);
        let gamma = &gamma[range.start * k..range.end * k];
        prepared.accumulate(&data.sequence(n), 0..range.len(), gamma, &mut stats);
    }
    let properties = vec![ParamProperties::default(); params.len()];
    let mut next = params.to_vec();
    let step = MStep { stats: &stats, prior, properties: &properties };
    let Maximised::Done { repairs } = emission.maximise(&step, &mut next) else { panic!("no closed form") };
    (next, repairs)
}

fn wave(n: usize, speed: f64) -> Vec<f64> {
    (0..n).map(|i| (speed * i as f64).sin() + 0.5 * (2.7 * speed * i as f64 + 1.0).cos()).collect()
}

/// log N(x | μ, Σ) over the observed entries, by the textbook.
fn dense_log_density(row: &[f64], mean: &[f64], cov: &[f64]) -> f64 {
    let d = row.len();
    let observed: Vec<usize> = (0..d).filter(|i| !row[*i].is_nan()).collect();
    let o = observed.len();
    let mut chol: Vec<f64> =
        observed.iter().flat_map(|i| observed.iter().map(move |j| cov[i * d + j])).collect();
    cholesky(&mut chol, o).unwrap();
    let mut z: Vec<f64> = observed.iter().map(|i| row[*i] - mean[*i]).collect();
    solve_lower(&chol, o, &mut z);
    let quadratic: f64 = z.iter().map(|z| z * z).sum();
    -0.5 * (o as f64 * std::f64::consts::TAU.ln() + log_det_chol(&chol, o) + quadratic)
}

#[test]
fn densities_with_any_gaps_equal_dense_algebra_at_all_dimensions() {
    for d in [1, 2, 3, 4, 5, 8, 9, 70] {
        let emission = build(json!({"family": "gaussian", "num_states": 2, "emission_dim": d}));
        let mut covs = Array::identities(2, d, 1.5);
        let factors = wave(2 * d, 0.7);
        for k in 0..2 {
            for at in 0..d * d {
                covs.row_mut(k)[at] += factors[k * d + at / d] * factors[k * d + at % d];
            }
        }
        let params = [Array::new(&[2, d], wave(2 * d, 1.3)), covs];
        let num_steps = 300;
        let mut rows = wave(num_steps * d, 0.9);
        // Every third row has gaps, in patterns that repeat; row 9 is missing.
        for t in (0..num_steps).step_by(3) {
            (0..d).filter(|i| (t / 3 + i) % 5 < 2).for_each(|i| rows[t * d + i] = f64::NAN);
        }
        rows[9 * d..10 * d].fill(f64::NAN);
        let data = Dataset::single(rows.as_slice(), d).unwrap();
        let mut out = vec![0.0; num_steps * 2];
        emission.prepare(&params).unwrap().log_likelihoods(&data.sequence(0), 0..num_steps, &mut out);
        for (t, out) in out.chunks_exact(2).enumerate() {
            for k in 0..2 {
                let want = dense_log_density(&rows[t * d..(t + 1) * d], params[0].row(k), params[1].row(k));
                // The two whitenings round differently; both within D ulps of the quadratic form.
                assert!(
                    (out[k] - want).abs() < 1e-11 * (1.0 + want.abs()),
                    "D {d}, row {t}: {}, {want}",
                    out[k]
                );
            }
        }
    }
}

#[test]
fn covariances_survive_a_mean_of_a_million_standard_deviations() {
    for family in ["gaussian", "diagonal_gaussian", "student_t", "shared_covariance_gaussian"] {
        let emission = build(json!({"family": family, "num_states": 1, "emission_dim": 2}));
        let rows: Vec<f64> = wave(800, 0.37);
        let fit = |offset: f64, lengths: &[usize]| {
            let moved: Vec<f64> = rows.iter().map(|y| y + offset).collect();
            let data = Dataset::ragged(moved, lengths, 2).unwrap();
            let start = emission.initialize_from_data(&data, &mut Seed(1).stream("start", 0)).unwrap();
            // The start is a MAP estimate, which the prior mean of zero pulls; EM for the t forgets
            // it linearly.
            let gamma = vec![1.0; 400];
            (0..300).fold(start, |params, _| em_step(&*emission, &params, &data, &gamma, false).0)
        };
        let (near, far) = (fit(0.0, &[400]), fit(1e6, &[10; 40]));
        for (a, b) in near[1].values().iter().zip(far[1].values()) {
            // The data themselves are rounded to 1e-10 at 1e6.
            // ν of rows without outliers creeps towards infinity, and the scale with it.
            let tolerance = if family == "student_t" { 1e-5 } else { 1e-7 };
            assert!((a - b).abs() < tolerance, "{family}: {a} near zero, {b} at a million");
        }
    }
}

#[test]
fn statistics_of_different_e_steps_blend_to_those_of_raw_moments() {
    let emission = build(json!({"family": "gaussian", "num_states": 1, "emission_dim": 2}));
    let rows = wave(200, 0.61);
    let data = Dataset::single(rows.as_slice(), 2).unwrap();
    let at = |mean: f64| [Array::full(&[1, 2], mean), Array::identities(1, 2, 1.0)];
    let stats = |params: &[Array], weight: f64| {
        let mut stats = vec![0.0; emission.num_stats()];
        let prepared = emission.prepare(params).unwrap();
        prepared.accumulate(&data.sequence(0), 0..100, &[weight; 100], &mut stats);
        stats
    };
    // 0.3 of a step about (5, 5) and 0.7 of one about (−2, −2) weigh every row by one.
    let blend: Vec<f64> =
        stats(&at(5.0), 1.0).iter().zip(stats(&at(-2.0), 1.0)).map(|(a, b)| 0.3 * a + 0.7 * b).collect();
    let whole = stats(&at(1.0), 1.0);
    let here = at(0.4);
    let (got, want) =
        (emission.expected_log_prob(&here, &blend), emission.expected_log_prob(&here, &whole));
    assert!((got - want).abs() < 1e-10 * want.abs(), "blend {got}, one E-step {want}");
}

#[test]
fn one_factor_fits_a_one_factor_covariance_as_well_as_the_full_one() {
    // y = u f + noise with exact second moments: rows ±√D times the columns of a square root.
    let d = 4;
    let (u, diag) = ([1.0, -0.8, 0.6, 1.2], [0.5, 0.4, 0.7, 0.3]);
    let mut chol: Vec<f64> = (0..d * d)
        .map(|at| u[at / d] * u[at % d] + if at / d == at % d { diag[at / d] } else { 0.0 })
        .collect();
    let cov = chol.clone();
    cholesky(&mut chol, d).unwrap();
    let mut rows = Vec::new();
    for j in 0..d {
        for sign in [2.0, -2.0] {
            (0..d).for_each(|i| rows.push(sign * chol[i * d + j]));
        }
    }
    let data = Dataset::single(rows, d).unwrap();
    let emission = build(
        json!({"family": "low_rank_gaussian", "num_states": 1, "emission_dim": d, "emission_rank": 1}),
    );
    // U = 0 is a saddle of the likelihood: EM alone would stay there.
    let start = [Array::zeros(&[1, d]), Array::full(&[1, d], 1.0), Array::zeros(&[1, d, 1])];
    let (fitted, repairs) = em_step(&*emission, &start, &data, &[1.0; 8], false);
    assert_eq!(repairs, 0);
    let mut got = vec![0.0; d * d];
    emission.prepare(&fitted).unwrap().moments(0, &data.sequence(0), 0, &mut vec![0.0; d], &mut got);
    for (a, b) in got.iter().zip(&cov) {
        // EM stops when it moves by 1e-10; it converges linearly.
        assert!((a - b).abs() < 1e-6, "fitted {got:?}, true {cov:?}");
    }
}

#[test]
fn mixture_components_start_apart() {
    // Four clumps at (±10 ± 1): two states, each of two components.
    let rows: Vec<f64> = wave(400, 0.8)
        .iter()
        .enumerate()
        .map(|(i, e)| if i / 2 % 4 < 2 { 10.0 } else { -10.0 } + if i / 2 % 2 == 0 { 1.0 } else { -1.0 } + 0.1 * e)
        .collect();
    let data = Dataset::single(rows, 2).unwrap();
    for family in ["gaussian_mixture", "diagonal_gaussian_mixture"] {
        let emission =
            build(json!({"family": family, "num_states": 2, "num_components": 2, "emission_dim": 2}));
        let start = emission.initialize_from_data(&data, &mut Seed(2).stream("start", 0)).unwrap();
        for k in 0..2 {
            let means = start[1].row(k);
            assert!((means[0] - means[2]).abs() > 1.5, "{family}, state {k}: {means:?}");
            assert!(start[0].row(k).iter().all(|w| *w > 0.3), "{family}: {:?}", start[0]);
        }
        let spread =
            if family == "gaussian_mixture" { start[2].values()[0] } else { start[2].values()[0].powi(2) };
        assert!(spread < 0.2, "{family}: clusters, not unit covariances, set the spread: {spread}");
    }
}

#[test]
fn collapsing_states_are_floored_and_counted_without_a_prior() {
    let families = [
        json!({"family": "gaussian", "num_states": 2, "emission_dim": 2}),
        json!({"family": "diagonal_gaussian", "num_states": 2, "emission_dim": 2}),
        json!({"family": "spherical_gaussian", "num_states": 2, "emission_dim": 2}),
        json!({"family": "low_rank_gaussian", "num_states": 2, "emission_dim": 2, "emission_rank": 1}),
        json!({"family": "student_t", "num_states": 2, "emission_dim": 2}),
        json!({"family": "gaussian_mixture", "num_states": 2, "num_components": 1, "emission_dim": 2}),
        json!({"family": "diagonal_gaussian_mixture", "num_states": 2, "num_components": 1, "emission_dim": 2}),
        json!({"family": "linear_autoregressive", "num_states": 2, "emission_dim": 2}),
    ];
    for spec in families {
        let emission = build(spec.clone());
        for constant in [false, true] {
            // State 0 explains a single row; with `constant`, all rows are the same.
            let rows = if constant { vec![3.5; 60] } else { wave(60, 0.7) };
            let data = Dataset::single(rows, 2).unwrap();
            let gamma: Vec<f64> = (0..60).map(|i| f64::from(u8::from((i % 2 == 0) == (i == 20)))).collect();
            let mut params = emission.sample_prior(&mut Seed(3).stream("start", 0));
            for _ in 0..3 {
                let (next, repairs) = em_step(&*emission, &params, &data, &gamma, false);
                assert!(repairs > 0, "{spec}: a collapse is counted");
                for (spec, value) in emission.schema().iter().zip(&next) {
                    spec.check(value).unwrap();
                }
                params = next;
            }
            let mut out = vec![0.0; 60];
            emission.prepare(&params).unwrap().log_likelihoods(&data.sequence(0), 0..30, &mut out);
            assert!(out.iter().all(|l| l.is_finite()), "{spec}: {out:?}");
        }
    }
}

#[test]
fn a_missing_lag_makes_an_autoregressive_row_missing() {
    let spec =
        json!({"family": "linear_autoregressive", "num_states": 2, "emission_dim": 2, "num_lags": 2});
    let emission = build(spec);
    let params = emission.sample_prior(&mut Seed(4).stream("params", 0));
    let whole = wave(40, 0.7);
    let mut gap = whole.clone();
    gap[10] = f64::NAN;
    let logs = |rows: &[f64]| {
        let data = Dataset::single(rows, 2).unwrap();
        let mut out = vec![0.0; 40];
        emission.prepare(&params).unwrap().log_likelihoods(&data.sequence(0), 0..20, &mut out);
        out
    };
    let (with_gap, without) = (logs(&gap), logs(&whole));
    for t in 0..20 {
        let (a, b) = (&with_gap[2 * t..2 * t + 2], &without[2 * t..2 * t + 2]);
        match t {
            // Row 5 lost one entry, rows 6 and 7 a lag.
            5 => assert!(a[0] != b[0] && a[0] != 0.0),
            6 | 7 => assert_eq!(a, [0.0, 0.0]),
            _ => assert_eq!(a, b),
        }
    }
}

/// Log priors of Dynamax at the starting parameters of its Gaussian-family EM runs (records
/// `*_em` of appendix A in the inventory: K = 3, D = 2, uniform π, A = .9 and .05).
#[test]
fn log_priors_equal_those_of_dynamax() {
    let means = Array::new(&[3, 2], vec![1.0, 1.0, -1.0, 0.0, 0.0, -1.0]);
    let covs = Array::identities(3, 2, 0.5);
    let scales = Array::full(&[3, 2], 0.7);
    let mixture_means: Vec<f64> =
        means.values().chunks(2).flat_map(|m| [m[0], m[1], m[0] + 0.5, m[1] + 0.5]).collect();
    let mixture_means = Array::new(&[3, 2, 2], mixture_means);
    let weights = Array::new(&[3, 2], [0.6, 0.4].repeat(3));
    let mixture_covs = Array::new(&[3, 2, 2, 2], [0.5, 0.0, 0.0, 0.5].repeat(6));
    let cases = [
        ("gaussian", json!({}), vec![means.clone(), covs], -83.54136328),
        ("diagonal_gaussian", json!({}), vec![means.clone(), scales], -40.03098592),
        ("spherical_gaussian", json!({}), vec![means.clone(), Array::full(&[3], 0.7)], -6.492262958),
        (
            "shared_covariance_gaussian",
            json!({}),
            vec![means.clone(), Array::new(&[2, 2], vec![0.5, 0.0, 0.0, 0.5])],
            -46.96537334,
        ),
        (
            "low_rank_gaussian",
            json!({"emission_rank": 1}),
            vec![means, Array::full(&[3, 2], 0.5), Array::full(&[3, 2, 1], 0.3)],
            -0.3993742937,
        ),
        (
            "gaussian_mixture",
            json!({"num_components": 2}),
            vec![weights.clone(), mixture_means.clone(), mixture_covs],
            -164.5028556,
        ),
        (
            "diagonal_gaussian_mixture",
            json!({"num_components": 2}),
            vec![weights, mixture_means, Array::full(&[3, 2, 2], 0.7)],
            -66.82940448,
        ),
    ];
    // log Dirichlet(π | 1.1) + Σ log Dirichlet(A_k | 1.1).
    let ln_gamma = statewise_kernels::math::ln_gamma;
    let norm = ln_gamma(3.3) - 3.0 * ln_gamma(1.1);
    let chain = 4.0 * norm - 0.1 * 3.0 * 3.0_f64.ln() + 0.1 * 3.0 * (0.9_f64.ln() + 2.0 * 0.05_f64.ln());
    for (family, extra, params, want) in cases {
        let mut spec = json!({"family": family, "num_states": 3, "emission_dim": 2});
        extra.as_object().unwrap().iter().for_each(|(key, value)| spec[key] = value.clone());
        let got = chain + build(spec).log_prior(&params);
        // Dynamax adds 1e-9 to the diagonal of Ψ = 1e-4 I: 1e-5 in log |Ψ| of each matrix and dimension.
        let tolerance = if family.contains("diagonal") { 1e-5 } else { 3e-4 };
        assert!((got - want).abs() < tolerance, "{family}: {got}, Dynamax {want}");
    }
}
