//! Standard errors against closed forms, differences of the dense evidence and simulation.

use statewise::data::Dataset;
use statewise::diagnose::{CovarianceMethod, Estimate, ScoreUnits, Uncertainty, uncertainty};
use statewise::learn::{Learner, QuasiNewton};
use statewise::params::{FreeSpace, Properties};
use statewise_kernels::random::Seed;
use statewise_testkit::{GaussianProblem, joint_gaussian};

use crate::local_level::LocalLevel;

const OBSERVED: CovarianceMethod = CovarianceMethod::ObservedInformation;
/// A level that does not move: y are independent with mean d and variance r.
const STILL: f64 = 1e-300;

fn independent() -> LocalLevel {
    LocalLevel::new(0.0, 0.0, 0.0)
}

/// A series, its mean and its variance (over n).
fn sample() -> (Vec<f64>, f64, f64) {
    let y: Vec<f64> = (0..40).map(|t| 3.0 + (1.3 * f64::from(t * t)).sin() + 0.02 * f64::from(t)).collect();
    let n = y.len() as f64;
    let mean = y.iter().sum::<f64>() / n;
    let variance = y.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    (y, mean, variance)
}

fn error_of(found: &Uncertainty, path: &str) -> f64 {
    estimate(found, path).standard_error.unwrap()
}

fn estimate(found: &Uncertainty, path: &str) -> Estimate {
    found.estimates().into_iter().find(|e| e.path == path).unwrap()
}

fn assert_near(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance * want.abs(), "{what}: {got} against {want}");
}

#[test]
fn errors_of_an_independent_gaussian_are_those_of_the_textbook() {
    let (y, mean, variance) = sample();
    let n = y.len() as f64;
    let model = independent();
    let params = LocalLevel::params([variance, STILL, 1.0, mean, 0.0]);
    let data = Dataset::single(&y[..], 1).unwrap();
    let found = uncertainty(&model, &params, &model.free(&[0, 3]), &data, OBSERVED, false).unwrap();
    assert_near("mean", error_of(&found, "offset"), (variance / n).sqrt(), 1e-8);
    assert_near("variance", error_of(&found, "observation_variance"), variance * (2.0 / n).sqrt(), 1e-8);
    assert!(found.warnings.is_empty(), "{:?}", found.warnings);
    for path in ["level_variance", "decay", "other_offset"] {
        assert_eq!(estimate(&found, path).standard_error, None, "{path} is fixed");
    }
    // The standard deviation √r has the error σ_r / (2 √r), and a constant none.
    let both = found.delta_method(&|p| Ok(vec![p.arrays()[0].values()[0].sqrt(), 1.0])).unwrap();
    assert_near("√r", both.standard_errors[0].unwrap(), (variance / (2.0 * n)).sqrt(), 1e-8);
    assert_eq!(both.standard_errors[1], None);
    assert_near("variance of √r", both.covariance[0], variance / (2.0 * n), 1e-8);
}

/// With e = y − d: scores e / r and (e² / r − 1) / (2 r); at the maximum I = n diag(1 / r, 1 / (2 r²)).
#[test]
fn outer_products_and_the_sandwich_are_those_of_the_closed_form_scores() {
    let (y, mean, r) = sample();
    let n = y.len() as f64;
    let mut b = [0.0; 3];
    for e in y.iter().map(|y| y - mean) {
        let (s, u) = (e / r, (e * e / r - 1.0) / (2.0 * r));
        (b[0], b[1], b[2]) = (b[0] + s * s, b[1] + s * u, b[2] + u * u);
    }
    let determinant = b[0] * b[2] - b[1] * b[1];
    let outer = [(b[2] / determinant).sqrt(), (b[0] / determinant).sqrt()];
    let sandwich = [b[0].sqrt() * r / n, b[2].sqrt() * 2.0 * r * r / n];
    let model = independent();
    let params = LocalLevel::params([r, STILL, 1.0, mean, 0.0]);
    let series = Dataset::single(&y[..], 1).unwrap();
    let apart = Dataset::batch(&y[..], y.len(), 1).unwrap();
    for (data, units) in [(&series, ScoreUnits::Observations), (&apart, ScoreUnits::Sequences)] {
        for (method, want) in
            [(CovarianceMethod::OuterProduct(units), outer), (CovarianceMethod::Sandwich(units), sandwich)]
        {
            let found = uncertainty(&model, &params, &model.free(&[0, 3]), data, method, false).unwrap();
            assert_near("mean", error_of(&found, "offset"), want[0], 1e-7);
            assert_near("variance", error_of(&found, "observation_variance"), want[1], 1e-7);
        }
    }
}

