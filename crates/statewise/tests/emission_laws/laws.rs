//! The laws, generic over cases; `laws!(cases)` makes each a test over a list of cases.

use statewise::model::hmm::emission::EmissionSpec;

use crate::case::Case;
pub(crate) use crate::density::*;
pub(crate) use crate::learning::*;

/// One test a law, over all cases that `$cases()` returns.
macro_rules! laws {
    ($cases:path: $($law:ident),* $(,)?) => {
        $(#[test]
        fn $law() {
            $cases().iter().for_each($crate::laws::$law);
        })*
    };
    ($cases:path) => {
        laws!($cases:
            gradients_match_differences,
            score_is_the_gradient_of_the_weighted_loglik,
            expected_log_prob_bounds_the_weighted_loglik,
            maximise_finds_the_maximum,
            fixed_parameters_stay,
            masked_and_tied_entries_are_honoured,
            states_without_mass_keep_their_parameters,
            statistics_add_up,
            missing_rows_say_nothing,
            densities_normalise_and_marginalise,
            moments_match_the_density,
            draws_match_moments,
            scaled_likelihoods_match_log_likelihoods,
            blocks_of_steps_match_the_whole,
            specs_survive_json,
            bad_rows_are_refused,
            bad_fields_are_named,
            starting_points_are_inside,
        );
    };
}

#[track_caller]
pub(crate) fn assert_close(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
    for (i, (a, b)) in got.iter().zip(want).enumerate() {
        // Also equal: both −∞.
        assert!(a == b || (a - b).abs() <= tolerance * scale, "{what}, entry {i}: {a} against {b}");
    }
}

/// A specification survives JSON; a misspelt field is refused by name.
pub(crate) fn specs_survive_json(case: &Case) {
    let spec = case.spec();
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<EmissionSpec>(&text).unwrap(), spec);
    let mut json = case.json.clone();
    json["emission_prior_koncentration"] = 1.0.into();
    let refusal = serde_json::from_value::<EmissionSpec>(json).unwrap_err().to_string();
    assert!(refusal.contains("emission_prior_koncentration"), "{}: {refusal}", case.name());
}

/// Good rows pass; rows outside the domain are refused with their place.
pub(crate) fn bad_rows_are_refused(case: &Case) {
    let scene = case.scene();
    assert!(scene.emission.check_rows(&scene.rows).is_ok(), "{}", case.name());
    for bad in &case.bad_rows {
        let rows: Vec<f64> = scene.rows[..scene.width].iter().chain(bad).copied().collect();
        let refusal = scene.emission.check_rows(&rows).expect_err(&format!("{} {bad:?}", case.name()));
        assert!(refusal.to_string().contains("emissions row 1"), "{}: {refusal}", case.name());
    }
}

/// Sizes and hyper-parameters out of range are refused by name.
pub(crate) fn bad_fields_are_named(case: &Case) {
    for (field, value) in &case.bad_fields {
        let mut json = case.json.clone();
        json[field] = value.clone();
        let spec: EmissionSpec = serde_json::from_value(json).unwrap();
        let refusal = spec.build().expect_err(&format!("{} {field} = {value}", case.name())).to_string();
        assert!(refusal.contains(field), "{} {field} = {value}: {refusal}", case.name());
    }
}
