//! The information form, two filters and block-tridiagonal Gaussians against dense elimination.

mod gaussian_common;
mod gaussian_records;

use gaussian_common::{assert_close, series, steps, system};
use gaussian_records::*;
use statewise_kernels::gaussian::*;
use statewise_kernels::linalg::{cholesky, inverse_chol};
use statewise_testkit::*;

#[global_allocator]
static COUNTER: CountingAllocator = CountingAllocator;

/// Inverses of covariances, one after another; `None` if one is singular.
fn inverses(covs: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut out = Vec::new();
    for cov in covs.chunks(n * n) {
        let mut root = cov.to_vec();
        cholesky(&mut root, n).ok()?;
        let mut inverse = vec![0.0; n * n];
        inverse_chol(&root, n, &mut inverse);
        out.extend(inverse);
    }
    Some(out)
}

/// P⁻¹, Q⁻¹ and R⁻¹ of a problem; P⁻¹ is zero for a diffuse start.
struct Precisions {
    initial: Vec<f64>,
    transition: GaussianSteps,
    emission: GaussianSteps,
}

impl Precisions {
    fn of(problem: &GaussianProblem) -> Option<Self> {
        let (d, m) = (problem.state_dim, problem.emission_dim);
        let invert = |steps: &GaussianSteps, n: usize| {
            Some(GaussianSteps { values: inverses(&steps.values, n)?, ..steps.clone() })
        };
        let emission = if problem.diagonal_noise {
            let values = &problem.emission_cov.values;
            let values = values.iter().map(|r| (*r > 0.0).then(|| 1.0 / r)).collect::<Option<Vec<_>>>()?;
            GaussianSteps { values, ..problem.emission_cov.clone() }
        } else {
            invert(&problem.emission_cov, m)?
        };
        let initial = match problem.initial_diffuse {
            Some(_) => vec![0.0; d * d],
            None => inverses(&problem.initial_cov, d)?,
        };
        Some(Self { initial, transition: invert(&problem.transition_cov, d)?, emission })
    }

    fn view<'a>(&'a self, problem: &'a GaussianProblem) -> (InformationSystem<'a>, Series<'a>) {
        let (system, series) = (system(problem), series(problem));
        let noise = steps(&self.emission);
        let system = InformationSystem {
            state_dim: system.state_dim,
            emission_dim: system.emission_dim,
            initial_mean: system.initial_mean,
            initial_precision: &self.initial,
            transition: system.transition,
            transition_precision: steps(&self.transition),
            emission: system.emission,
            emission_precision: if problem.diagonal_noise {
                Noise::Diagonal(noise)
            } else {
                Noise::Full(noise)
            },
        };
        (system, series)
    }
}

/// Filtered and smoothed etas, precisions and means.
struct Outputs {
    report: InformationReport,
    filtered: [Vec<f64>; 3],
    smoothed: [Vec<f64>; 3],
}

fn smooth(
    system: &InformationSystem<'_>,
    series: &Series<'_>,
    ws: &mut InformationWorkspace,
) -> Result<Outputs, GaussianError> {
    let (n, d) = (series.emissions.len() / system.emission_dim, system.state_dim);
    let empty = || [vec![0.0; n * d], vec![0.0; n * d * d], vec![0.0; n * d]];
    let (mut filtered, mut smoothed) = (empty(), empty());
    fn slots(arrays: &mut [Vec<f64>; 3]) -> InformationEstimates<'_> {
        let [etas, precisions, means] = arrays;
        InformationEstimates { etas: Some(etas), precisions: Some(precisions), means: Some(means) }
    }
    let out = InformationSmoothed { smoothed: slots(&mut smoothed), filtered: slots(&mut filtered) };
    let report = information_smoother(system, series, ws, out)?;
    Ok(Outputs { report, filtered, smoothed })
}

