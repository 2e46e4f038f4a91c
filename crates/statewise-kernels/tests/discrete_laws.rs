//! Laws of the discrete engines on chains too long to enumerate.

mod common;

use common::{assert_close, assert_log_close, for_each_form};
use statewise_kernels::discrete::schedule::choose;
use statewise_kernels::discrete::*;
use statewise_testkit::{Problem, corpus, random_problem};

fn rows(problem: &Problem) -> Vec<f64> {
    vec![f64::NAN; problem.log_obs.len()]
}

/// Rows of A that depend on t, made from a static random chain.
fn vary(problem: Problem) -> Problem {
    let k = problem.num_states;
    let mut transitions = problem.transitions.clone();
    for (i, row) in transitions.chunks_exact_mut(k).enumerate() {
        let n = row.len();
        row.rotate_left(i / k % n);
    }
    Problem { is_static: false, transitions, ..problem }
}

#[test]
fn scaled_engines_agree_with_log_space_for_every_number_of_states() {
    for k in [1, 2, 4, 5, 7, 8, 9, 12, 16, 17, 33, 64, 70] {
        let base = random_problem(k, 400, 30.0, k as u64);
        for problem in [vary(base.clone()), base] {
            for_each_form(&problem, &mut |label, chain| {
                let mut ws = Workspace::default();
                let label = &format!("{label} K={k}");
                let [mut got, mut want, mut filtered, mut wanted] = [0, 1, 2, 3].map(|_| rows(&problem));
                let (mut pairs, mut wanted_pairs) = (vec![0.0; k * k], vec![0.0; k * k]);
                let out = Smoothed { pair_sum: Some(&mut wanted_pairs), ..Smoothed::only(&mut want) };
                let evidence = log_space::smooth(chain, out).unwrap();
                log_space::filter(chain, &mut wanted, None).unwrap();
                assert_log_close(label, marginal_loglik(chain, &mut ws).unwrap(), evidence);
                assert_log_close(label, filter(chain, &mut ws, &mut filtered, None).unwrap(), evidence);
                assert_close(label, &filtered, &wanted, 1e-11);
                let out = Smoothed { pair_sum: Some(&mut pairs), ..Smoothed::only(&mut got) };
                assert_log_close(label, smooth(chain, &mut ws, out).unwrap(), evidence);
                assert_close(label, &got, &want, 1e-11);
                assert_close(label, &pairs, &wanted_pairs, 1e-9);
            });
        }
    }
}

#[test]
fn all_forms_of_the_transitions_filter_to_the_same_bits() {
    for k in [1, 3, 5, 8, 9, 16, 17, 33] {
        let problem = random_problem(k, 300, 40.0, 5);
        let mut first: Option<(u64, Vec<f64>)> = None;
        for_each_form(&problem, &mut |label, chain| {
            let mut filtered = rows(&problem);
            let evidence = filter(chain, &mut Workspace::default(), &mut filtered, None).unwrap();
            let (bits, want) = first.get_or_insert((evidence.to_bits(), filtered.clone()));
            assert_eq!(evidence.to_bits(), *bits, "{label} K={k}");
            assert_eq!(&filtered, want, "{label} K={k}");
        });
    }
}

#[test]
fn online_filter_has_the_bits_of_the_batch_filter() {
    let mut problems: Vec<Problem> = corpus().into_iter().filter(|p| p.possible).collect();
    problems.extend([1, 3, 8, 9, 17].map(|k| random_problem(k, 2500, 25.0, 3)));
    problems.extend([2, 16].map(|k| random_problem(k, 700, 2000.0, 4)));
    problems.extend([3, 9].map(|k| vary(random_problem(k, 700, 2000.0, 4))));
    for problem in &problems {
        for_each_form(problem, &mut |label, chain| {
            let (k, mut filtered) = (problem.num_states, rows(problem));
            let want = filter(chain, &mut Workspace::default(), &mut filtered, None).unwrap();
            let mut online = OnlineFilter::new(&problem.initial, k).unwrap();
            let mut sum = 0.0;
            for t in 0..problem.num_steps {
                let transition = (t > 0).then(|| problem.transition(t));
                sum += online.update(transition, &problem.log_obs[t * k..(t + 1) * k]).unwrap();
                let bits = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(online.filtered()), bits(&filtered[t * k..(t + 1) * k]), "{label} t={t}");
                if t % 7 == 3 {
                    online = OnlineFilter::from_state(online.state()).unwrap();
                }
            }
            assert_eq!(online.marginal_loglik().to_bits(), want.to_bits(), "{label}");
            assert_eq!(online.num_steps(), problem.num_steps);
            assert!((sum - want).abs() <= 1e-12 * want.abs().max(1.0), "{label}: {sum}, {want}");
        });
    }
}

