//! The families of counts, labels, waiting times and angles.

use serde_json::json;
use statewise::params::Array;

use crate::case::{Case, Group, angles, entrywise, positives, whole};

fn cases() -> Vec<Case> {
    vec![
        bernoulli(),
        categorical(),
        labels(),
        exponential(),
        gamma(),
        gamma_vectors(),
        log_normal(),
        multinomial(),
        negative_binomial(),
        negative_binomial_with_prior(),
        poisson(),
        poisson_beyond_the_table(),
        von_mises(),
        zero_inflated_poisson(),
    ]
}

laws!(cases);

pub(crate) fn poisson() -> Case {
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

/// One count a step, on both sides of the largest tabulated count.
fn poisson_beyond_the_table() -> Case {
    Case::new(
        json!({"family": "poisson", "num_states": 2, "emission_dim": 1}),
        vec![Array::new(&[2, 1], vec![3.0, 64.0])],
        entrywise(1, whole(200)),
    )
}

fn bernoulli() -> Case {
    let probs = Array::new(&[3, 2], vec![0.3, 0.9, 0.55, 0.2, 0.8, 0.5]);
    Case {
        bad_rows: vec![vec![0.5, 0.0], vec![0.0, 2.0], vec![f64::NAN, -1.0]],
        bad_fields: vec![
            ("num_states", 0.into()),
            ("emission_dim", 0.into()),
            ("emission_prior_concentration0", 0.0.into()),
            ("emission_prior_concentration1", (-2.0).into()),
        ],
        ..Case::new(
            json!({"family": "bernoulli", "num_states": 3, "emission_dim": 2}),
            vec![probs],
            entrywise(2, whole(2)),
        )
    }
}

fn categorical() -> Case {
    let probs = vec![
        0.2, 0.3, 0.1, 0.4, 0.7, 0.1, 0.1, 0.1, // state 0
        0.1, 0.2, 0.3, 0.4, 0.25, 0.25, 0.25, 0.25, // state 1
        0.5, 0.3, 0.1, 0.1, 0.05, 0.05, 0.8, 0.1, // state 2
    ];
    Case {
        bad_rows: vec![vec![4.0, 0.0], vec![0.0, -1.0], vec![0.5, 0.0]],
        bad_fields: vec![
            ("num_states", 0.into()),
            ("emission_dim", 0.into()),
            ("num_classes", 0.into()),
            ("emission_prior_concentration", 0.0.into()),
        ],
        ..Case::new(
            json!({"family": "categorical", "num_states": 3, "emission_dim": 2, "num_classes": 4}),
            vec![Array::new(&[3, 2, 4], probs)],
            entrywise(2, whole(4)),
        )
    }
}

/// One label a step, the case with its own fast path.
fn labels() -> Case {
    let probs = Array::new(&[2, 1, 3], vec![0.2, 0.3, 0.5, 0.6, 0.3, 0.1]);
    Case::new(
        json!({"family": "categorical", "num_states": 2, "emission_dim": 1, "num_classes": 3}),
        vec![probs],
        entrywise(1, whole(3)),
    )
}

fn multinomial() -> Case {
    let probs = vec![0.2, 0.3, 0.5, 0.6, 0.3, 0.1, 0.1, 0.8, 0.1, 0.3, 0.3, 0.4];
    let compositions = || (0..=5).flat_map(|a| (0..=5 - a).map(move |b| (a, b)));
    let nodes: Vec<_> = compositions()
        .map(|(a, b)| (vec![f64::from(a), f64::from(b), f64::from(5 - a - b)], 1.0))
        .collect();
    let group = |d: usize| Group { columns: 3 * d..3 * d + 3, nodes: nodes.clone() };
    Case {
        bad_rows: vec![vec![1.0, 1.0, 3.0, 1.0, 1.0, 1.0], vec![1.5, 1.5, 2.0, 5.0, 0.0, 0.0]],
        bad_fields: vec![("num_trials", 0.into()), ("num_classes", 0.into())],
        ..Case::new(
            json!({
                "family": "multinomial", "num_states": 2, "emission_dim": 2, "num_classes": 3,
                "num_trials": 5, "emission_prior_concentration": 1.5
            }),
            vec![Array::new(&[2, 2, 3], probs)],
            vec![group(0), group(1)],
        )
    }
}

fn exponential() -> Case {
    let rates = Array::new(&[3, 2], vec![0.5, 2.0, 3.0, 1.0, 1.2, 0.3]);
    Case {
        bad_rows: vec![vec![-0.5, 0.0]],
        bad_fields: vec![
            ("num_states", 0.into()),
            ("emission_prior_concentration", 0.0.into()),
            ("emission_prior_rate", (-1.0).into()),
        ],
        ..Case::new(
            json!({"family": "exponential", "num_states": 3, "emission_dim": 2}),
            vec![rates],
            entrywise(2, positives(1e-12, 200.0, 2000)),
        )
    }
}

fn gamma() -> Case {
    let shapes = Array::new(&[3], vec![0.8, 4.0, 30.0]);
    let rates = Array::new(&[3], vec![0.5, 1.0, 3.0]);
    Case {
        bad_rows: vec![vec![0.0], vec![-1.0]],
        bad_fields: vec![("num_states", 0.into()), ("emission_dim", 0.into())],
        ..Case::new(
            json!({"family": "gamma", "num_states": 3}),
            vec![shapes, rates],
            entrywise(1, positives(1e-16, 200.0, 2000)),
        )
    }
}

fn gamma_vectors() -> Case {
    let shapes = Array::new(&[2, 3], vec![0.8, 4.0, 30.0, 1.5, 2.5, 3.5]);
    let rates = Array::new(&[2, 3], vec![0.5, 1.0, 3.0, 1.0, 2.0, 4.0]);
    Case::new(
        json!({"family": "gamma", "num_states": 2, "emission_dim": 3}),
        vec![shapes, rates],
        entrywise(3, positives(1e-16, 200.0, 2000)),
    )
}

fn log_normal() -> Case {
    let means = Array::new(&[3, 2], vec![0.5, -1.0, 2.0, 0.0, -0.3, 1.0]);
    let scales = Array::new(&[3, 2], vec![0.3, 0.5, 0.2, 0.4, 0.6, 0.1]);
    Case {
        bad_rows: vec![vec![0.0, 1.0], vec![1.0, -1.0]],
        bad_fields: vec![
            ("num_states", 0.into()),
            ("emission_dim", 0.into()),
            ("emission_prior_mean_concentration", 0.0.into()),
            ("emission_prior_concentration", 0.0.into()),
            ("emission_prior_scale", (-1.0).into()),
        ],
        ..Case::new(
            json!({"family": "log_normal", "num_states": 3, "emission_dim": 2, "emission_prior_mean": 0.5}),
            vec![means, scales],
            entrywise(2, positives(1e-3, 300.0, 600)),
        )
    }
}

fn negative_binomial() -> Case {
    let means = Array::new(&[3, 2], vec![0.5, 4.0, 3.0, 7.0, 12.0, 1.0]);
    let dispersions = Array::new(&[3, 2], vec![0.7, 2.0, 40.0, 3.0, 5.0, 1.0]);
    Case {
        augmented: true,
        bad_rows: vec![vec![1.5, 0.0], vec![0.0, -1.0]],
        bad_fields: vec![
            ("num_states", 0.into()),
            ("emission_dim", 0.into()),
            ("emission_prior_concentration", 0.0.into()),
            ("emission_prior_rate", (-1.0).into()),
        ],
        ..Case::new(
            json!({"family": "negative_binomial", "num_states": 3, "emission_dim": 2}),
            vec![means, dispersions],
            entrywise(2, whole(400)),
        )
    }
}

fn negative_binomial_with_prior() -> Case {
    let prior = json!({
        "family": "negative_binomial", "num_states": 3, "emission_dim": 2,
        "emission_prior_concentration": 1.5, "emission_prior_rate": 0.2
    });
    Case { json: prior, ..negative_binomial() }
}

fn von_mises() -> Case {
    // Locations on nodes of an odd rule, so that the cut at π from them falls between two nodes.
    let circle = angles(20_001);
    let locations = [11_600, 6_800, 19_500, 10_000, 130, 13_200].map(|i: usize| circle[i].0[0]);
    let locations = Array::new(&[3, 2], locations.to_vec());
    let concentrations = Array::new(&[3, 2], vec![0.8, 2.0, 5.0, 30.0, 1.0, 60.0]);
    Case {
        circular: vec![0, 1],
        bad_fields: vec![("num_states", 0.into()), ("emission_dim", 0.into())],
        ..Case::new(
            json!({"family": "von_mises", "num_states": 3, "emission_dim": 2}),
            vec![locations, concentrations],
            entrywise(2, circle),
        )
    }
}

fn zero_inflated_poisson() -> Case {
    let zero_probs = Array::new(&[3, 2], vec![0.3, 0.1, 0.5, 0.2, 0.05, 0.7]);
    let rates = Array::new(&[3, 2], vec![0.5, 2.0, 3.0, 7.0, 12.0, 1.0]);
    Case {
        augmented: true,
        bad_rows: vec![vec![1.5, 0.0], vec![0.0, -1.0]],
        bad_fields: vec![
            ("num_states", 0.into()),
            ("emission_dim", 0.into()),
            ("emission_prior_concentration", 0.0.into()),
            ("emission_prior_concentration0", 0.0.into()),
            ("emission_prior_concentration1", 0.0.into()),
            ("emission_prior_rate", (-1.0).into()),
        ],
        ..Case::new(
            json!({"family": "zero_inflated_poisson", "num_states": 3, "emission_dim": 2}),
            vec![zero_probs, rates],
            entrywise(2, whole(80)),
        )
    }
}
