//! Properties of the discrete engines on chains drawn at random, seeds committed.

mod common;

use proptest::prelude::*;
use statewise_kernels::discrete::*;
use statewise_testkit::Problem;

/// A chain of up to 10 states and 40 steps, with zeros in π and A and −∞ among the likelihoods.
fn problem() -> impl Strategy<Value = Problem> {
    (1usize..=10, 1usize..=40).prop_flat_map(|(k, num_steps)| {
        let weight = prop_oneof![1 => Just(0.0), 4 => 0.001..1.0f64];
        let log_b = prop_oneof![1 => Just(f64::NEG_INFINITY), 30 => -50.0..10.0f64, 3 => -1500.0..0.0f64];
        let initial = prop::collection::vec(weight.clone(), k);
        let matrix = prop::collection::vec(weight, k * k);
        let log_obs = prop::collection::vec(log_b, k * num_steps);
        (initial, matrix, log_obs).prop_map(move |(mut initial, mut matrix, log_obs)| {
            normalise(&mut initial);
            matrix.chunks_mut(k).for_each(normalise);
            Problem::fixed("property", &initial, &matrix, &log_obs)
        })
    })
}

fn normalise(row: &mut [f64]) {
    let total: f64 = row.iter().sum();
    let len = row.len() as f64;
    row.iter_mut().for_each(|x| *x = if total > 0.0 { *x / total } else { 1.0 / len });
}

fn with_chain<R>(problem: &Problem, work: impl FnOnce(&Chain<'_>) -> R) -> R {
    let observations = LogObs { values: &problem.log_obs, num_states: problem.num_states };
    let transitions = Transitions::Static(&problem.matrix);
    work(&Chain { initial: &problem.initial, transitions, observations: &observations })
}

/// The same chain with its states renamed: new state k is old state `order[k]`.
fn permute(problem: &Problem, order: &[usize]) -> Problem {
    let k = problem.num_states;
    let initial: Vec<f64> = order.iter().map(|&i| problem.initial[i]).collect();
    let entry = |&i: &usize| order.iter().map(move |&j| problem.matrix[i * k + j]);
    let matrix: Vec<f64> = order.iter().flat_map(entry).collect();
    let row = |row: &[f64]| order.iter().map(|&i| row[i]).collect::<Vec<_>>();
    let log_obs: Vec<f64> = problem.log_obs.chunks(k).flat_map(row).collect();
    Problem::fixed("permuted", &initial, &matrix, &log_obs)
}

fn close(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= 1e-10 * a.abs().max(1.0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(20), ..ProptestConfig::default() })]

    #[test]
    fn posteriors_are_distributions_and_evidence_is_that_of_log_space(problem in problem()) {
        with_chain(&problem, |chain| {
            let mut ws = Workspace::default();
            let k = problem.num_states;
            let want = log_space::marginal_loglik(chain).unwrap();
            let got = marginal_loglik(chain, &mut ws).unwrap();
            prop_assert!(close(got, want), "{got} {want}");
            let [mut smoothed, mut filtered, mut predicted, mut check] = [0; 4].map(|_| vec![f64::NAN; problem.log_obs.len()]);
            let mut pair_sum = vec![f64::NAN; k * k];
            let out = Smoothed {
                smoothed: &mut smoothed,
                filtered: Some(&mut filtered),
                predicted: Some(&mut predicted),
                pair_sum: Some(&mut pair_sum),
            };
            let outcome = smooth(chain, &mut ws, out);
            prop_assert_eq!(outcome.is_ok(), want > f64::NEG_INFINITY);
            if outcome.is_err() {
                return Ok(());
            }
            prop_assert!(close(outcome.unwrap(), want));
            for rows in [&smoothed, &filtered, &predicted] {
                for row in rows.chunks(k) {
                    prop_assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                    prop_assert!(row.iter().all(|p| *p >= 0.0));
                }
            }
            log_space::smooth(chain, Smoothed::only(&mut check)).unwrap();
            for (a, b) in smoothed.iter().zip(&check) {
                prop_assert!((a - b).abs() < 1e-10, "{a} {b}");
            }
            // The filter ends where the smoother does; pairs add up to the steps.
            let last = smoothed.len() - k;
            for (a, b) in smoothed[last..].iter().zip(&filtered[last..]) {
                prop_assert!((a - b).abs() < 1e-13);
            }
            let steps = (problem.num_steps - 1) as f64;
            prop_assert!((pair_sum.iter().sum::<f64>() - steps).abs() < 1e-10);
            Ok(())
        })?;
    }

    #[test]
    fn renaming_states_renames_the_results(problem in problem(), turn in 1usize..10) {
        let k = problem.num_states;
        let order: Vec<usize> = (0..k).map(|i| (i * (if k % 3 == 0 { 1 } else { 3 }) + turn) % k).collect();
        let renamed = permute(&problem, &order);
        let smoothed = |problem: &Problem| with_chain(problem, |chain| {
            let mut rows = vec![0.0; problem.log_obs.len()];
            let evidence = smooth(chain, &mut Workspace::default(), Smoothed::only(&mut rows));
            (evidence, rows)
        });
        let ((evidence, rows), (other_evidence, other_rows)) = (smoothed(&problem), smoothed(&renamed));
        prop_assert_eq!(evidence.is_ok(), other_evidence.is_ok());
        if let (Ok(a), Ok(b)) = (evidence, other_evidence) {
            prop_assert!(close(a, b));
            for (row, other) in rows.chunks(k).zip(other_rows.chunks(k)) {
                for (new, &old) in order.iter().enumerate() {
                    prop_assert!((row[old] - other[new]).abs() < 1e-11);
                }
            }
        }
    }

    #[test]
    fn no_sampled_path_beats_viterbi(problem in problem(), seed in 1u64..1_000_000) {
        with_chain(&problem, |chain| {
            let mut ws = Workspace::default();
            let (k, num_steps) = (problem.num_states, problem.num_steps);
            let mut best = vec![0; num_steps];
            let Ok(score) = viterbi(chain, &mut ws, &mut best) else { return Ok(()) };
            let log_joint = |path: &[u32]| {
                let mut sum = problem.initial[path[0] as usize].ln();
                for t in 0..num_steps {
                    sum += problem.log_obs[t * k + path[t] as usize];
                    if t > 0 {
                        sum += problem.matrix[path[t - 1] as usize * k + path[t] as usize].ln();
                    }
                }
                sum
            };
            prop_assert!(close(log_joint(&best), score));
            let mut state = seed;
            let mut uniform = || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 11) as f64 / (1u64 << 53) as f64
            };
            let mut paths = vec![0; 20 * num_steps];
            let evidence = sample_paths(chain, &mut ws, 20, &mut uniform, &mut paths).unwrap();
            prop_assert!(evidence >= score - 1e-9 * score.abs().max(1.0));
            for path in paths.chunks(num_steps) {
                let own = log_joint(path);
                prop_assert!(own > f64::NEG_INFINITY);
                prop_assert!(own <= score + 1e-9 * score.abs().max(1.0));
            }
            Ok(())
        })?;
    }
}
