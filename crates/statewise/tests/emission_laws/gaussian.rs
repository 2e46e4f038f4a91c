//! The Gaussian families: one component, mixtures, heavy tails, regressions.

use serde_json::{Value, json};
use statewise::params::Array;

use crate::case::{Case, entrywise, reals};

fn cases() -> Vec<Case> {
    vec![gaussian(), diagonal_gaussian()]
}

laws!(cases);

fn means() -> Array {
    Array::new(&[3, 2], vec![1.0, 1.2, -1.0, 0.3, 0.2, -1.5])
}

fn covs() -> Array {
    Array::new(&[3, 2, 2], vec![0.8, 0.3, 0.3, 0.5, 0.4, -0.2, -0.2, 0.9, 1.2, 0.1, 0.1, 0.3])
}

/// Fields that all families refuse.
fn bad_sizes() -> Vec<(&'static str, Value)> {
    vec![("num_states", 0.into()), ("emission_dim", 0.into())]
}

fn with_bad(mut fields: Vec<(&'static str, Value)>) -> Vec<(&'static str, Value)> {
    fields.extend(bad_sizes());
    fields
}

fn gaussian() -> Case {
    Case {
        // Gaps in single columns make the statistics those of an augmented model.
        augmented: true,
        bad_fields: with_bad(vec![
            ("emission_prior_concentration", 0.0.into()),
            ("emission_prior_extra_df", (-1.0).into()),
            ("emission_prior_mean", json!([0.0])),
            ("emission_prior_scale", json!([[1.0, 2.0], [2.0, 1.0]])),
        ]),
        ..Case::new(
            json!({
                "family": "gaussian", "num_states": 3, "emission_dim": 2,
                "emission_prior_mean": [0.3, -0.2], "emission_prior_concentration": 0.7,
                "emission_prior_scale": [[0.5, 0.1], [0.1, 0.4]],
            }),
            vec![means(), covs()],
            entrywise(2, reals(-20.0, 20.0, 400)),
        )
    }
}

fn diagonal_gaussian() -> Case {
    let scales = Array::new(&[3, 2], vec![0.5, 1.0, 0.7, 0.6, 1.1, 0.4]);
    Case {
        bad_fields: with_bad(vec![
            ("emission_prior_mean_concentration", 0.0.into()),
            ("emission_prior_concentration", (-1.0).into()),
            ("emission_prior_scale", json!([1.0, -1.0])),
        ]),
        ..Case::new(
            json!({
                "family": "diagonal_gaussian", "num_states": 3, "emission_dim": 2,
                "emission_prior_mean": [0.3, -0.2], "emission_prior_mean_concentration": 0.7,
            }),
            vec![means(), scales],
            entrywise(2, reals(-20.0, 20.0, 400)),
        )
    }
}