#[test]
fn information_form_equals_dense_elimination() {
    let (mut ws, mut seen) = (InformationWorkspace::default(), 0);
    for problem in gaussian_corpus() {
        let Some(precisions) = Precisions::of(&problem) else { continue };
        let (system, series) = precisions.view(&problem);
        let d = problem.state_dim;
        let want = joint_gaussian(&problem);
        let got = smooth(&system, &series, &mut ws).unwrap_or_else(|e| panic!("{}: {e}", problem.name));
        // NUMERICS: Λ = 1e12 in one direction, 1 in another: to invert it loses twelve digits.
        let tolerance = if problem.name.contains("1e-12") { 1e-4 } else { 1e-10 };
        let evidence = if tolerance > 1e-9 { 1e-7 } else { 1e-11 };
        assert_close(
            &problem.name,
            "evidence",
            &[got.report.marginal_loglik],
            &[want.marginal_loglik],
            evidence,
        );
        assert_eq!(got.report.flat_directions, 0, "{}", problem.name);
        for (what, got, means, covs) in [
            ("filtered", &got.filtered, &want.filtered_means, &want.filtered_covs),
            ("smoothed", &got.smoothed, &want.smoothed_means, &want.smoothed_covs),
        ] {
            let (mut m, mut p) = (vec![0.0; means.len()], vec![0.0; covs.len()]);
            info_to_moment_form(&got[0], &got[1], d, &mut m, &mut p).unwrap();
            assert_close(&problem.name, &format!("{what} means"), &m, means, tolerance);
            assert_close(&problem.name, &format!("{what} covs"), &p, covs, tolerance);
            assert_close(&problem.name, &format!("{what} means carried"), &got[2], means, evidence);
        }
        seen += 1;
    }
    assert!(seen > 60, "{seen} problems have precisions");
}

/// Koopman and Durbin's diffuse likelihood is the flat one less (d/2) log 2π, and less half of log |P∞|.
#[test]
fn a_flat_prior_gives_the_diffuse_likelihood() {
    let (mut ws, mut seen) = (InformationWorkspace::default(), 0);
    for problem in diffuse_gaussian_corpus() {
        let d = problem.state_dim;
        let Some(mut precisions) = Precisions::of(&problem) else { continue };
        let diffuse = problem.initial_diffuse.clone().unwrap();
        let off_axis = (0..d * d).any(|i| i / d != i % d && diffuse[i] != 0.0);
        if off_axis {
            continue;
        }
        let mut constant = 0.0;
        for i in 0..d {
            let variance = problem.initial_cov[i * d + i];
            if diffuse[i * d + i] == 0.0 {
                if variance == 0.0 {
                    precisions.initial.clear();
                    break;
                }
                precisions.initial[i * d + i] = 1.0 / variance;
            } else {
                constant += 0.5 * (std::f64::consts::TAU.ln() + diffuse[i * d + i].ln());
            }
        }
        let want = joint_gaussian(&problem);
        let identified = want.smoothed_diffuse.iter().all(|x| x.abs() < 1e-12);
        if precisions.initial.is_empty() || !identified {
            continue;
        }
        let (system, series) = precisions.view(&problem);
        let got = smooth(&system, &series, &mut ws).unwrap();
        assert_eq!(got.report.flat_directions, 0, "{}", problem.name);
        let evidence = got.report.marginal_loglik - constant;
        assert_close(&problem.name, "evidence", &[evidence], &[want.marginal_loglik], 1e-11);
        let [mut m, mut p] = [vec![0.0; got.smoothed[0].len()], vec![0.0; got.smoothed[1].len()]];
        info_to_moment_form(&got.smoothed[0], &got.smoothed[1], d, &mut m, &mut p).unwrap();
        assert_close(&problem.name, "smoothed means", &m, &want.smoothed_means, 1e-10);
        assert_close(&problem.name, "smoothed covs", &p, &want.smoothed_covs, 1e-10);
        seen += 1;
    }
    assert!(seen >= 5, "{seen} problems");
}

#[test]
fn directions_that_nothing_sees_stay_flat_and_are_counted() {
    let y = [0.3, -0.2, 0.5, f64::NAN, 0.1];
    let problem = GaussianProblem::fixed(
        "a random walk beside an unseen one",
        (&[0.0, 5.0], &diagonal(&[1.0; 2])),
        (&diagonal(&[1.0; 2]), &diagonal(&[0.5; 2])),
        (&[1.0, 0.0], &[1.0]),
        &y,
    );
    let mut precisions = Precisions::of(&problem).unwrap();
    precisions.initial = diagonal(&[0.0; 2]);
    let (system, series) = precisions.view(&problem);
    let got = smooth(&system, &series, &mut InformationWorkspace::default()).unwrap();
    assert_eq!(got.report.flat_directions, 1);
    for precision in got.smoothed[1].chunks(4) {
        assert!(precision[0] > 0.1 && precision[1..] == [0.0; 3], "{precision:?}");
    }
    let alone = GaussianProblem::fixed("alone", (&[0.0], &[1.0]), (&[1.0], &[0.5]), (&[1.0], &[1.0]), &y);
    let precisions = Precisions { initial: vec![0.0], ..Precisions::of(&alone).unwrap() };
    let (system, series) = precisions.view(&alone);
    let want = smooth(&system, &series, &mut InformationWorkspace::default()).unwrap();
    assert_close(
        "record",
        "evidence",
        &[got.report.marginal_loglik],
        &[want.report.marginal_loglik],
        1e-13,
    );
    let error = info_to_moment_form(&got.smoothed[0], &got.smoothed[1], 2, &mut [0.0; 10], &mut [0.0; 20]);
    assert!(matches!(error, Err(GaussianError::Indefinite { argument: "precisions", t: 0, .. })));
}

