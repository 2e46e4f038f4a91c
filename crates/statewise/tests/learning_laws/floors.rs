//! EM where variances collapse: floors hold, and the objective does not go down.

use serde_json::json;
use statewise::data::Dataset;
use statewise::learn::Em;
use statewise::model::hmm::emission::EmissionSpec;
use statewise::model::hmm::{Hmm, HmmSpec, Start};
use statewise::params::{Array, Properties};
use statewise_kernels::random::Seed;

fn quakes() -> Vec<f64> {
    let text = include_str!("../../../../testdata/series/earthquakes_major_yearly.csv");
    text.lines().filter_map(|line| line.split(',').nth(1)?.parse().ok()).collect()
}

#[test]
fn maximum_likelihood_never_goes_down_on_the_earthquake_counts() {
    let counts = quakes();
    assert_eq!(counts.len(), 107);
    let data = Dataset::single(&counts[..], 1).unwrap();
    for family in ["student_t", "gaussian", "diagonal_gaussian", "gaussian_mixture", "log_normal", "gamma"]
    {
        for k in [2, 3] {
            let spec = match family {
                "gamma" => json!({"family": family, "num_states": k}),
                "gaussian_mixture" => {
                    json!({"family": family, "num_states": k, "num_components": 2, "emission_dim": 1})
                }
                _ => json!({"family": family, "num_states": k, "emission_dim": 1}),
            };
            let spec: EmissionSpec = serde_json::from_value(spec).unwrap();
            let hmm = Hmm::new(HmmSpec::new(spec)).unwrap();
            for seed in 0..if family == "student_t" { 80 } else { 12 } {
                let from = if seed % 2 == 0 { Start::KMeans(&data) } else { Start::Prior };
                let (start, properties) = hmm.initialize(from, Seed(seed), &[]).unwrap();
                let em = Em { num_iters: 200, tolerance: None, prior: false };
                let report = em.fit(&hmm, &start, &properties, &data, &mut |_| true).unwrap();
                let name = format!("{family}, {k} states, seed {seed}");
                assert!(report.log_probs.iter().all(|x| x.is_finite()), "{name}: {:?}", report.log_probs);
                for (i, pair) in report.log_probs.windows(2).enumerate() {
                    let fall = pair[0] - pair[1];
                    assert!(fall <= 1e-9 * (1.0 + pair[0].abs()), "{name}: {fall:e} down in {i}");
                }
            }
        }
    }
}

/// A start below the floor is the user's; an update that floors it would lower the likelihood.
#[test]
fn a_start_below_the_floor_is_kept_until_something_is_better() {
    let rows = [1.0, 1.0, 1.0, 1.0, 5.0, 6.0, 7.0, 5.5, 1.0, 1.0, 1.0, 6.5];
    let data = Dataset::single(&rows[..], 1).unwrap();
    let spec: EmissionSpec =
        serde_json::from_value(json!({"family": "gaussian", "num_states": 2, "emission_dim": 1})).unwrap();
    let hmm = Hmm::new(HmmSpec::new(spec)).unwrap();
    let given = [
        ("emission_means".into(), Array::new(&[2, 1], vec![1.0, 5.0])),
        ("emission_covariances".into(), Array::new(&[2, 1, 1], vec![1e-14, 4.0])),
    ];
    let (start, _) = hmm.initialize(Start::Prior, Seed(1), &given).unwrap();
    let em = Em { num_iters: 20, tolerance: None, prior: false };
    let properties = Properties::trainable(hmm.schema());
    let report = em.fit(&hmm, &start, &properties, &data, &mut |_| true).unwrap();
    assert!(report.log_probs.windows(2).all(|p| p[1] >= p[0] - 1e-9), "{:?}", report.log_probs);
    let covs = report.params.get(hmm.schema(), "emissions.covs").unwrap();
    assert_eq!(covs.values()[0], 1e-14);
    assert!((covs.values()[1] - 0.5).abs() < 0.1, "{covs:?}");
}

/// Without a prior, a state of one count has likelihood without bound. The floors of Student t once
/// followed its latent weights and rose between iterations, by which EM fell.
#[test]
fn a_state_that_shrinks_to_one_count_stays_at_its_floor() {
    let counts = quakes();
    let data = Dataset::single(&counts[..], 1).unwrap();
    for (family, covs) in
        [("student_t", "emission_scales"), ("gaussian", "emission_covariances"), ("log_normal", "")]
    {
        let spec = json!({"family": family, "num_states": 2, "emission_dim": 1});
        let hmm = Hmm::new(HmmSpec::new(serde_json::from_value::<EmissionSpec>(spec).unwrap())).unwrap();
        let mut repairs = 0;
        for count in 8..30 {
            let at = f64::from(count);
            let mut given = vec![("initial_probs".to_owned(), Array::new(&[2], vec![0.5, 0.5]))];
            given.push(("transition_matrix".into(), Array::new(&[2, 2], vec![0.2, 0.8, 0.2, 0.8])));
            if covs.is_empty() {
                given.push(("emission_means".into(), Array::new(&[2, 1], vec![at.ln(), 19f64.ln()])));
                given.push(("emission_scales".into(), Array::new(&[2, 1], vec![0.01, 0.4])));
            } else {
                given.push(("emission_means".into(), Array::new(&[2, 1], vec![at, 19.0])));
                given.push((covs.into(), Array::new(&[2, 1, 1], vec![0.04, 50.0])));
            }
            if family == "student_t" {
                given.push(("emission_dofs".into(), Array::new(&[2], vec![10.0, 10.0])));
            }
            let (start, properties) = hmm.initialize(Start::Prior, Seed(0), &given).unwrap();
            let em = Em { num_iters: 80, tolerance: None, prior: false };
            let report = em.fit(&hmm, &start, &properties, &data, &mut |_| true).unwrap();
            for (i, pair) in report.log_probs.windows(2).enumerate() {
                let fall = pair[0] - pair[1];
                let name = format!("{family} from {count}");
                assert!(fall <= 1e-9 * (1.0 + pair[0].abs()), "{name}: {fall:e} down in {i}");
            }
            repairs += report.repairs;
        }
        assert!(repairs > 0, "{family}: no variance was floored");
    }
}
