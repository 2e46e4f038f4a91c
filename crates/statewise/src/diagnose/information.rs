//! The observed information and sums of squared scores, in free coordinates.
//!
//! I = −∂² log p(y | θ(x)) / ∂x ∂xᵀ by differences of the exact score;  B = Σ_i s_i s_iᵀ

use crate::data::Dataset;
use crate::error::Result;
use crate::learn::Objective;
use crate::threads;

/// First step of the pilot, as a share of 1 + |x|.
const PILOT: f64 = 1e-3;
/// The step proper, in standard errors given all other coordinates.
const STEP: f64 = 0.1;
/// The least and largest step, as shares of 1 + |x|.
const STEPS: (f64, f64) = (1e-6, 0.1);

/// What the scores of a sandwich or outer-product covariance belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScoreUnits {
    /// Whole sequences, independent of each other: needs more of them than parameters.
    #[default]
    Sequences,
    /// Single steps, s_t = ∂ log p(y_t | y_{1:t-1}): differences of the scores of y_{1:t} and y_{1:t-1},
    /// hence a time of O(T²).
    Observations,
}

/// A matrix by differences, and how far off it may be.
pub(super) struct Information {
    /// I, \[P, P\].
    pub(super) values: Vec<f64>,
    /// What the last step of extrapolation changed, and what is not symmetric, \[P, P\].
    pub(super) errors: Vec<f64>,
}

/// Differences the score at `x` along every coordinate.
///
/// Central differences with steps h, h/2 and h/4, extrapolated twice (Richardson), have an error
/// of order h⁶; h is a tenth of the coordinate's standard error, as a pilot estimates it.
/// 8 P evaluations, in parallel.
///
/// # Errors
/// A sequence that parameters near `x` can't explain.
pub(super) fn observed_information(
    objective: &Objective<'_>,
    x: &[f64],
    data: &Dataset<'_>,
) -> Result<Information> {
    let p = x.len();
    let columns: Vec<(Vec<f64>, Vec<f64>)> =
        threads::map((0..p).collect(), |j| extrapolated(objective, x, j, data))
            .into_iter()
            .collect::<Result<_>>()?;
    let mut values = vec![0.0; p * p];
    let mut errors = vec![0.0; p * p];
    for i in 0..p {
        for j in 0..p {
            let (ij, ji) = (columns[j].0[i], columns[i].0[j]);
            values[i * p + j] = -0.5 * (ij + ji);
            errors[i * p + j] = columns[j].1[i].max(columns[i].1[j]).max(0.5 * (ij - ji).abs());
        }
    }
    Ok(Information { values, errors })
}

/// ∂ score / ∂x_j, and the change that the last extrapolation made.
fn extrapolated(
    objective: &Objective<'_>,
    x: &[f64],
    j: usize,
    data: &Dataset<'_>,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let scale = 1.0 + x[j].abs();
    let slope = |h: f64| -> Result<Vec<f64>> {
        let at = |h: f64| {
            let mut moved = x.to_vec();
            moved[j] += h;
            objective.evaluate(&moved, data, 1.0).map(|e| (moved[j], e.gradient))
        };
        let ((above, up), (below, down)) = (at(h)?, at(-h)?);
        Ok(up.iter().zip(&down).map(|(a, b)| (a - b) / (above - below)).collect())
    };
    let curvature = -slope(PILOT * scale)?[j];
    let standard_error = if curvature > 0.0 { curvature.sqrt().recip() } else { f64::INFINITY };
    let h = (STEP * standard_error).clamp(STEPS.0 * scale, STEPS.1 * scale);
    let combine = |fine: &[f64], coarse: &[f64], factor: f64| -> Vec<f64> {
        fine.iter().zip(coarse).map(|(f, c)| f + (f - c) / factor).collect()
    };
    let (wide, half, quarter) = (slope(h)?, slope(0.5 * h)?, slope(0.25 * h)?);
    let (first, second) = (combine(&half, &wide, 3.0), combine(&quarter, &half, 3.0));
    let best = combine(&second, &first, 15.0);
    let change = best.iter().zip(&second).map(|(a, b)| (a - b).abs()).collect();
    Ok((best, change))
}

/// B at `x`; sequences of weight w count w times.
///
/// # Errors
/// A sequence that can't be explained.
pub(super) fn squared_scores(
    objective: &Objective<'_>,
    x: &[f64],
    data: &Dataset<'_>,
    units: ScoreUnits,
) -> Result<Vec<f64>> {
    let p = x.len();
    let mut total = vec![0.0; p * p];
    for n in (0..data.num_sequences()).filter(|n| data.weight(*n) > 0.0) {
        let num_steps = data.range(n).len();
        let ends = match units {
            ScoreUnits::Sequences => vec![num_steps],
            ScoreUnits::Observations => (1..=num_steps).collect(),
        };
        let scores: Vec<Vec<f64>> =
            threads::map(ends, |end| Ok(objective.evaluate(x, &data.prefix(n, end)?, 1.0)?.gradient))
                .into_iter()
                .collect::<Result<_>>()?;
        let mut before = vec![0.0; p];
        for score in scores {
            for i in 0..p {
                for j in 0..p {
                    total[i * p + j] += data.weight(n) * (score[i] - before[i]) * (score[j] - before[j]);
                }
            }
            before = score;
        }
    }
    Ok(total)
}

/// a aᵀ.
pub(super) fn outer(a: &[f64]) -> Vec<f64> {
    a.iter().flat_map(|x| a.iter().map(move |y| x * y)).collect()
}