#[test]
fn the_information_is_the_curvature_of_the_dense_evidence() {
    let (y, _, _) = sample();
    let y: Vec<f64> = y[..14].iter().map(|x| x - 3.0).collect();
    let model = LocalLevel::new(0.2, 0.7, 0.0);
    let params = LocalLevel::params([0.4, 0.3, 0.8, 0.0, 0.0]);
    let properties = model.free(&[0, 1, 2]);
    let data = Dataset::single(&y[..], 1).unwrap();
    let found = uncertainty(&model, &params, &properties, &data, OBSERVED, false).unwrap();
    let space = FreeSpace::new(statewise::learn::Learnable::schema(&model), &properties, &params);
    let evidence = |x: &[f64]| {
        let lgssm = model.lower(&space.from_free(x));
        let one = |a: &statewise::params::Array| a.values().to_vec();
        let problem = GaussianProblem::fixed(
            "local level",
            (&one(&lgssm.initial_mean), &one(&lgssm.initial_cov)),
            (&one(&lgssm.dynamics_weights), &one(&lgssm.dynamics_cov)),
            (&one(&lgssm.emissions_weights), &one(&lgssm.emissions_cov)),
            &y,
        );
        joint_gaussian(&problem).marginal_loglik
    };
    // Mixed differences of fourth order: errors of order h⁴ and ε / h².
    let h = 5e-3;
    let weights = [(-2.0, 1.0), (-1.0, -8.0), (1.0, 8.0), (2.0, -1.0)];
    for i in 0..3 {
        for j in 0..3 {
            let mut sum = 0.0;
            for (a, wa) in weights {
                for (b, wb) in weights {
                    let mut x = found.coordinates.clone();
                    x[i] += a * h;
                    x[j] += b * h;
                    sum += wa * wb * evidence(&x);
                }
            }
            let want = -sum / (144.0 * h * h);
            let got = found.information[i * 3 + j];
            assert!((got - want).abs() < 1e-6 * (1.0 + want.abs()), "({i}, {j}): {got} against {want}");
        }
    }
    assert!(found.warnings.iter().any(|w| w.contains("from a maximum")), "{:?}", found.warnings);
}

#[test]
fn directions_that_the_data_do_not_identify_are_named_and_have_no_error() {
    let (y, mean, r) = sample();
    let model = independent();
    let params = LocalLevel::params([r, STILL, 1.0, mean - 1.0, 1.0]);
    let data = Dataset::single(&y[..], 1).unwrap();
    let found = uncertainty(&model, &params, &model.free(&[0, 3, 4]), &data, OBSERVED, false).unwrap();
    assert_eq!(found.flat_directions.len(), 1);
    let names: Vec<&str> = found.flat_directions[0].entries.iter().map(|(n, _)| n.as_str()).collect();
    assert!(names.contains(&"offset[0]") && names.contains(&"other_offset[0]"), "{names:?}");
    assert!(found.warnings[0].contains("do not identify"), "{:?}", found.warnings);
    assert_eq!(estimate(&found, "offset").standard_error, None);
    assert_eq!(estimate(&found, "other_offset").standard_error, None);
    let n = y.len() as f64;
    assert_near("variance", error_of(&found, "observation_variance"), r * (2.0 / n).sqrt(), 1e-7);
    // Their sum is identified.
    let sum = found.delta_method(&|p| Ok(vec![p.arrays()[3].values()[0] + p.arrays()[4].values()[0]]));
    assert_near("sum", sum.unwrap().standard_errors[0].unwrap(), (r / n).sqrt(), 1e-7);
    assert!(found.covariance.iter().all(|x| x.is_finite()));
}

