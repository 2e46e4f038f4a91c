//! What the tests of the discrete engines share.
#![allow(dead_code, unreachable_pub)]

use statewise_kernels::discrete::{Chain, LogObs, Transitions};
use statewise_testkit::Problem;

/// The three ways to give a chain's transitions, as far as `problem` has them.
pub const FORMS: [&str; 3] = ["static", "per step", "computed"];

/// Runs `check` on every form of `problem`, with a label for messages.
pub fn for_each_form(problem: &Problem, check: &mut dyn FnMut(&str, &Chain<'_>)) {
    let observations = LogObs { values: &problem.log_obs, num_states: problem.num_states };
    let size = problem.num_states * problem.num_states;
    let compute = |t: usize, out: &mut [f64]| {
        assert!(t >= 1 && out.len() == size);
        out.copy_from_slice(problem.transition(t));
    };
    for form in FORMS {
        let transitions = match form {
            "static" if problem.is_static => Transitions::Static(&problem.matrix),
            "static" => continue,
            "per step" => Transitions::PerStep(&problem.transitions),
            _ => Transitions::Computed(&compute),
        };
        let chain = Chain { initial: &problem.initial, transitions, observations: &observations };
        check(&format!("{} ({form})", problem.name), &chain);
    }
}

/// Asserts that two arrays agree, absolutely and, where `want` is tiny, relatively.
pub fn assert_close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}: length");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance, "{what}: entry {i}: {g:e}, expected {w:e}");
    }
}

/// Asserts that two logarithms agree relative to their size.
pub fn assert_log_close(what: &str, got: f64, want: f64) {
    let tolerance = 1e-12 * want.abs().max(1.0);
    assert!(got == want || (got - want).abs() <= tolerance, "{what}: {got}, expected {want}");
}