#[test]
fn online_prediction_is_the_first_row_of_a_forecast() {
    let problem = random_problem(4, 30, 5.0, 8);
    let mut online = OnlineFilter::new(&problem.initial, 4).unwrap();
    for t in 0..30 {
        online.update(Some(&problem.matrix), &problem.log_obs[t * 4..(t + 1) * 4]).unwrap();
    }
    let mut predicted = [0.0; 4];
    online.predicted(&problem.matrix, &mut predicted).unwrap();
    let mut ahead = [0.0; 400 * 4];
    let mut matrix = |_: usize, a: &mut [f64]| a.copy_from_slice(&problem.matrix);
    forecast(online.filtered(), &mut matrix, &mut ahead).unwrap();
    assert_eq!(predicted, ahead[..4]);
    let stationary = stationary_distribution(&problem.matrix, 4).unwrap();
    assert_close("far forecast", &ahead[399 * 4..], &stationary, 1e-12);
}

#[test]
fn a_rejected_observation_leaves_the_online_filter_as_it_was() {
    let mut online = OnlineFilter::new(&[1.0, 0.0], 2).unwrap();
    let a = [1.0, 0.0, 0.0, 1.0];
    online.update(None, &[-1.0, 0.0]).unwrap();
    let before = online.state();
    let error = online.update(Some(&a), &[f64::NEG_INFINITY, 0.0]).unwrap_err();
    assert_eq!(error, ChainError::UnexplainedObservation { t: 1, num_states: 2 });
    let error = online.update(Some(&a), &[f64::NAN, 0.0]).unwrap_err();
    assert_eq!(error, ChainError::InvalidLikelihood { t: 1 });
    assert!(matches!(online.update(None, &[0.0, 0.0]), Err(ChainError::Shape { .. })));
    assert_eq!(online.state(), before);
}

#[test]
fn invalid_likelihoods_are_named_by_their_step() {
    for k in [1, 3, 8, 17] {
        for bad in [f64::NAN, f64::INFINITY] {
            for t in [0, 1, 37, 59] {
                let mut problem = random_problem(k, 60, 3.0, 2);
                problem.log_obs[t * k + k / 2] = bad;
                for_each_form(&problem, &mut |label, chain| {
                    let want = ChainError::InvalidLikelihood { t };
                    let (mut ws, mut out) = (Workspace::default(), rows(&problem));
                    assert_eq!(marginal_loglik(chain, &mut ws), Err(want.clone()), "{label}");
                    assert_eq!(filter(chain, &mut ws, &mut out, None), Err(want.clone()), "{label}");
                    let got = smooth(chain, &mut ws, Smoothed::only(&mut out));
                    assert_eq!(got, Err(want.clone()), "{label}");
                    assert_eq!(viterbi(chain, &mut ws, &mut [0; 60]), Err(want.clone()), "{label}");
                    assert_eq!(k_best(chain, 2).unwrap_err(), want, "{label}");
                });
            }
        }
    }
}

#[test]
fn wrong_sizes_are_refused() {
    let problem = random_problem(3, 5, 1.0, 1);
    let observations = LogObs { values: &problem.log_obs, num_states: 3 };
    let chain = Chain {
        initial: &problem.initial,
        transitions: Transitions::PerStep(&problem.transitions[9..]),
        observations: &observations,
    };
    let error = marginal_loglik(&chain, &mut Workspace::default()).unwrap_err();
    assert_eq!(error, ChainError::Shape { argument: "transitions", found: 27, expected: 36 });
}

