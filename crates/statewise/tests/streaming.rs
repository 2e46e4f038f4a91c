//! Filtering one observation at a time.

use serde_json::{Value, json};
use statewise::Seed;
use statewise::data::Dataset;
use statewise::model::hmm::{Hmm, HmmSpec, Start};
use statewise::params::Params;

fn model(emission: Value) -> (Hmm, Params) {
    let hmm = Hmm::new(HmmSpec::new(
        serde_json::from_value::<statewise::model::hmm::emission::EmissionSpec>(emission).unwrap(),
    ))
    .unwrap();
    let (params, _) = hmm.initialize(Start::Prior, Seed(4), &[]).unwrap();
    (hmm, params)
}

fn families() -> Vec<Value> {
    vec![
        json!({"family": "poisson", "num_states": 3, "emission_dim": 2}),
        json!({"family": "categorical", "num_states": 4, "emission_dim": 1, "num_classes": 5}),
        json!({"family": "gaussian", "num_states": 3, "emission_dim": 2}),
        json!({"family": "gaussian", "num_states": 16, "emission_dim": 8}),
        json!({"family": "diagonal_gaussian", "num_states": 9, "emission_dim": 3}),
        json!({"family": "linear_autoregressive", "num_states": 2, "emission_dim": 2, "num_lags": 3}),
    ]
}

#[test]
fn online_filter_equals_the_batch_filter_bit_for_bit() {
    for family in families() {
        let (hmm, params) = model(family.clone());
        let (_, mut rows) = hmm.sample(&params, Seed(7), 0, 300, &[]).unwrap();
        let width = hmm.emission_width();
        rows[17 * width] = f64::NAN;
        let batch = hmm.filter(&params, &Dataset::single(&rows[..], width).unwrap()).unwrap();
        let mut online = hmm.online_filter(&params).unwrap();
        for (t, row) in rows.chunks_exact(width).enumerate() {
            online.update(row, &[]).unwrap();
            let want = &batch.filtered_probs[t * hmm.num_states()..(t + 1) * hmm.num_states()];
            assert_eq!(online.filtered_probs(), want, "{family} at {t}");
        }
        assert_eq!(online.marginal_loglik(), batch.marginal_loglik[0], "{family}");
    }
}

#[test]
fn a_restored_filter_goes_on_as_if_nothing_had_happened() {
    for family in families() {
        let (hmm, params) = model(family.clone());
        let (_, rows) = hmm.sample(&params, Seed(8), 0, 60, &[]).unwrap();
        let width = hmm.emission_width();
        let mut whole = hmm.online_filter(&params).unwrap();
        let mut second = hmm.online_filter(&params).unwrap();
        for (t, row) in rows.chunks_exact(width).enumerate() {
            if t == 30 {
                second.restore(&whole.state()).unwrap();
            }
            let want = whole.update(row, &[]).unwrap();
            if t >= 30 {
                assert_eq!(second.update(row, &[]).unwrap(), want, "{family} at {t}");
            }
        }
        assert_eq!(whole.state(), second.state(), "{family}");
    }
}

#[test]
fn a_refused_observation_leaves_the_filter_as_it_was() {
    let (hmm, params) = model(json!({"family": "poisson", "num_states": 2, "emission_dim": 1}));
    let mut filter = hmm.online_filter(&params).unwrap();
    filter.update(&[3.0], &[]).unwrap();
    let before = filter.state();
    for bad in [&[1.5][..], &[-1.0], &[f64::INFINITY], &[1.0, 2.0]] {
        let error = filter.update(bad, &[]).unwrap_err().to_string();
        assert!(error.contains("emission"), "{error}");
    }
    assert_eq!(filter.state(), before);
}
