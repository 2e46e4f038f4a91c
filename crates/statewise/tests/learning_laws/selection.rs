//! Criteria and cross-validation.

use serde_json::json;
use statewise::data::Dataset;
use statewise::learn::{Candidate, Em, Folds, cross_validate, information_criteria};
use statewise::model::hmm::emission::EmissionSpec;
use statewise::model::hmm::{Hmm, HmmSpec, Start};
use statewise::params::Params;
use statewise_kernels::random::Seed;

use crate::scene::{Scene, scene_of, scenes};

#[test]
fn fixed_parameters_do_not_count_and_tied_ones_count_once() {
    for scene in scenes() {
        let count = |properties| {
            information_criteria(&scene.hmm, &scene.truth, &properties, &scene.data())
                .unwrap()
                .num_parameters
        };
        let all = count(scene.trainable());
        assert!(count(scene.first_emission_fixed()) < all, "{}", scene.name);
        assert!(count(scene.tied()) < all, "{}", scene.name);
        assert!(count(scene.masked()) < all, "{}", scene.name);
    }
}

#[test]
fn criteria_follow_their_definitions() {
    let scene = scene_of("poisson");
    let data = scene.data();
    let got = information_criteria(&scene.hmm, &scene.truth, &scene.trainable(), &data).unwrap();
    let k = scene.hmm.num_states();
    assert_eq!(got.num_parameters, k - 1 + k * (k - 1) + k * scene.hmm.emission_width());
    let loglik = scene.loglik(&scene.truth, &data);
    // Steps without any observation do not count; with one column that is every gap.
    let seen = data.rows().chunks_exact(data.width()).filter(|row| row.iter().any(|y| !y.is_nan())).count();
    let penalty = got.num_parameters as f64 * (seen as f64).ln();
    assert!((got.aic - (2.0 * got.num_parameters as f64 - 2.0 * loglik)).abs() < 1e-9);
    assert!((got.bic - (penalty - 2.0 * loglik)).abs() < 1e-9);
    let (p, n) = (got.num_parameters as f64, seen as f64);
    assert!((got.aicc - (2.0 * p * n / (n - p - 1.0) - 2.0 * loglik)).abs() < 1e-9);
    assert!((got.hqic - (2.0 * p * n.ln().ln() - 2.0 * loglik)).abs() < 1e-9);
    let (_, joint) = scene.hmm.most_likely_states(&scene.truth, &data).unwrap();
    let want = penalty - 2.0 * joint.iter().sum::<f64>();
    assert!((got.icl.unwrap() - want).abs() < 1e-9 && got.icl.unwrap() >= got.bic);
}

fn candidate(num_states: usize, training: &Dataset<'_>) -> statewise::Result<Candidate> {
    let spec = json!({"family": "poisson", "num_states": num_states, "emission_dim": 1});
    let model = Hmm::new(HmmSpec::new(serde_json::from_value::<EmissionSpec>(spec).unwrap()))?;
    let (start, properties) = model.initialize(Start::KMeans(training), Seed(1), &[])?;
    Ok(Candidate { model: Box::new(model), start, properties })
}

/// A two-state series with rates 2 and 12.
fn two_states(num_steps: usize, index: u64) -> Vec<f64> {
    let data = Dataset::single(vec![2.0, 12.0, 2.0, 12.0], 1).unwrap();
    let Candidate { properties: _, model: _, start } = candidate(2, &data).unwrap();
    let hmm = hmm(2);
    let mut params: Params = start;
    params.arrays_mut()[1].values_mut().copy_from_slice(&[0.9, 0.1, 0.1, 0.9]);
    params.arrays_mut()[2].values_mut().copy_from_slice(&[2.0, 12.0]);
    hmm.sample(&params, Seed(21), index, num_steps, &[]).unwrap().1
}

fn hmm(num_states: usize) -> Hmm {
    let spec = json!({"family": "poisson", "num_states": num_states, "emission_dim": 1});
    Hmm::new(HmmSpec::new(serde_json::from_value::<EmissionSpec>(spec).unwrap())).unwrap()
}

#[test]
fn cross_validation_prefers_the_true_number_of_states() {
    let rows: Vec<f64> = (0..8).flat_map(|n| two_states(40, n)).collect();
    let data = Dataset::batch(&rows[..], 8, 1).unwrap();
    let em = Em { num_iters: 40, ..Default::default() };
    for folds in [Folds::Sequences { count: 4, seed: Seed(2) }, Folds::Blocks { count: 4 }] {
        let scores = cross_validate(&em, &[1, 2], &data, folds, &candidate).unwrap();
        assert!(scores[1].log_prob > scores[0].log_prob + 50.0, "{scores:?}");
        assert_eq!(scores[0].fold_log_probs.len(), 4);
        assert_eq!(cross_validate(&em, &[1, 2], &data, folds, &candidate).unwrap(), scores);
    }
}

#[test]
fn held_out_blocks_are_scored_given_the_rest() {
    let rows = two_states(30, 0);
    let data = Dataset::single(&rows[..], 1).unwrap();
    let em = Em { num_iters: 5, ..Default::default() };
    let got = cross_validate(&em, &[2], &data, Folds::Blocks { count: 3 }, &candidate).unwrap();
    let gap = data.with_missing(|_, t| (10..20).contains(&t));
    let Candidate { model, start, properties } = candidate(2, &gap).unwrap();
    let fitted = em.fit(&*model, &start, &properties, &gap, &mut |_| true).unwrap().params;
    let hmm = hmm(2);
    let loglik = |data: &Dataset<'_>| hmm.marginal_log_prob(&fitted, data).unwrap()[0];
    let want = loglik(&data) - loglik(&gap);
    assert!((got[0].fold_log_probs[1] - want).abs() < 1e-10, "{got:?} for {want}");
}

#[test]
fn one_sequence_cannot_be_dealt_into_folds_and_the_error_says_what_to_do() {
    let data = Dataset::single(vec![1.0, 5.0, 2.0], 1).unwrap();
    let folds = Folds::Sequences { count: 2, seed: Seed(0) };
    let error = cross_validate(&Em::default(), &[1], &data, folds, &candidate).unwrap_err().to_string();
    assert!(error.contains("Folds::Blocks"), "{error}");
    let too_many = cross_validate(&Em::default(), &[1], &data, Folds::Blocks { count: 4 }, &candidate);
    assert!(too_many.unwrap_err().to_string().contains("folds"));
}

#[test]
fn gaps_put_into_a_dataset_leave_the_rest() {
    let scene: Scene = scene_of("softmax_transitions");
    let data = scene.data();
    let gaps = data.with_missing(|n, t| n == 2 && t == 3);
    for n in 0..data.num_sequences() {
        assert_eq!(data.sequence(n).inputs, gaps.sequence(n).inputs);
        for t in 0..data.sequence(n).num_steps() {
            let (was, is) = (data.sequence(n).emission(t), gaps.sequence(n).emission(t));
            let missing = is.iter().all(|y| y.is_nan());
            assert!(if (n, t) == (2, 3) { missing } else { missing || was == is }, "{n} {t}");
        }
    }
}
