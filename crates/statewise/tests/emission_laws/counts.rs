//! The families of counts, labels, waiting times and angles.

use serde_json::json;
use statewise::params::Array;

use crate::case::{Case, entrywise, whole};

fn cases() -> Vec<Case> {
    vec![poisson()]
}

laws!(cases);

fn poisson() -> Case {
    let rates = Array::new(&[3, 2], vec![0.5, 2.0, 3.0, 7.0, 12.0, 1.0]);
    Case {
        bad_rows: vec![vec![1.5, 0.0], vec![0.0, -1.0]],
        bad_fields: vec![
            ("num_states", 0.into()),
            ("emission_dim", 0.into()),
            ("emission_prior_concentration", 0.0.into()),
            ("emission_prior_rate", (-1.0).into()),
        ],
        ..Case::new(
            json!({"family": "poisson", "num_states": 3, "emission_dim": 2}),
            vec![rates],
            entrywise(2, whole(80)),
        )
    }
}