#[test]
fn a_variance_at_zero_has_no_error_and_says_so() {
    let (y, mean, r) = sample();
    let model = LocalLevel::new(mean, 0.0, 0.0);
    let params = LocalLevel::params([r, 1e-14, 1.0, 0.0, 0.0]);
    let data = Dataset::single(&y[..], 1).unwrap();
    let found = uncertainty(&model, &params, &model.free(&[0, 1]), &data, OBSERVED, false).unwrap();
    assert_eq!(estimate(&found, "level_variance").standard_error, None);
    assert!(error_of(&found, "observation_variance").is_finite());
    assert!(found.warnings.iter().any(|w| w.contains("level_variance[0]")), "{:?}", found.warnings);
}

#[test]
fn intervals_of_variances_stay_positive_and_have_the_width_of_their_level() {
    let (y, mean, r) = sample();
    let model = independent();
    let params = LocalLevel::params([r, STILL, 1.0, mean, 0.0]);
    let data = Dataset::single(&y[..3], 1).unwrap();
    let found = uncertainty(&model, &params, &model.free(&[0]), &data, OBSERVED, false).unwrap();
    let estimate = estimate(&found, "observation_variance");
    let sigma = estimate.standard_error.unwrap();
    let (low, high) = estimate.interval(0.95).unwrap().unwrap();
    assert_near("width", high - low, 2.0 * 1.959_963_984_540_054 * sigma, 1e-12);
    let (low, high) = estimate.bounded_interval(0.999).unwrap().unwrap();
    assert!(low > 0.0 && low < estimate.value && estimate.value < high);
    assert_near("geometric mean", (low * high).sqrt(), estimate.value, 1e-12);
    assert!(estimate.p_value(estimate.value).unwrap() == 1.0);
    assert!(estimate.interval(1.2).is_err());
}

#[test]
fn a_prior_goes_with_the_observed_information_only() {
    let (y, mean, r) = sample();
    let model = independent();
    let params = LocalLevel::params([r, STILL, 1.0, mean, 0.0]);
    let data = Dataset::single(&y[..], 1).unwrap();
    let method = CovarianceMethod::Sandwich(ScoreUnits::Observations);
    assert!(uncertainty(&model, &params, &model.free(&[0]), &data, method, true).is_err());
    let none = Properties(model.free(&[]).0);
    let found = uncertainty(&model, &params, &none, &data, OBSERVED, false).unwrap();
    assert!(found.estimates().iter().all(|e| e.standard_error.is_none()));
}

/// 300 fits of φ: the 90% interval misses the truth in 10% of them, give or take 1.7% (one standard deviation).
#[test]
fn intervals_cover_the_truth_as_often_as_they_say() {
    let model = LocalLevel::new(0.0, 1.0, 0.0);
    let truth = LocalLevel::params([0.5, 1.0, 0.6, 0.0, 0.0]);
    let properties = model.free(&[2]);
    let mut covered = 0;
    for run in 0..300 {
        let (_, y) = model.lower(&truth).sample(Seed(7), run, 150, &[]).unwrap();
        let data = Dataset::single(y, 1).unwrap();
        let learner = QuasiNewton { prior: false, ..QuasiNewton::default() };
        let fit = learner.fit(&model, &truth, &properties, &data, &mut |_| true).unwrap();
        let found = uncertainty(&model, &fit.params, &properties, &data, OBSERVED, false).unwrap();
        let (low, high) = estimate(&found, "decay").interval(0.9).unwrap().unwrap();
        covered += usize::from(low <= 0.6 && 0.6 <= high);
    }
    assert!((254..=286).contains(&covered), "{covered} of 300");
}