#[test]
fn golden_records_of_dynamax() {
    let mut ws = InformationWorkspace::default();
    let problem = with_inputs();
    let precisions = Precisions::of(&problem).unwrap();
    let (system, series) = precisions.view(&problem);
    let got = smooth(&system, &series, &mut ws).unwrap();
    // NUMERICS: ten printed digits, and 1e-9 that Dynamax adds to what it inverts.
    assert_close("record", "loglik", &[got.report.marginal_loglik], &[-41.18025598], 1e-8);
    assert_close("record", "eta", &got.filtered[0][38..], &[-3.97544711, -5.558444313], 1e-8);
    let precision = [4.689644953, 0.4097664436, 0.4097664436, 7.597242455];
    assert_close("record", "precision", &got.filtered[1][76..], &precision, 1e-8);
    assert_close("record", "smoothed eta", &got.smoothed[0][..2], &[-1.347674254, 3.398714197], 1e-8);
    let precision = [5.092202886, 0.07545258453, 0.07545258453, 5.487738609];
    assert_close("record", "smoothed precision", &got.smoothed[1][..4], &precision, 1e-8);
}

/// Dynamax's regression test of the information form: constant weights, Q⁻¹ = 1e32.
#[test]
fn recursive_least_squares_with_an_enormous_precision_is_least_squares() {
    let problem = linear_regression();
    let precisions = Precisions {
        initial: diagonal(&[0.1; 2]),
        transition: GaussianSteps::fixed(&diagonal(&[1e32; 2])),
        emission: GaussianSteps::fixed(&[1.0]),
    };
    let (system, series) = precisions.view(&problem);
    let got = smooth(&system, &series, &mut InformationWorkspace::default()).unwrap();
    // Λ = 0.1 I + Xᵀ X with X = (1, x), η = Xᵀ y, both in closed form.
    let (n, sum, squares) = (21.0, 210.0, 2870.0);
    let want = [0.1 + n, sum, sum, 0.1 + squares];
    assert_close("record", "precision", &got.filtered[1][80..], &want, 1e-14);
    assert_close("record", "smoothed precision", &got.smoothed[1][..4], &want, 1e-14);
    let y = &problem.emissions;
    let etas = [y.iter().sum::<f64>(), y.iter().enumerate().map(|(x, y)| x as f64 * y).sum()];
    assert_close("record", "eta", &got.filtered[0][40..], &etas, 1e-13);
    assert_close("record", "smoothed eta", &got.smoothed[0][..2], &etas, 1e-13);
    let mean = [-5.855674492, 0.662756818];
    assert_close("record", "mean", &got.filtered[2][40..], &mean, 1e-9);
}

#[test]
fn two_filters_equal_one_smoother() {
    let (mut ws, mut refused) = (SquareRootWorkspace::default(), Vec::new());
    for problem in gaussian_corpus() {
        let (system, series) = (system(&problem), series(&problem));
        let (n, d) = (problem.num_steps, problem.state_dim);
        let [mut means, mut covs] = [vec![0.0; n * d], vec![0.0; n * d * d]];
        let out = Estimates { means: Some(&mut means), covs: Some(&mut covs), ..Default::default() };
        match two_filter_smoother(&system, &series, &mut ws, out) {
            Err(GaussianError::Indefinite { argument, pivot: 0.0, .. }) => {
                assert!(argument.starts_with("emission_cov"));
                refused.push(problem.name.clone());
            }
            Err(error) => panic!("{}: {error}", problem.name),
            Ok(report) => {
                let want = joint_gaussian(&problem);
                let tolerance = if problem.name.contains("1e-12") { 1e-8 } else { 1e-11 };
                assert_close(
                    &problem.name,
                    "evidence",
                    &[report.marginal_loglik],
                    &[want.marginal_loglik],
                    tolerance,
                );
                assert_close(&problem.name, "means", &means, &want.smoothed_means, tolerance);
                assert_close(&problem.name, "covs", &covs, &want.smoothed_covs, tolerance);
            }
        }
    }
    assert!(refused.iter().all(|n| n.contains('R') || n.contains("determined")), "{refused:?}");
}

