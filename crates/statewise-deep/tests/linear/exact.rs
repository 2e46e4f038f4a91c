//! Inference networks that are the exact posterior of a scalar linear Gaussian model.
//!
//! With k steps left to the end, log p(x_{t:T} | z_t) = −½ J_k z² + h_k z + const, and
//!
//! * J_0 = Σ c²/r, J_k = J_0 + a² J_{k−1} / (1 + q J_{k−1});
//! * h_0 = i_t = Σ (x − d) c / r, h_k = i_t + a (h_{k−1} − b J_{k−1}) / (1 + q J_{k−1}).
//!
//! The gains depend on k, which the network learns from a one-hot input: unit k of the embedding passes
//! i_t at k steps from the end and is shut otherwise, and a linear recurrent layer read from the right
//! hands unit k − 1 to unit k, so that unit k is h_k at its own step and zero at others.

use statewise::Seed;
use statewise::data::Dataset;
use statewise_deep::model::{Combiner, DmmConfig, Evidence, GuideStart, Initial};
use statewise_deep::{Cell, DeepMarkovModel, Nonlinearity};

use super::{config, draw, raw, set, variance};

/// More than any i_t: what shuts a unit.
const SHUT: f64 = 100.0;

/// A scalar model, its exact network and sequences of the given lengths.
///
/// The product's network is exact for any lengths. The average has one weight for z_{t−1}, which is
/// exact at one step only: lengths up to two.
pub(crate) fn exact(combiner: Combiner, lengths: &[usize]) -> (DeepMarkovModel<f64>, Dataset<'static>) {
    let average = combiner == Combiner::Average;
    let (codes, dim) = (if average { 3 } else { *lengths.iter().max().unwrap() }, 2);
    let config = DmmConfig {
        combiner,
        evidence: Evidence::Right,
        embedding: 2 * codes,
        nonlinearity: Nonlinearity::Relu,
        combiner_nonlinearity: Nonlinearity::Identity,
        initial: Initial::Learned,
        guide_start: GuideStart::Zero,
        rnn: Cell::Linear,
        rnn_size: 2 * codes + 1,
        rnn_learned_start: false,
        ..config(1, dim, codes)
    };
    let mut model = DeepMarkovModel::<f64>::new(&config, Seed(4)).unwrap();
    for (name, of_input) in [("transition.mean.weight", 1), ("emission.output.weight", 1)] {
        let columns = if name.starts_with("transition") { 1 } else { dim };
        model.tensor_mut(name).unwrap()[of_input * columns..].fill(0.0);
    }
    model.tensor_mut("initial.mean").unwrap()[0] = 0.4;
    let drawn = draw(&model, lengths, false);
    let mut inputs = vec![0.0; drawn.num_rows() * codes];
    for n in 0..drawn.num_sequences() {
        for (t, row) in drawn.range(n).enumerate() {
            inputs[row * codes + code(lengths[n], t, average)] = 1.0;
        }
    }
    let data = Dataset::ragged(drawn.rows().to_vec(), lengths, dim).unwrap();
    fill(&mut model, codes, average);
    (model, data.with_inputs(inputs, codes).unwrap())
}

/// Steps left to the end; for the average, a sequence of one step has a code of its own.
fn code(length: usize, t: usize, average: bool) -> usize {
    if average && length == 1 { 2 } else { length - 1 - t }
}

fn fill(model: &mut DeepMarkovModel<f64>, codes: usize, average: bool) {
    let scalar = |name: &str| model.tensor(name).unwrap()[0];
    let (a, b, q) = (
        scalar("transition.mean.weight"),
        scalar("transition.mean.bias"),
        variance(scalar("transition.spread")),
    );
    let (m, s) = (scalar("initial.mean"), variance(scalar("initial.spread")));
    let c = model.tensor("emission.output.weight").unwrap()[..2].to_vec();
    let d = model.tensor("emission.output.bias").unwrap().to_vec();
    let r: Vec<f64> = model.tensor("emission.spread").unwrap().iter().map(|x| variance(*x)).collect();
    let dim = c.len();
    let own = (0..dim).map(|j| c[j] * c[j] / r[j]).sum::<f64>();
    // J of every code, and what unit k takes over from unit k − 1: gain h + shift.
    let (mut precision, mut gain, mut shift) = (vec![own; codes], vec![0.0; codes], vec![0.0; codes]);
    for k in 1..if average { 2 } else { codes } {
        let rest = 1.0 + q * precision[k - 1];
        gain[k] = a / rest;
        shift[k] = -a * b * precision[k - 1] / rest;
        precision[k] = own + a * a * precision[k - 1] / rest;
    }
    let offset: f64 = (0..dim).map(|j| d[j] * c[j] / r[j]).sum();
    set(model, "guide.embedding.0.weight", |i, j| match (i.checked_sub(dim), j < codes) {
        (None, true) => c[i] / r[i],
        (Some(code), true) if code == j => 2.0 * SHUT,
        (Some(code), false) if code == j - codes => 1.0,
        _ => 0.0,
    });
    set(model, "guide.embedding.0.bias", |j, _| if j < codes { -SHUT - offset } else { 0.0 });
    set(model, "guide.rnn_right.0.input.weight", |i, j| match i.checked_sub(codes) {
        None if i == j => 1.0,
        Some(code) if code == j => shift[code] - SHUT,
        Some(_) if i == j => 1.0,
        _ => 0.0,
    });
    set(model, "guide.rnn_right.0.input.bias", |_, _| 0.0);
    set(
        model,
        "guide.rnn_right.0.recurrent.weight",
        |i, j| if j < codes && i + 1 == j { gain[j] } else { 0.0 },
    );
    if !average {
        set(model, "guide.head_right.weight", |i, j| match (i, j) {
            (_, 0) if i < codes => 1.0 / precision[i],
            (_, 1) if (codes..2 * codes).contains(&i) => raw(1.0 / precision[i - codes]),
            _ => 0.0,
        });
        return set(model, "guide.head_right.bias", |_, _| 0.0);
    }
    // Half of the combined units is the recurrent layer's, half z_{t−1} in a unit of its own.
    set(model, "guide.state.weight", |_, j| f64::from(u8::from(j == 2 * codes)));
    set(model, "guide.state.bias", |_, _| 0.0);
    let spread = |code: usize| 1.0 / (precision[code] + if code == 0 { 1.0 / q } else { 1.0 / s });
    set(model, "guide.head.weight", |i, j| {
        let code = i % codes;
        2.0 * match (i / codes, j) {
            (0, 0) => spread(code),
            (1, 0) => spread(code) * if code == 0 { b / q } else { m / s },
            (1, 1) => raw(spread(code)),
            (2, 0) => spread(0) * a / q,
            _ => 0.0,
        }
    });
    set(model, "guide.head.bias", |_, _| 0.0);
}
