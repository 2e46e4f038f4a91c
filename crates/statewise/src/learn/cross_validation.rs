//! Cross-validated log likelihood for a range of model sizes.

use rand::RngExt;
use statewise_kernels::discrete::ChainError;
use statewise_kernels::random::Seed;

use super::{Learnable, Learner};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::params::{Params, Properties};
use crate::threads;

/// What is left out in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folds {
    /// Whole sequences, dealt at random into `count` folds; scored by log p(y_out).
    Sequences {
        /// Number of folds.
        count: usize,
        /// Where the deal comes from.
        seed: Seed,
    },
    /// `count` contiguous stretches of every sequence, held out as missing; scored by
    /// log p(y_out | y_in) = log p(y_out, y_in) − log p(y_in). This serves a single long sequence.
    Blocks {
        /// Number of folds.
        count: usize,
    },
}

/// A model to be tried: made for one size and one part of the data.
pub struct Candidate {
    /// The model.
    pub model: Box<dyn Learnable>,
    /// Where the fit starts.
    pub start: Params,
    /// What the fit may move.
    pub properties: Properties,
}

/// The score of one size.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossValidated {
    /// The size, as given to the closure.
    pub num_states: usize,
    /// The held-out log likelihood of each fold; −∞ where a fit makes held-out data impossible.
    pub fold_log_probs: Vec<f64>,
    /// Their sum: comparable between sizes, greater is better.
    pub log_prob: f64,
}

/// One fold: what is learnt from, and what the score is made of.
struct Fold {
    training: Dataset<'static>,
    scored: Dataset<'static>,
    /// Whether the score is the gain of `scored` over `training` rather than `scored` alone.
    conditional: bool,
}

/// Fits every size to every fold's training part and scores the part left out.
///
/// * `build` – makes the candidate of a size from the training part (which k-means starts need).
///
/// Sizes and folds run in parallel; the result depends on the folds alone.
///
/// # Errors
/// Fewer than two folds, more folds than sequences (or steps in a sequence), and what `build` and the
/// learner answer.
pub fn cross_validate(
    learner: &dyn Learner,
    sizes: &[usize],
    data: &Dataset<'_>,
    folds: Folds,
    build: &(dyn Fn(usize, &Dataset<'_>) -> Result<Candidate> + Sync),
) -> Result<Vec<CrossValidated>> {
    let parts = match folds {
        Folds::Sequences { count, seed } => sequence_folds(data, count, seed)?,
        Folds::Blocks { count } => block_folds(data, count)?,
    };
    let jobs: Vec<(usize, &Fold)> =
        sizes.iter().flat_map(|size| parts.iter().map(move |part| (*size, part))).collect();
    let scores: Vec<f64> =
        threads::map(jobs, |(size, fold)| score(learner, fold, build(size, &fold.training)?))
            .into_iter()
            .collect::<Result<_>>()?;
    let by_size = sizes.iter().zip(scores.chunks_exact(parts.len()));
    Ok(by_size
        .map(|(&num_states, scores)| CrossValidated {
            num_states,
            fold_log_probs: scores.to_vec(),
            log_prob: scores.iter().sum(),
        })
        .collect())
}

fn score(learner: &dyn Learner, fold: &Fold, candidate: Candidate) -> Result<f64> {
    let Candidate { model, start, properties } = candidate;
    let model = &*model;
    let fitted = learner.fit(model, &start, &properties, &fold.training, &mut |_| true)?.params;
    model.check_data(&fold.scored)?;
    let scored = loglik(model, &fitted, &fold.scored)?;
    Ok(if fold.conditional { scored - loglik(model, &fitted, &fold.training)? } else { scored })
}

/// log p(y | θ), −∞ for impossible data.
fn loglik(model: &dyn Learnable, params: &Params, data: &Dataset<'_>) -> Result<f64> {
    match model.e_step(params, data) {
        Ok(statistics) => Ok(statistics.marginal_loglik),
        Err(Error::Chain { source: ChainError::UnexplainedObservation { .. }, .. }) => {
            Ok(f64::NEG_INFINITY)
        }
        Err(error) => Err(error),
    }
}

fn sequence_folds(data: &Dataset<'_>, count: usize, seed: Seed) -> Result<Vec<Fold>> {
    let n = data.num_sequences();
    if n < 2 {
        let expected = "at least two sequences; for one long sequence hold out blocks (Folds::Blocks)";
        return Err(Error::argument("emissions", "one sequence", expected));
    }
    if count < 2 || count > n {
        return Err(Error::argument("folds", count, format!("2 to {n}, the number of sequences")));
    }
    let mut order: Vec<usize> = (0..n).collect();
    let mut rng = seed.stream("folds", 0);
    for i in (1..n).rev() {
        order.swap(i, rng.random_range(0..=i));
    }
    let mut fold_of = vec![0; n];
    order.iter().enumerate().for_each(|(place, sequence)| fold_of[*sequence] = place % count);
    let part = |fold: usize, inside: bool| -> Vec<usize> {
        (0..n).filter(|i| (fold_of[*i] == fold) == inside).collect()
    };
    Ok((0..count)
        .map(|fold| Fold {
            training: data.select(&part(fold, false)),
            scored: data.select(&part(fold, true)),
            conditional: false,
        })
        .collect())
}

fn block_folds(data: &Dataset<'_>, count: usize) -> Result<Vec<Fold>> {
    let shortest = data.lengths().min().unwrap_or(0);
    if count < 2 || count > shortest {
        let expected = format!("2 to {shortest}, the steps of the shortest sequence");
        return Err(Error::argument("folds", count, expected));
    }
    let all: Vec<usize> = (0..data.num_sequences()).collect();
    (0..count)
        .map(|fold| {
            let training = data.with_missing(|n, t| {
                let steps = data.range(n).len();
                (fold * steps / count..(fold + 1) * steps / count).contains(&t)
            });
            Ok(Fold { training, scored: data.select(&all), conditional: true })
        })
        .collect()
}
