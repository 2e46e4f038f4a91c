//! Decoding: the k most likely paths.

use super::check::sizes;
use super::log_space::LogTransitions;
use super::{Chain, ChainError};
use crate::math::ln_slice;

/// One way to be in a state: its score, and the state and rank it came from.
#[derive(Clone, Copy)]
struct Entry {
    score: f64,
    state: u32,
    rank: u32,
}

/// Finds the `count` most likely paths, best first, each with its log p(z_{1:T}, y_{1:T}).
///
/// The paths are distinct; fewer come back where fewer have a positive probability. Paths of equal
/// probability are ordered by their last states, lowest first.
///
/// # Errors
/// [`ChainError::UnexplainedObservation`] at the first t that no reachable state explains,
/// [`ChainError::InvalidLikelihood`] for a NaN or +∞, [`ChainError::Shape`] for wrong sizes.
///
/// # Source
/// Seshadri and Sundberg (1994), "List Viterbi decoding algorithms with applications", the parallel
/// form. O(T K² n log(K n)) time and O(T K n) memory for n = `count`.
pub fn k_best(chain: &Chain<'_>, count: usize) -> Result<Vec<(f64, Vec<u32>)>, ChainError> {
    let (num_steps, k) = sizes(chain)?;
    if count == 0 || num_steps == 0 {
        return Ok(Vec::new());
    }
    let mut transitions = LogTransitions::new(chain);
    let mut log_b = vec![0.0; k];
    // For every step and state, its best entries, best first.
    let mut lists: Vec<Vec<Vec<Entry>>> = Vec::with_capacity(num_steps);
    for t in 0..num_steps {
        chain.observations.log_likelihoods(t..t + 1, &mut log_b);
        if log_b.iter().any(|x| x.is_nan() || *x == f64::INFINITY) {
            return Err(ChainError::InvalidLikelihood { t });
        }
        let mut row = match lists.last() {
            None => first_entries(chain.initial),
            Some(previous) => extend(previous, transitions.matrix(t), count),
        };
        for (list, log_b) in row.iter_mut().zip(&log_b) {
            list.iter_mut().for_each(|entry| entry.score += log_b);
            list.retain(|entry| entry.score > f64::NEG_INFINITY);
        }
        if row.iter().all(Vec::is_empty) {
            return Err(ChainError::UnexplainedObservation { t, num_states: k });
        }
        lists.push(row);
    }
    Ok(trace(&lists, count))
}

fn first_entries(initial: &[f64]) -> Vec<Vec<Entry>> {
    let mut log_initial = initial.to_vec();
    ln_slice(&mut log_initial);
    log_initial.iter().map(|&score| vec![Entry { score, state: 0, rank: 0 }]).collect()
}

/// The best `count` ways into every state.
fn extend(previous: &[Vec<Entry>], log_a: &[f64], count: usize) -> Vec<Vec<Entry>> {
    let k = previous.len();
    let into = |j: usize| {
        let mut ways: Vec<Entry> = Vec::new();
        for (i, list) in previous.iter().enumerate() {
            for (rank, from) in list.iter().enumerate() {
                let score = from.score + log_a[i * k + j];
                ways.push(Entry { score, state: i as u32, rank: rank as u32 });
            }
        }
        keep_best(&mut ways, count);
        ways
    };
    (0..k).map(into).collect()
}

/// Sorts by score, best first and otherwise as they came, and cuts the rest off.
fn keep_best(ways: &mut Vec<Entry>, count: usize) {
    ways.sort_by(|a, b| b.score.total_cmp(&a.score));
    ways.truncate(count);
}

fn trace(lists: &[Vec<Vec<Entry>>], count: usize) -> Vec<(f64, Vec<u32>)> {
    let mut ends: Vec<Entry> = Vec::new();
    for (state, list) in lists[lists.len() - 1].iter().enumerate() {
        for (rank, entry) in list.iter().enumerate() {
            ends.push(Entry { score: entry.score, state: state as u32, rank: rank as u32 });
        }
    }
    keep_best(&mut ends, count);
    let path_to = |end: &Entry| {
        let (mut state, mut rank) = (end.state, end.rank);
        let mut path = vec![0; lists.len()];
        for t in (0..lists.len()).rev() {
            path[t] = state;
            let entry = lists[t][state as usize][rank as usize];
            (state, rank) = (entry.state, entry.rank);
        }
        (end.score, path)
    };
    ends.iter().map(path_to).collect()
}
