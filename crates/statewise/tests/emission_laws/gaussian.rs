//! The Gaussian families: one component, mixtures, heavy tails, regressions.

use serde_json::{Value, json};
use statewise::params::Array;

use crate::case::{Case, entrywise, reals, whole};

fn cases() -> Vec<Case> {
    vec![
        gaussian(),
        diagonal_gaussian(),
        spherical_gaussian(),
        shared_covariance_gaussian(),
        low_rank_gaussian(),
        student_t(),
        gaussian_mixture(),
        diagonal_gaussian_mixture(),
        linear_regression(),
        linear_autoregressive(),
        logistic_regression(),
        categorical_regression(),
    ]
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

fn spherical_gaussian() -> Case {
    Case {
        bad_fields: with_bad(vec![
            ("emission_prior_mean_covariance", json!([[1.0, 2.0], [2.0, 1.0]])),
            ("emission_var_concentration", 0.0.into()),
            ("emission_var_rate", (-1.0).into()),
        ]),
        ..Case::new(
            json!({
                "family": "spherical_gaussian", "num_states": 3, "emission_dim": 2,
                "emission_prior_mean": [0.3, -0.2],
                "emission_prior_mean_covariance": [[1.0, 0.4], [0.4, 2.0]],
            }),
            vec![means(), Array::new(&[3], vec![0.5, 1.0, 0.7])],
            entrywise(2, reals(-20.0, 20.0, 400)),
        )
    }
}

fn shared_covariance_gaussian() -> Case {
    Case {
        augmented: true,
        bad_fields: with_bad(vec![
            ("emission_prior_concentration", 0.0.into()),
            ("emission_prior_extra_df", (-1.0).into()),
        ]),
        ..Case::new(
            // A prior mean away from zero, where Dynamax's M-step is no maximum.
            json!({
                "family": "shared_covariance_gaussian", "num_states": 3, "emission_dim": 2,
                "emission_prior_mean": [3.0, -1.0], "emission_prior_concentration": 2.0,
            }),
            vec![means(), Array::new(&[2, 2], vec![0.8, 0.3, 0.3, 0.5])],
            entrywise(2, reals(-20.0, 20.0, 400)),
        )
    }
}

fn low_rank_gaussian() -> Case {
    // Rows of both states share one strong factor, so that the likelihood has a single maximum.
    let means = Array::new(&[2, 4], vec![0.4, 0.2, -0.1, 0.3, 0.2, -0.3, 0.4, 0.0]);
    let diags = Array::new(&[2, 4], vec![0.5, 0.4, 0.7, 0.3, 0.9, 0.6, 0.5, 0.8]);
    let factors = Array::new(&[2, 4, 1], vec![1.2, 0.9, -1.1, 0.8, 1.0, 1.1, -0.9, 1.2]);
    Case {
        augmented: true,
        bad_fields: with_bad(vec![
            ("emission_rank", 0.into()),
            ("emission_diag_factor_concentration", 0.0.into()),
            ("emission_diag_factor_rate", (-1.0).into()),
        ]),
        ..Case::new(
            json!({
                "family": "low_rank_gaussian", "num_states": 2, "emission_dim": 4, "emission_rank": 1,
            }),
            vec![means, diags, factors],
            entrywise(4, reals(-20.0, 20.0, 400)),
        )
    }
}

fn student_t() -> Case {
    // y = sinh x: the tails fall like a power of y, so exponentially in x.
    let sinh = |(x, w): (Vec<f64>, f64)| (vec![x[0].sinh()], w * x[0].cosh());
    let nodes = reals(-25.0, 25.0, 1000).into_iter().map(sinh).collect();
    Case {
        augmented: true,
        bad_fields: with_bad(vec![
            ("emission_prior_concentration", 0.0.into()),
            ("emission_dof_concentration", 0.0.into()),
            ("emission_dof_rate", (-1.0).into()),
        ]),
        ..Case::new(
            json!({"family": "student_t", "num_states": 3, "emission_dim": 2}),
            vec![means(), covs(), Array::new(&[3], vec![5.0, 8.0, 12.0])],
            entrywise(2, nodes),
        )
    }
}

fn mixture_weights() -> Array {
    Array::new(&[2, 2], vec![0.3, 0.7, 0.6, 0.4])
}

fn mixture_means() -> Array {
    Array::new(&[2, 2, 2], vec![1.0, 1.2, -1.0, 0.3, 0.2, -1.5, 2.0, -2.0])
}

fn gaussian_mixture() -> Case {
    let mut covs = covs().values().to_vec();
    covs.extend([0.6, 0.2, 0.2, 0.7]);
    Case {
        augmented: true,
        bad_fields: with_bad(vec![
            ("num_components", 0.into()),
            ("emission_weights_concentration", 0.0.into()),
            ("emission_prior_extra_df", (-1.0).into()),
        ]),
        ..Case::new(
            json!({
                "family": "gaussian_mixture", "num_states": 2, "num_components": 2, "emission_dim": 2,
                "emission_prior_mean": [0.3, -0.2], "emission_prior_mean_concentration": 0.5,
            }),
            vec![mixture_weights(), mixture_means(), Array::new(&[2, 2, 2, 2], covs)],
            entrywise(2, reals(-20.0, 20.0, 400)),
        )
    }
}

fn diagonal_gaussian_mixture() -> Case {
    let scales = vec![0.5, 1.0, 0.7, 0.6, 1.1, 0.4, 0.8, 0.9];
    Case {
        augmented: true,
        bad_fields: with_bad(vec![
            ("num_components", 0.into()),
            ("emission_weights_concentration", 0.0.into()),
            ("emission_prior_shape", (-1.0).into()),
        ]),
        ..Case::new(
            json!({
                "family": "diagonal_gaussian_mixture", "num_states": 2, "num_components": 2,
                "emission_dim": 2, "emission_prior_mean": 0.1,
            }),
            vec![mixture_weights(), mixture_means(), Array::new(&[2, 2, 2], scales)],
            entrywise(2, reals(-20.0, 20.0, 400)),
        )
    }
}

fn linear_regression() -> Case {
    let weights = vec![1.0, -0.5, 0.3, 0.8, -1.0, 0.6, 0.2, -0.4];
    let mut covs = covs().values().to_vec();
    covs.truncate(8);
    Case {
        augmented: true,
        bad_fields: with_bad(vec![("input_dim", 0.into())]),
        ..Case::new(
            json!({"family": "linear_regression", "num_states": 2, "input_dim": 2, "emission_dim": 2}),
            vec![
                Array::new(&[2, 2, 2], weights),
                Array::new(&[2, 2], vec![0.5, -0.5, 1.0, 0.2]),
                Array::new(&[2, 2, 2], covs),
            ],
            entrywise(2, reals(-20.0, 20.0, 400)),
        )
    }
}

fn linear_autoregressive() -> Case {
    // Two lags of two dimensions, then one input.
    let weights = (0..20).map(|i| 0.25 * (1.3 * f64::from(i)).sin()).collect();
    let mut covs = covs().values().to_vec();
    covs.truncate(8);
    Case {
        // A gap makes the rows after it missing, which is no marginal of the density.
        gaps: false,
        bad_fields: with_bad(vec![("num_lags", 0.into())]),
        ..Case::new(
            json!({
                "family": "linear_autoregressive", "num_states": 2, "emission_dim": 2, "num_lags": 2,
                "input_dim": 1,
            }),
            vec![
                Array::new(&[2, 2, 5], weights),
                Array::new(&[2, 2], vec![0.5, -0.5, 1.0, 0.2]),
                Array::new(&[2, 2, 2], covs),
            ],
            entrywise(2, reals(-20.0, 20.0, 400)),
        )
    }
}

fn logistic_regression() -> Case {
    Case {
        augmented: true,
        bad_rows: vec![vec![0.5], vec![2.0], vec![-1.0]],
        bad_fields: vec![
            ("num_states", 0.into()),
            ("input_dim", 0.into()),
            ("emission_matrices_scale", 0.0.into()),
        ],
        ..Case::new(
            json!({
                "family": "logistic_regression", "num_states": 2, "input_dim": 2,
                "emission_matrices_scale": 3.0,
            }),
            vec![Array::new(&[2, 2], vec![1.0, -0.5, -1.5, 0.8]), Array::new(&[2], vec![0.3, -0.6])],
            entrywise(1, whole(2)),
        )
    }
}

fn categorical_regression() -> Case {
    let weights = (0..12).map(|i| (1.3 * f64::from(i)).sin()).collect();
    Case {
        augmented: true,
        bad_rows: vec![vec![0.5], vec![3.0], vec![-1.0]],
        bad_fields: vec![("num_states", 0.into()), ("input_dim", 0.into()), ("num_classes", 1.into())],
        ..Case::new(
            json!({
                "family": "categorical_regression", "num_states": 2, "num_classes": 3, "input_dim": 2,
            }),
            vec![
                Array::new(&[2, 3, 2], weights),
                Array::new(&[2, 3], vec![0.3, -0.6, 0.1, 0.8, -0.2, 0.0]),
            ],
            entrywise(1, whole(3)),
        )
    }
}