/// The posterior of the states of a model with fixed matrices is block-tridiagonal.
#[test]
fn a_block_tridiagonal_gaussian_is_the_smoother() {
    let mut ws = BlockTridiagonalWorkspace::default();
    let mut seen = 0;
    for problem in gaussian_corpus() {
        let Some(precisions) = Precisions::of(&problem) else { continue };
        if problem.emissions.iter().any(|y| y.is_nan()) || problem.name.contains("1e-12") {
            continue;
        }
        let (n, d, m) = (problem.num_steps, problem.state_dim, problem.emission_dim);
        let (mut diagonal, mut lower, mut linear) =
            (vec![0.0; n * d * d], vec![0.0; (n - 1) * d * d], vec![0.0; n * d]);
        // log p(z, y) = log Z-free constant − zᵀ J z/2 + hᵀ z, collected from centred quadratic forms
        // |C z − c|² with precision W: J += Cᵀ W C, h += Cᵀ W c.
        let mut constant = 0.0;
        let log_det = |precision: &[f64], n: usize| {
            let mut root = precision.to_vec();
            cholesky(&mut root, n).unwrap();
            (0..n).map(|i| root[i * n + i].ln()).sum::<f64>() - 0.5 * n as f64 * std::f64::consts::TAU.ln()
        };
        let quadratic = |w: &[f64], a: &[f64], b: &[f64]| -> f64 {
            (0..a.len()).map(|i| (0..b.len()).map(|j| a[i] * w[i * b.len() + j] * b[j]).sum::<f64>()).sum()
        };
        let column = |a: &[f64], j: usize, width: usize| -> Vec<f64> {
            a.iter().skip(j).step_by(width).copied().collect()
        };
        let unit = |j: usize| (0..d).map(|i| if i == j { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
        for t in 0..n {
            let (w, c) = if t == 0 {
                (&precisions.initial[..], &problem.initial_mean[..])
            } else {
                (precisions.transition.at(t), problem.transition_offset.at(t))
            };
            constant += log_det(w, d) - 0.5 * quadratic(w, c, c);
            for i in 0..d {
                linear[t * d + i] += quadratic(w, &unit(i), c);
                (0..d).for_each(|j| diagonal[t * d * d + i * d + j] += w[i * d + j]);
            }
            if t > 0 {
                let f = problem.transition.at(t);
                for i in 0..d {
                    let fi = column(f, i, d);
                    linear[(t - 1) * d + i] -= quadratic(w, &fi, c);
                    for j in 0..d {
                        diagonal[(t - 1) * d * d + i * d + j] += quadratic(w, &fi, &column(f, j, d));
                        lower[(t - 1) * d * d + j * d + i] -= quadratic(w, &unit(j), &fi);
                    }
                }
            }
            let r = precisions.emission.at(t);
            let r = if problem.diagonal_noise { gaussian_records::diagonal(r) } else { r.to_vec() };
            let h = problem.emission.at(t);
            let y = &problem.emissions[t * m..(t + 1) * m];
            let v: Vec<f64> = y.iter().zip(problem.emission_offset.at(t)).map(|(y, d)| y - d).collect();
            constant += log_det(&r, m) - 0.5 * quadratic(&r, &v, &v);
            for i in 0..d {
                let hi = column(h, i, d);
                linear[t * d + i] += quadratic(&r, &hi, &v);
                for j in 0..d {
                    diagonal[t * d * d + i * d + j] += quadratic(&r, &hi, &column(h, j, d));
                }
            }
        }
        let gaussian = BlockTridiagonal { dim: d, diagonal: &diagonal, lower: &lower, linear: &linear };
        let [mut means, mut covs, mut squares] =
            [vec![0.0; n * d], vec![0.0; n * d * d], vec![0.0; n * d * d]];
        let [mut cross, mut products] = [vec![0.0; (n - 1) * d * d], vec![0.0; (n - 1) * d * d]];
        let out = BlockTridiagonalMoments {
            means: Some(&mut means),
            covs: Some(&mut covs),
            cross_covs: Some(&mut cross),
            second_moments: Some(&mut squares),
            cross_moments: Some(&mut products),
        };
        let log_z = block_tridiagonal_expectations(&gaussian, &mut ws, out).unwrap();
        assert_eq!(log_z, block_tridiagonal_log_normalizer(&gaussian, &mut ws).unwrap());
        let want = joint_gaussian(&problem);
        // NUMERICS: quadratic forms that are not centred cancel two or three digits.
        assert_close(&problem.name, "evidence", &[log_z + constant], &[want.marginal_loglik], 1e-10);
        assert_close(&problem.name, "means", &means, &want.smoothed_means, 1e-10);
        assert_close(&problem.name, "covs", &covs, &want.smoothed_covs, 1e-10);
        let transposed: Vec<f64> = cross
            .chunks(d * d)
            .flat_map(|c| (0..d * d).map(|ij| c[ij % d * d + ij / d]).collect::<Vec<_>>())
            .collect();
        assert_close(&problem.name, "cross covs", &transposed, &want.lag_one_covs, 1e-10);
        for t in 0..n {
            for ij in 0..d * d {
                let (i, j) = (ij / d, ij % d);
                let want = covs[t * d * d + ij] + means[t * d + i] * means[t * d + j];
                assert_eq!(squares[t * d * d + ij], want);
                if t + 1 < n {
                    let want = cross[t * d * d + ij] + means[(t + 1) * d + i] * means[t * d + j];
                    assert_eq!(products[t * d * d + ij], want);
                }
            }
        }
        seen += 1;
    }
    assert!(seen > 40, "{seen} problems");
    let indefinite =
        BlockTridiagonal { dim: 1, diagonal: &[1.0, 1.0, 1.0], lower: &[0.5, 2.0], linear: &[0.0; 3] };
    let error = block_tridiagonal_log_normalizer(&indefinite, &mut ws).unwrap_err();
    assert!(matches!(error, GaussianError::Indefinite { argument: "diagonal", t: 2, .. }));
}

#[test]
fn a_second_call_allocates_nothing() {
    let shape = GaussianShape { missing: 0.3, offsets: true, ..Default::default() };
    for (d, m, per_step) in [(1, 1, false), (4, 2, false), (3, 4, true)] {
        let problem = random_gaussian_problem(d, m, 40, GaussianShape { per_step, ..shape }, 3);
        let precisions = Precisions::of(&problem).unwrap();
        let (system, series) = precisions.view(&problem);
        let moments = gaussian_common::system(&problem);
        let mut ws = InformationWorkspace::default();
        let mut roots = SquareRootWorkspace::default();
        let mut block = BlockTridiagonalWorkspace::default();
        let [mut etas, mut lambdas] = [vec![0.0; 40 * d], vec![0.0; 40 * d * d]];
        let [mut means, mut covs] = [vec![0.0; 40 * d], vec![0.0; 40 * d * d]];
        let lower = vec![0.0; 39 * d * d];
        let mut all = || {
            let smoothed = InformationEstimates {
                etas: Some(&mut etas),
                precisions: Some(&mut lambdas),
                ..Default::default()
            };
            let out = InformationSmoothed { smoothed, ..Default::default() };
            information_smoother(&system, &series, &mut ws, out).unwrap();
            information_filter(&system, &series, &mut ws, InformationEstimates::default()).unwrap();
            info_to_moment_form(&etas, &lambdas, d, &mut means, &mut covs).unwrap();
            let out = Estimates { means: Some(&mut means), covs: Some(&mut covs), ..Default::default() };
            two_filter_smoother(&moments, &series, &mut roots, out).unwrap();
            let gaussian = BlockTridiagonal { dim: d, diagonal: &lambdas, lower: &lower, linear: &etas };
            let out = BlockTridiagonalMoments { means: Some(&mut means), ..Default::default() };
            block_tridiagonal_expectations(&gaussian, &mut block, out).unwrap();
        };
        all();
        assert_eq!(allocations(all), 0, "D = {d}, M = {m}");
    }
}
