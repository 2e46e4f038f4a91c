//! The constraints that structural models need: bijections, Jacobians, domains.

use statewise::params::{Array, Constraint, FreeSpace, ParamProperties, ParamSpec, Params, Properties};

fn spec(constraint: Constraint, len: usize) -> Vec<ParamSpec> {
    vec![ParamSpec::new("x", "x", &[len], constraint)]
}

fn cases() -> Vec<(Constraint, Vec<f64>)> {
    vec![
        (Constraint::Scale, vec![3e-4, 2.0, 5e6]),
        (Constraint::Interval { low: -2.0, high: 5.0 }, vec![-1.9, 0.0, 4.0]),
        (Constraint::Stationary, vec![0.7]),
        (Constraint::Stationary, vec![1.2, -0.5]),
        (Constraint::Stationary, vec![0.4, -0.2, 0.3, -0.1, 0.25]),
        (Constraint::Invertible, vec![-0.7]),
        (Constraint::Invertible, vec![0.5, 0.3, -0.2, 0.1]),
    ]
}

fn space(constraint: Constraint, values: &[f64]) -> (FreeSpace, Params) {
    let schema = spec(constraint, values.len());
    let params = Params::new(vec![Array::new(&[values.len()], values.to_vec())]);
    params.check(&schema).unwrap();
    (FreeSpace::new(&schema, &Properties::trainable(&schema), &params), params)
}

/// dv_i / dx_j by central differences; exact to about 1e-9 of the values.
fn jacobian(space: &FreeSpace, x: &[f64]) -> Vec<Vec<f64>> {
    let at = |j: usize, by: f64| {
        let mut moved = x.to_vec();
        moved[j] += by;
        space.from_free(&moved).arrays()[0].values().to_vec()
    };
    let h = 1e-5;
    let column = |j: usize| -> Vec<f64> {
        at(j, h).iter().zip(at(j, -h)).map(|(a, b)| (a - b) / (2.0 * h)).collect()
    };
    (0..x.len()).map(column).collect()
}

fn log_abs_det(mut m: Vec<Vec<f64>>) -> f64 {
    let n = m.len();
    let mut log = 0.0;
    for k in 0..n {
        let pivot = (k..n).max_by(|a, b| m[*a][k].abs().total_cmp(&m[*b][k].abs())).unwrap();
        m.swap(k, pivot);
        log += m[k][k].abs().ln();
        for i in k + 1..n {
            let factor = m[i][k] / m[k][k];
            for j in k..n {
                m[i][j] -= factor * m[k][j];
            }
        }
    }
    log
}

#[test]
fn free_coordinates_give_the_values_back() {
    for (constraint, values) in cases() {
        let (space, params) = space(constraint, &values);
        let back = space.from_free(&space.to_free(&params));
        for (got, want) in back.arrays()[0].values().iter().zip(&values) {
            assert!((got - want).abs() <= 1e-13 * (1.0 + want.abs()), "{constraint:?}: {got} for {want}");
        }
    }
}

#[test]
fn gradients_and_log_determinants_are_those_of_the_jacobian() {
    for (constraint, values) in cases() {
        let (space, params) = space(constraint, &values);
        let x = space.to_free(&params);
        let jacobian = jacobian(&space, &x);
        let slopes: Vec<f64> = (0..values.len()).map(|i| (1.0 + i as f64).sin()).collect();
        let gradient = Params::new(vec![Array::new(&[values.len()], slopes.clone())]);
        for (got, column) in space.pull_back(&params, &gradient).iter().zip(&jacobian) {
            let want: f64 = column.iter().zip(&slopes).map(|(d, g)| d * g).sum();
            assert!((got - want).abs() < 1e-8 * (1.0 + want.abs()), "{constraint:?}: {got} for {want}");
        }
        let (got, want) = (space.log_det_jacobian(&params), log_abs_det(jacobian));
        assert!((got - want).abs() < 1e-8, "{constraint:?}: log det {got} for {want}");
        for (j, got) in space.log_det_jacobian_gradient(&params).iter().enumerate() {
            let at = |by: f64| {
                let mut moved = x.clone();
                moved[j] += by;
                space.log_det_jacobian(&space.from_free(&moved))
            };
            let want = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((got - want).abs() < 1e-8, "{constraint:?}: slope {got} for {want}");
        }
    }
}

#[test]
fn domains_end_where_they_say() {
    let cases: [(Constraint, &[f64], bool); 10] = [
        (Constraint::Scale, &[0.0], false),
        (Constraint::Interval { low: 2.0, high: 3.0 }, &[3.0], true),
        (Constraint::Interval { low: 2.0, high: 3.0 }, &[3.1], false),
        (Constraint::Stationary, &[1.0], false),
        (Constraint::Stationary, &[0.5, 0.5], false),
        (Constraint::Stationary, &[0.5, 0.49], true),
        (Constraint::Stationary, &[1.9, -0.95], true),
        (Constraint::Stationary, &[1.96, -0.95], false),
        (Constraint::Invertible, &[0.99], true),
        (Constraint::Invertible, &[1.01], false),
    ];
    for (constraint, values, inside) in cases {
        let array = Array::new(&[values.len()], values.to_vec());
        assert_eq!(constraint.check(&array, false).is_ok(), inside, "{constraint:?} {values:?}");
    }
}

#[test]
fn any_free_coordinates_are_stationary_coefficients() {
    let schema = spec(Constraint::Stationary, 6);
    let base = Params::zeros(&schema);
    let space = FreeSpace::new(&schema, &Properties::trainable(&schema), &base);
    for i in 0..200 {
        let x: Vec<f64> = (0..6).map(|j| 3.0 * (1.1 * (i * 7 + j * 3) as f64).sin()).collect();
        space.from_free(&x).check(&schema).unwrap();
    }
}

#[test]
fn stationary_coefficients_are_free_or_fixed_together() {
    let schema = spec(Constraint::Stationary, 2);
    let fixed = ParamProperties { free: Some(vec![true, false]), ..ParamProperties::default() };
    let error = Properties(vec![fixed]).check(&schema).unwrap_err().to_string();
    assert!(error.contains("a row of coefficients fixed in part"), "{error}");
    let params = Params::new(vec![Array::new(&[2], vec![0.3, 0.2])]);
    let fixed = ParamProperties { trainable: false, ..ParamProperties::default() };
    let space = FreeSpace::new(&schema, &Properties(vec![fixed]), &params);
    assert_eq!(space.dim(), 0);
    assert_eq!(space.from_free(&[]), params);
}
