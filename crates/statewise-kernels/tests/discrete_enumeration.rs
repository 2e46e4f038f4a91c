//! Every discrete engine against the sum over all paths, on the whole corpus.

mod common;

use common::{assert_close, assert_log_close, for_each_form};
use statewise_kernels::discrete::*;
use statewise_testkit::{Enumeration, Problem, corpus, enumerate};

const TOLERANCE: f64 = 1e-12;

/// Runs `check` on every form of every possible problem.
fn on_corpus(mut check: impl FnMut(&str, &Problem, &Chain<'_>, &Enumeration, &mut Workspace)) {
    let mut ws = Workspace::default();
    for problem in corpus().iter().filter(|p| p.possible) {
        let want = enumerate(problem);
        for_each_form(problem, &mut |label, chain| check(label, problem, chain, &want, &mut ws));
    }
}

#[test]
fn evidence_is_the_sum_over_all_paths() {
    on_corpus(|label, _, chain, want, ws| {
        let got = marginal_loglik(chain, ws).unwrap();
        assert_log_close(label, got, want.marginal_loglik);
        assert_log_close(label, log_space::marginal_loglik(chain).unwrap(), want.marginal_loglik);
    });
}

#[test]
fn filter_conditions_on_the_past() {
    on_corpus(|label, _, chain, want, ws| {
        let mut filtered = vec![f64::NAN; want.filtered.len()];
        let mut predicted = filtered.clone();
        let got = filter(chain, ws, &mut filtered, Some(&mut predicted)).unwrap();
        assert_log_close(label, got, want.marginal_loglik);
        assert_close(label, &filtered, &want.filtered, TOLERANCE);
        assert_close(label, &predicted, &want.predicted, TOLERANCE);
        let got = log_space::filter(chain, &mut filtered, Some(&mut predicted)).unwrap();
        assert_log_close(label, got, want.marginal_loglik);
        assert_close(label, &filtered, &want.filtered, TOLERANCE);
        assert_close(label, &predicted, &want.predicted, TOLERANCE);
    });
}

#[test]
fn smoother_conditions_on_everything() {
    on_corpus(|label, problem, chain, want, ws| {
        let mut arrays = [0; 3].map(|_| vec![f64::NAN; want.smoothed.len()]);
        let mut pair_sum = vec![f64::NAN; problem.num_states * problem.num_states];
        for engine in ["scaled", "log space"] {
            let [smoothed, filtered, predicted] = &mut arrays;
            let out = Smoothed {
                smoothed,
                filtered: Some(filtered),
                predicted: Some(predicted),
                pair_sum: Some(&mut pair_sum),
            };
            let got = match engine {
                "scaled" => smooth(chain, ws, out).unwrap(),
                _ => log_space::smooth(chain, out).unwrap(),
            };
            let label = &format!("{label}, {engine}");
            assert_log_close(label, got, want.marginal_loglik);
            assert_close(label, &arrays[0], &want.smoothed, TOLERANCE);
            assert_close(label, &arrays[1], &want.filtered, TOLERANCE);
            assert_close(label, &arrays[2], &want.predicted, TOLERANCE);
            assert_close(label, &pair_sum, &want.pair_sum, TOLERANCE);
        }
        let got = smooth(chain, ws, Smoothed::only(&mut arrays[0])).unwrap();
        assert_log_close(label, got, want.marginal_loglik);
        assert_close(label, &arrays[0], &want.smoothed, TOLERANCE);
    });
}

#[test]
fn expected_statistics_visit_every_step_once_from_the_end() {
    on_corpus(|label, problem, chain, want, ws| {
        let k = problem.num_states;
        let mut gamma = vec![f64::NAN; want.smoothed.len()];
        let mut pair_sum = vec![1.0; k * k];
        let mut next = problem.num_steps;
        let mut visit = |steps: std::ops::Range<usize>, rows: &[f64]| {
            assert_eq!(steps.end, next, "{label}");
            next = steps.start;
            gamma[steps.start * k..steps.end * k].copy_from_slice(rows);
        };
        let got = expected_statistics(chain, ws, &mut pair_sum, &mut visit).unwrap();
        assert_eq!(next, 0, "{label}");
        assert_log_close(label, got, want.marginal_loglik);
        assert_close(label, &gamma, &want.smoothed, TOLERANCE);
        pair_sum.iter_mut().for_each(|x| *x -= 1.0);
        assert_close(label, &pair_sum, &want.pair_sum, TOLERANCE);
    });
}

#[test]
fn pairwise_visits_every_pair_once() {
    on_corpus(|label, problem, chain, want, ws| {
        let size = problem.num_states * problem.num_states;
        let mut pairs = vec![f64::NAN; want.pairs.len()];
        let mut next = problem.num_steps;
        let mut visit = |t: usize, pair: &[f64]| {
            assert_eq!(t + 1, next, "{label}");
            next = t;
            pairs[(t - 1) * size..t * size].copy_from_slice(pair);
        };
        let got = pairwise(chain, ws, &mut visit).unwrap();
        assert_eq!(next, 1, "{label}");
        assert_log_close(label, got, want.marginal_loglik);
        assert_close(label, &pairs, &want.pairs, TOLERANCE);

        let mut gamma = vec![f64::NAN; want.smoothed.len()];
        let mut both = vec![f64::NAN; want.pairs.len()];
        let k = problem.num_states;
        expected_statistics_with_pairs(
            chain,
            ws,
            &mut |steps, rows| gamma[steps.start * k..steps.end * k].copy_from_slice(rows),
            &mut |t, pair| both[(t - 1) * size..t * size].copy_from_slice(pair),
        )
        .unwrap();
        assert_close(label, &gamma, &want.smoothed, TOLERANCE);
        assert_close(label, &both, &want.pairs, TOLERANCE);
    });
}

#[test]
fn viterbi_finds_the_best_path() {
    on_corpus(|label, problem, chain, want, ws| {
        let mut path = vec![u32::MAX; problem.num_steps];
        let got = viterbi(chain, ws, &mut path).unwrap();
        assert_log_close(label, got, want.paths[0].0);
        let score = want.paths.iter().find(|(_, p)| *p == path).map(|(score, _)| *score);
        assert_log_close(label, score.unwrap(), want.paths[0].0);
        if want.paths.len() > 1 && want.paths[0].0 - want.paths[1].0 > 1e-9 {
            assert_eq!(path, want.paths[0].1, "{label}");
        }
    });
}

#[test]
fn k_best_lists_distinct_paths_best_first() {
    on_corpus(|label, _, chain, want, _| {
        for count in [1, 2, 5, 40] {
            let got = k_best(chain, count).unwrap();
            assert_eq!(got.len(), count.min(want.paths.len()), "{label}");
            for ((score, path), (best, _)) in got.iter().zip(&want.paths) {
                assert_log_close(label, *score, *best);
                let own = want.paths.iter().find(|(_, p)| p == path).unwrap().0;
                assert_log_close(label, *score, own);
            }
            for (n, (_, path)) in got.iter().enumerate() {
                assert!(got[..n].iter().all(|(_, other)| other != path), "{label}");
            }
        }
    });
}

#[test]
fn fixed_lag_conditions_on_the_window() {
    on_corpus(|label, problem, chain, want, ws| {
        let (k, num_steps) = (problem.num_states, problem.num_steps);
        for lag in [0, 1, 3, 100] {
            let mut smoothed = vec![f64::NAN; num_steps * k];
            let got = fixed_lag(chain, ws, lag, &mut smoothed).unwrap();
            assert_log_close(label, got, want.marginal_loglik);
            for t in 0..num_steps {
                let row = Enumeration::lagged(problem, t, (t + lag).min(num_steps - 1));
                assert_close(label, &smoothed[t * k..(t + 1) * k], &row, TOLERANCE);
            }
        }
        for window in [1, 3, num_steps + 1] {
            let mut out = vec![f64::NAN; num_steps * window * k];
            let mut cumulative = vec![f64::NAN; num_steps];
            fixed_lag_windows(chain, ws, window, &mut out, &mut cumulative).unwrap();
            for t in 0..num_steps {
                assert_log_close(label, cumulative[t], want.cumulative[t]);
                for j in 0..window {
                    let row = match (t + 1 + j).checked_sub(window) {
                        None => vec![0.0; k],
                        Some(s) => Enumeration::lagged(problem, s, t),
                    };
                    let got = &out[(t * window + j) * k..(t * window + j + 1) * k];
                    assert_close(label, got, &row, TOLERANCE);
                }
            }
        }
    });
}

#[test]
fn an_impossible_sequence_has_evidence_minus_infinity_and_no_posterior() {
    let mut ws = Workspace::default();
    for problem in corpus().iter().filter(|p| !p.possible) {
        for_each_form(problem, &mut |label, chain| {
            let size = problem.log_obs.len();
            let ws = &mut ws;
            let mut rows = vec![0.0; size];
            assert_eq!(marginal_loglik(chain, ws), Ok(f64::NEG_INFINITY), "{label}");
            assert_eq!(log_space::marginal_loglik(chain), Ok(f64::NEG_INFINITY), "{label}");
            let want = filter(chain, ws, &mut rows, None).unwrap_err();
            assert!(matches!(want, ChainError::UnexplainedObservation { .. }), "{label}");
            let error = smooth(chain, ws, Smoothed::only(&mut rows)).unwrap_err();
            assert_eq!(error, want, "{label}");
            let mut path = vec![0; problem.num_steps];
            assert_eq!(viterbi(chain, ws, &mut path).unwrap_err(), want, "{label}");
            assert_eq!(k_best(chain, 3).unwrap_err(), want, "{label}");
            let sample = sample_paths(chain, ws, 1, &mut || 0.5, &mut path);
            assert_eq!(sample.unwrap_err(), want, "{label}");
        });
    }
}
