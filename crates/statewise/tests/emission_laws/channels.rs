//! Channels: families side by side.

use serde_json::json;
use statewise::params::Array;

use crate::case::{Case, Group, angles, positives, whole};
use crate::counts::poisson;

fn cases() -> Vec<Case> {
    vec![channels(), one_channel_in_channels()]
}

laws!(cases);

/// A label, a count vector with extra zeros, a scalar and an angle.
fn channels() -> Case {
    let probs = Array::new(&[2, 1, 3], vec![0.2, 0.3, 0.5, 0.6, 0.3, 0.1]);
    let zero_probs = Array::new(&[2, 2], vec![0.3, 0.1, 0.5, 0.2]);
    let rates = Array::new(&[2, 2], vec![0.5, 2.0, 3.0, 7.0]);
    let circle = angles(20_001);
    let (north, south) = (circle[11_600].0[0], circle[6_800].0[0]);
    let groups = [whole(3), whole(60), whole(60), positives(1e-16, 200.0, 2000), circle];
    let groups = groups.into_iter().enumerate();
    Case {
        augmented: true,
        circular: vec![4],
        bad_rows: vec![vec![3.0, 0.0, 0.0, 1.0, 0.0], vec![0.0, 0.0, 0.0, -1.0, 0.0]],
        bad_fields: vec![
            ("channels", json!([])),
            (
                "channels",
                json!([
                    {"family": "gamma", "num_states": 2},
                    {"family": "gamma", "num_states": 3}
                ]),
            ),
            ("channels", json!([{"family": "gamma", "num_states": 0}])),
        ],
        ..Case::new(
            json!({"family": "channels", "channels": [
                {"family": "categorical", "num_states": 2, "emission_dim": 1, "num_classes": 3},
                {"family": "zero_inflated_poisson", "num_states": 2, "emission_dim": 2},
                {"family": "gamma", "num_states": 2},
                {"family": "von_mises", "num_states": 2, "emission_dim": 1}
            ]}),
            vec![
                probs,
                zero_probs,
                rates,
                Array::new(&[2], vec![0.8, 4.0]),
                Array::new(&[2], vec![0.5, 1.0]),
                Array::new(&[2, 1], vec![north, south]),
                Array::new(&[2, 1], vec![0.8, 5.0]),
            ],
            groups.map(|(d, nodes)| Group { columns: d..d + 1, nodes }).collect(),
        )
    }
}

fn one_channel_in_channels() -> Case {
    let inner = json!({"family": "poisson", "num_states": 3, "emission_dim": 2});
    let json = json!({"family": "channels", "channels": [{"family": "channels", "channels": [inner]}]});
    Case { json, bad_fields: vec![], ..poisson() }
}

#[test]
fn channel_parameters_carry_the_index_of_their_channel() {
    let schema = channels().spec().build().unwrap().schema();
    let names: Vec<_> = schema.iter().map(|spec| (spec.path.as_str(), spec.keyword.as_str())).collect();
    assert_eq!(names[0], ("emissions.0.probs", "emission_0_probs"));
    assert_eq!(names[2], ("emissions.1.rates", "emission_1_rates"));
    assert_eq!(names[3], ("emissions.2.concentration", "emission_2_concentrations"));
    let nested = one_channel_in_channels().spec().build().unwrap().schema();
    assert_eq!(nested[0].path, "emissions.0.0.rates");
}