#[test]
fn parallel_schedules_agree_with_the_sequential_one_for_any_number_of_threads() {
    for (k, num_steps) in [(1, 20_000), (3, 40_000), (9, 20_000)] {
        let problem = random_problem(k, num_steps, 30.0, 6);
        let observations = LogObs { values: &problem.log_obs, num_states: k };
        let transitions = Transitions::Static(&problem.matrix);
        let chain = Chain { initial: &problem.initial, transitions, observations: &observations };
        let mut ws = Workspace::default();
        let [mut smoothed, mut filtered, mut predicted] = [0; 3].map(|_| rows(&problem));
        let mut pair_sum = vec![0.0; k * k];
        let out = Smoothed { pair_sum: Some(&mut pair_sum), ..Smoothed::only(&mut smoothed) };
        let want = smooth(&chain, &mut ws, out).unwrap();
        filter(&chain, &mut ws, &mut filtered, Some(&mut predicted)).unwrap();
        let mut first: Option<Vec<Vec<f64>>> = None;
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut results = Vec::new();
            for schedule in [Schedule::Scan, Schedule::BothWays, Schedule::Auto] {
                let mut got = rows(&problem);
                let run = || smooth_scheduled(&chain, &mut Workspace::default(), schedule, &mut got);
                assert_log_close("evidence", pool.install(run).unwrap(), want);
                assert_close("smoothed", &got, &smoothed, 1e-10);
                results.push(got);
            }
            let mut got = [0; 5].map(|_| rows(&problem));
            got[4].truncate(k * k);
            let [again, ahead, smooth, filter, pairs] = &mut got;
            let run = || scan::filter(&chain, again, Some(ahead));
            assert_log_close("evidence", pool.install(run).unwrap(), want);
            assert_close("filtered", again, &filtered, 1e-10);
            assert_close("predicted", ahead, &predicted, 1e-10);
            let out = Smoothed {
                smoothed: smooth,
                filtered: Some(filter),
                predicted: Some(ahead),
                pair_sum: Some(pairs),
            };
            assert_log_close("evidence", pool.install(|| scan::smooth(&chain, out)).unwrap(), want);
            assert_close("smoothed", smooth, &smoothed, 1e-10);
            assert_close("filtered", filter, &filtered, 1e-10);
            assert_close("predicted", ahead, &predicted, 1e-10);
            // Sums of T terms.
            assert_close("pair_sum", pairs, &pair_sum, 1e-10 * num_steps as f64);
            results.extend(got);
            assert_eq!(*first.get_or_insert_with(|| results.clone()), results, "{threads} threads");
        }
    }
}

#[test]
fn schedules_that_cannot_be_parallel_fall_back() {
    for problem in corpus().iter().filter(|p| p.possible) {
        for_each_form(problem, &mut |label, chain| {
            let [mut want, mut got] = [0, 1].map(|_| rows(problem));
            let mut ws = Workspace::default();
            let evidence = smooth(chain, &mut ws, Smoothed::only(&mut want)).unwrap();
            for schedule in [Schedule::Scan, Schedule::BothWays] {
                let own = smooth_scheduled(chain, &mut ws, schedule, &mut got).unwrap();
                assert_log_close(label, own, evidence);
                assert_close(label, &got, &want, 1e-12);
            }
        });
    }
}

#[test]
fn automatic_schedule_says_why() {
    assert_eq!(choose(Schedule::Auto, 1000, 3).0, Schedule::Sequential);
    let (schedule, reason) = choose(Schedule::Auto, 1_000_000, 3);
    assert_eq!(schedule, Schedule::BothWays);
    assert!(reason.contains("meet in the middle"));
    assert_eq!(choose(Schedule::Scan, 10, 3), (Schedule::Scan, "asked for"));
}

#[test]
fn segments_and_one_go_give_the_same_statistics() {
    // 2²¹ entries are one segment; this chain has several.
    let (k, num_steps) = (3, 800_000);
    let problem = random_problem(k, num_steps, 20.0, 9);
    let observations = LogObs { values: &problem.log_obs, num_states: k };
    let transitions = Transitions::Static(&problem.matrix);
    let chain = Chain { initial: &problem.initial, transitions, observations: &observations };
    let mut ws = Workspace::default();
    let [mut want, mut got] = [0, 1].map(|_| rows(&problem));
    let (mut pairs, mut wanted_pairs) = (vec![0.0; 9], vec![0.0; 9]);
    let out = Smoothed { pair_sum: Some(&mut wanted_pairs), ..Smoothed::only(&mut want) };
    let evidence = smooth(&chain, &mut ws, out).unwrap();
    let mut visit = |steps: std::ops::Range<usize>, gamma: &[f64]| {
        got[steps.start * k..steps.end * k].copy_from_slice(gamma);
    };
    let own = expected_statistics(&chain, &mut ws, &mut pairs, &mut visit).unwrap();
    assert_eq!(own.to_bits(), evidence.to_bits());
    assert_eq!(got, want);
    assert_eq!(pairs, wanted_pairs);
    assert!((pairs.iter().sum::<f64>() - (num_steps - 1) as f64).abs() < 1e-6);
}

