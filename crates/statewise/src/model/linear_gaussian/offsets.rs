//! What biases and inputs add to each step: b_t + B_t u_t and d_t + D_t u_t.

use statewise_kernels::gaussian::{Series, Steps};

use crate::data::Sequence;
use crate::params::Array;

/// A bias, input weights, and the length of what they add up to.
pub(super) type Terms<'a> = (&'a Option<Array>, &'a Option<Array>, usize);

/// The offsets of one sequence, computed or borrowed; [`Offsets::series`] is what the engines see.
#[derive(Clone, Debug)]
pub struct Offsets<'a> {
    transition: Offset<'a>,
    emission: Offset<'a>,
    emissions: &'a [f64],
}

impl<'a> Offsets<'a> {
    /// From (bias, input weights, length) of the transition and of the emission.
    pub(super) fn new(transition: Terms<'a>, emission: Terms<'a>, sequence: Sequence<'a>) -> Self {
        Offsets {
            transition: offset(transition, sequence),
            emission: offset(emission, sequence),
            emissions: sequence.emissions,
        }
    }

    /// The series with these offsets.
    pub fn series(&self) -> Series<'_> {
        Series {
            emissions: self.emissions,
            transition_offset: self.transition.steps(),
            emission_offset: self.emission.steps(),
        }
    }
}

#[derive(Clone, Debug)]
enum Offset<'a> {
    None,
    Bias(Steps<'a>),
    Computed { values: Vec<f64>, len: usize },
}

impl Offset<'_> {
    fn steps(&self) -> Option<Steps<'_>> {
        match self {
            Offset::None => None,
            Offset::Bias(steps) => Some(*steps),
            Offset::Computed { values, len } => Some(Steps::per_step(values, *len)),
        }
    }
}

/// bias_t + weights_t u_t for every step.
fn offset<'a>((bias, weights, len): Terms<'a>, sequence: Sequence<'a>) -> Offset<'a> {
    let bias = bias.as_ref().map(|b| steps(b, len, 1));
    let weights = match weights {
        Some(w) if sequence.input_dim > 0 && !w.values().is_empty() => {
            steps(w, len * sequence.input_dim, 2)
        }
        _ => return bias.map_or(Offset::None, Offset::Bias),
    };
    let mut values = vec![0.0; sequence.num_steps() * len];
    for (t, row) in values.chunks_exact_mut(len).enumerate() {
        offset_at(bias.as_ref(), Some(&weights), t, sequence.input(t), row);
    }
    Offset::Computed { values, len }
}

/// bias_t + weights_t u of one step, added to a row of zeros.
pub(super) fn offset_at(
    bias: Option<&Steps<'_>>,
    weights: Option<&Steps<'_>>,
    t: usize,
    u: &[f64],
    row: &mut [f64],
) {
    if let Some(bias) = bias {
        row.copy_from_slice(bias.at(t));
    }
    if let Some(weights) = weights {
        for (x, w) in row.iter_mut().zip(weights.at(t).chunks_exact(u.len())) {
            *x += w.iter().zip(u).map(|(w, u)| w * u).sum::<f64>();
        }
    }
}

/// An array as steps: one entry per step where it has an axis more than an entry.
pub(super) fn steps(array: &Array, len: usize, rank: usize) -> Steps<'_> {
    if array.shape().len() > rank {
        Steps::per_step(array.values(), len)
    } else {
        Steps::fixed(array.values())
    }
}
