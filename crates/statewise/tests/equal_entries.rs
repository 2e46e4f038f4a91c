//! Single entries of an array that share one value.

use statewise::learn::permute_properties;
use statewise::params::{Array, Constraint, FreeSpace, ParamProperties, ParamSpec, Params, Properties};

fn schema() -> Vec<ParamSpec> {
    vec![
        ParamSpec::new("real", "real", &[2, 3], Constraint::Real).with_state_axes(0),
        ParamSpec::new("positive", "positive", &[3], Constraint::Positive).with_state_axes(0),
        ParamSpec::new("cov", "cov", &[2, 2], Constraint::PositiveDefinite).with_state_axes(0),
    ]
}

fn params() -> Params {
    Params::new(vec![
        Array::new(&[2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        Array::new(&[3], vec![0.5, 1.5, 2.5]),
        Array::new(&[2, 2], vec![1.0, 0.2, 0.2, 1.0]),
    ])
}

fn properties() -> Properties {
    let mut properties = Properties::trainable(&schema());
    properties.0[0] = ParamProperties {
        equal: vec![vec![4, 0], vec![2, 3]],
        free: Some(vec![true, false, true, true, true, true]),
        ..Default::default()
    };
    properties.0[1].equal = vec![vec![0, 2]];
    properties
}

#[test]
fn equal_entries_are_one_coordinate_and_stay_equal() {
    let (schema, properties) = (schema(), properties());
    properties.check(&schema).unwrap();
    let space = FreeSpace::new(&schema, &properties, &params());
    assert_eq!(space.dim(), 3 + 2 + 3);
    let tied = space.tie(&params());
    assert_eq!(tied.arrays()[0].values(), [5.0, 2.0, 3.0, 3.0, 5.0, 6.0]);
    assert_eq!(tied.arrays()[1].values(), [0.5, 1.5, 0.5]);
    let x: Vec<f64> = space.to_free(&tied).iter().enumerate().map(|(i, x)| x + 0.1 * i as f64).collect();
    let moved = space.from_free(&x);
    let [real, positive] = [moved.arrays()[0].values(), moved.arrays()[1].values()];
    assert!(real[0] == real[4] && real[2] == real[3] && real[1] == 2.0 && positive[0] == positive[2]);
    let mut slope = Params::zeros(&schema);
    slope.arrays_mut()[0].values_mut().copy_from_slice(&[1.0, 10.0, 100.0, 1000.0, 1e4, 1e5]);
    let mut pulled = space.pull_back(&tied, &slope)[..3].to_vec();
    pulled.sort_by(f64::total_cmp);
    assert_eq!(pulled, [1100.0, 10001.0, 1e5]);
}

#[test]
fn groups_that_cannot_share_a_value_are_errors() {
    let check = |array: usize, property: ParamProperties| {
        let mut properties = Properties::trainable(&schema());
        properties.0[array] = property;
        properties.check(&schema()).unwrap_err().to_string()
    };
    let equal = |groups: &[&[usize]]| ParamProperties {
        equal: groups.iter().map(|g| g.to_vec()).collect(),
        ..Default::default()
    };
    assert!(check(0, equal(&[&[0, 6]])).contains("index 6"));
    assert!(check(0, equal(&[&[0, 1], &[1, 2]])).contains("index 1"));
    assert!(check(2, equal(&[&[0, 3]])).contains("props.cov.equal"));
    let fixed = ParamProperties { free: Some(vec![true, true, false]), ..equal(&[&[0, 2]]) };
    assert!(check(1, fixed).contains("entry 2"));
}

#[test]
fn groups_follow_their_states() {
    let schema = [ParamSpec::new("rates", "rates", &[3, 2], Constraint::Positive)];
    let mut properties = Properties::trainable(&schema);
    properties.0[0].equal = vec![vec![0, 3]];
    // State 0 becomes 2, 1 becomes 0, 2 becomes 1.
    let permuted = permute_properties(&schema, &properties, &[2, 0, 1]).unwrap();
    assert_eq!(permuted.0[0].equal, [[4, 1]]);
}

#[test]
fn zero_variances_and_singular_covariances_are_values_of_closed_arrays_only() {
    let zero = Array::new(&[2, 2], vec![1.0, 1.0, 1.0, 1.0]);
    let spec = ParamSpec::new("cov", "cov", &[2, 2], Constraint::PositiveDefinite).with_state_axes(0);
    assert!(spec.check(&zero).is_err());
    let closed = spec.with_closed();
    closed.check(&zero).unwrap();
    assert!(closed.check(&Array::new(&[2, 2], vec![1.0, 2.0, 2.0, 1.0])).is_err());
    let none = Array::zeros(&[1]);
    let spec = ParamSpec::new("var", "var", &[1], Constraint::Positive);
    assert!(spec.check(&none).is_err());
    spec.clone().with_closed().check(&none).unwrap();
    assert!(spec.with_closed().check(&Array::full(&[1], -1e-9)).is_err());
    // As coordinates they are finite, and come back to within what no double tells from them.
    let schema = [closed];
    let base = Params::new(vec![zero.clone()]);
    let space = FreeSpace::new(&schema, &Properties::trainable(&schema), &base);
    let x = space.to_free(&base);
    assert!(x.iter().all(|x| x.is_finite()));
    let back = space.from_free(&x);
    assert!(back.arrays()[0].values().iter().zip(zero.values()).all(|(a, b)| (a - b).abs() < 1e-15));
}