#[test]
fn stationary_distribution_is_left_alone_by_the_matrix() {
    let rare = [1.0 - 1e-12, 1e-12, 0.5, 0.5];
    let p = stationary_distribution(&rare, 2).unwrap();
    assert!((p[1] / p[0] - 2e-12).abs() < 1e-25, "relative accuracy of a rare state: {p:?}");
    for k in [1, 2, 6, 20] {
        let problem = random_problem(k, 2, 1.0, 77);
        let p = stationary_distribution(&problem.matrix, k).unwrap();
        let mut next = vec![0.0; k];
        forecast(&p, &mut |_, a| a.copy_from_slice(&problem.matrix), &mut next).unwrap();
        assert_close("p A = p", &next, &p, 1e-14);
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-14);
    }
    // State 0 is transient; {1, 2} and {3} are closed.
    let reducible = [0.5, 0.25, 0., 0.25, 0., 0., 1., 0., 0., 1., 0., 0., 0., 0., 0., 1.];
    assert_eq!(stationary_distribution(&reducible, 4).unwrap(), [0.0, 0.5, 0.5, 0.0]);
    assert_eq!(expected_dwell_times(&[0.75, 0.25, 0.0, 1.0], 2).unwrap(), [4.0, f64::INFINITY]);
}

#[test]
fn an_empty_sequence_has_evidence_one() {
    let observations = LogObs { values: &[], num_states: 2 };
    let chain = Chain {
        initial: &[0.5, 0.5],
        transitions: Transitions::Static(&[0.5; 4]),
        observations: &observations,
    };
    let mut ws = Workspace::default();
    assert_eq!(marginal_loglik(&chain, &mut ws), Ok(0.0));
    assert_eq!(filter(&chain, &mut ws, &mut [], None), Ok(0.0));
    assert_eq!(smooth(&chain, &mut ws, Smoothed::only(&mut [])), Ok(0.0));
    assert_eq!(viterbi(&chain, &mut ws, &mut []), Ok(0.0));
    assert_eq!(sample_paths(&chain, &mut ws, 3, &mut || 0.5, &mut []), Ok(0.0));
}

#[test]
fn viterbi_is_the_first_of_the_k_best_for_every_number_of_states() {
    for k in [1, 3, 8, 9, 17, 64, 257, 300] {
        let problem = random_problem(k, 12, 8.0, 13);
        for_each_form(&problem, &mut |label, chain| {
            let mut path = vec![0; 12];
            let score = viterbi(chain, &mut Workspace::default(), &mut path).unwrap();
            let best = &k_best(chain, 1).unwrap()[0];
            assert_log_close(label, score, best.0);
            assert_eq!(path, best.1, "{label} K={k}");
        });
    }
}

#[test]
fn fixed_lag_rows_equal_the_oldest_rows_of_the_windows_also_across_blocks_and_where_windows_underflow() {
    // Blocks are 682 steps long for three states; a scale of 2000 sends windows out of range.
    for (k, num_steps, scale) in [(3, 1500, 20.0), (9, 500, 30.0), (3, 100, 2000.0)] {
        let problem = random_problem(k, num_steps, scale, 21);
        let observations = LogObs { values: &problem.log_obs, num_states: k };
        let transitions = Transitions::Static(&problem.matrix);
        let chain = Chain { initial: &problem.initial, transitions, observations: &observations };
        let mut ws = Workspace::default();
        for lag in [0, 1, 6] {
            let window = lag + 1;
            let mut rows = vec![0.0; num_steps * k];
            let mut windows = vec![0.0; num_steps * window * k];
            let mut cumulative = vec![0.0; num_steps];
            let evidence = fixed_lag(&chain, &mut ws, lag, &mut rows).unwrap();
            let want = fixed_lag_windows(&chain, &mut ws, window, &mut windows, &mut cumulative).unwrap();
            assert!((evidence - want).abs() <= 1e-12 * want.abs(), "K={k}: {evidence} for {want}");
            for newest in lag..num_steps {
                let t = newest - lag;
                let oldest = &windows[newest * window * k..(newest * window + 1) * k];
                let what = format!("K={k} lag {lag} at {t}");
                assert_close(&what, &rows[t * k..(t + 1) * k], oldest, 1e-12);
            }
        }
    }
}
