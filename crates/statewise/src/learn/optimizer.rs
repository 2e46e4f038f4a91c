//! First-order optimisers: how a gradient becomes a step.
//!
//! x' = x − η_s d_s(g),  η_s from a schedule, d_s from an update rule and its slots of memory.
//! Names, formulas and defaults are optax's, which Dynamax uses.

use serde::{Deserialize, Serialize};

use super::Schedule;
use crate::error::{Error, Result};

/// The direction that an update rule makes of a gradient.
pub trait UpdateRule {
    /// Vectors of the length of the coordinates that the rule remembers, with their first value.
    fn first_slots(&self) -> Vec<f64>;

    /// Turns the gradient of step `step` (0-based) at `x` into the direction d, in place.
    fn direct(&self, step: u64, x: &[f64], slots: &mut [Vec<f64>], gradient: &mut [f64]);
}

/// Steepest descent: m ← μ m + g; d = m, or μ m + g with Nesterov's look ahead.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// μ, 0 for none.
    pub momentum: f64,
    /// Whether the step looks ahead.
    pub nesterov: bool,
}

impl UpdateRule for Sgd {
    fn first_slots(&self) -> Vec<f64> {
        if self.momentum == 0.0 { vec![] } else { vec![0.0] }
    }

    fn direct(&self, _: u64, _: &[f64], slots: &mut [Vec<f64>], gradient: &mut [f64]) {
        let Some(m) = slots.first_mut() else { return };
        for (g, m) in gradient.iter_mut().zip(m) {
            *m = *g + self.momentum * *m;
            *g = if self.nesterov { *g + self.momentum * *m } else { *m };
        }
    }
}

/// Adam: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g²; d = m̂ / (√v̂ + ε).
///
/// # Source
/// Kingma and Ba (2015).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    /// β₁.
    pub b1: f64,
    /// β₂.
    pub b2: f64,
    /// ε.
    pub eps: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Adam { b1: 0.9, b2: 0.999, eps: 1e-8 }
    }
}

impl UpdateRule for Adam {
    fn first_slots(&self) -> Vec<f64> {
        vec![0.0, 0.0]
    }

    fn direct(&self, step: u64, _: &[f64], slots: &mut [Vec<f64>], gradient: &mut [f64]) {
        let [m, v] = slots else { return };
        let power = (step + 1).min(i32::MAX as u64) as i32;
        let (bias1, bias2) = (1.0 - self.b1.powi(power), 1.0 - self.b2.powi(power));
        for ((g, m), v) in gradient.iter_mut().zip(m).zip(v) {
            *m = self.b1 * *m + (1.0 - self.b1) * *g;
            *v = self.b2 * *v + (1.0 - self.b2) * *g * *g;
            *g = (*m / bias1) / ((*v / bias2).sqrt() + self.eps);
        }
    }
}

/// Adam with decoupled weight decay: d = Adam's + λ x. The decay pulls free coordinates only;
/// fixed parameters have none.
///
/// # Source
/// Loshchilov and Hutter (2019).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    /// β₁.
    pub b1: f64,
    /// β₂.
    pub b2: f64,
    /// ε.
    pub eps: f64,
    /// λ.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        AdamW { b1: 0.9, b2: 0.999, eps: 1e-8, weight_decay: 1e-4 }
    }
}

impl UpdateRule for AdamW {
    fn first_slots(&self) -> Vec<f64> {
        vec![0.0, 0.0]
    }

    fn direct(&self, step: u64, x: &[f64], slots: &mut [Vec<f64>], gradient: &mut [f64]) {
        Adam { b1: self.b1, b2: self.b2, eps: self.eps }.direct(step, x, slots, gradient);
        gradient.iter_mut().zip(x).for_each(|(g, x)| *g += self.weight_decay * x);
    }
}

/// RMSProp: v ← ρ v + (1 − ρ) g²; d = g / √(v + ε).
///
/// # Source
/// Tieleman and Hinton (2012), lecture 6.5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RmsProp {
    /// ρ.
    pub decay: f64,
    /// ε.
    pub eps: f64,
}

impl Default for RmsProp {
    fn default() -> Self {
        RmsProp { decay: 0.9, eps: 1e-8 }
    }
}

impl UpdateRule for RmsProp {
    fn first_slots(&self) -> Vec<f64> {
        vec![0.0]
    }

    fn direct(&self, _: u64, _: &[f64], slots: &mut [Vec<f64>], gradient: &mut [f64]) {
        for (g, v) in gradient.iter_mut().zip(&mut slots[0]) {
            *v = self.decay * *v + (1.0 - self.decay) * *g * *g;
            *g /= (*v + self.eps).sqrt();
        }
    }
}

/// Adagrad: v ← v + g²; d = g / √(v + ε), and 0 where v is.
///
/// # Source
/// Duchi, Hazan and Singer (2011).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adagrad {
    /// The first v.
    pub initial_accumulator_value: f64,
    /// ε.
    pub eps: f64,
}

impl Default for Adagrad {
    fn default() -> Self {
        Adagrad { initial_accumulator_value: 0.1, eps: 1e-7 }
    }
}

impl UpdateRule for Adagrad {
    fn first_slots(&self) -> Vec<f64> {
        vec![self.initial_accumulator_value]
    }

    fn direct(&self, _: u64, _: &[f64], slots: &mut [Vec<f64>], gradient: &mut [f64]) {
        for (g, v) in gradient.iter_mut().zip(&mut slots[0]) {
            *v += *g * *g;
            *g = if *v > 0.0 { *g / (*v + self.eps).sqrt() } else { 0.0 };
        }
    }
}

/// The update rules by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// Steepest descent, with or without momentum.
    Sgd(Sgd),
    /// Adam.
    Adam(Adam),
    /// Adam with decoupled weight decay.
    #[serde(rename = "adamw")]
    AdamW(AdamW),
    /// RMSProp.
    #[serde(rename = "rmsprop")]
    RmsProp(RmsProp),
    /// Adagrad.
    Adagrad(Adagrad),
}

impl Rule {
    fn as_rule(&self) -> &dyn UpdateRule {
        match self {
            Rule::Sgd(rule) => rule,
            Rule::Adam(rule) => rule,
            Rule::AdamW(rule) => rule,
            Rule::RmsProp(rule) => rule,
            Rule::Adagrad(rule) => rule,
        }
    }
}

/// An update rule with its learning rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// What becomes of a gradient.
    pub rule: Rule,
    /// η_s.
    pub schedule: Schedule,
    /// Gradients of a greater Euclidean norm are scaled down to it; `None`: none are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
}

/// What an optimiser remembers between steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OptimizerState {
    /// Steps made.
    pub step: u64,
    /// The rule's vectors, each as long as the coordinates.
    pub slots: Vec<Vec<f64>>,
}

impl Default for Optimizer {
    /// Adam at a rate of 10⁻³, as Dynamax.
    fn default() -> Self {
        Optimizer::constant(Rule::Adam(Adam::default()), 1e-3)
    }
}

impl Optimizer {
    /// A rule at a constant rate.
    pub fn constant(rule: Rule, rate: f64) -> Self {
        Optimizer { rule, schedule: Schedule::Constant { rate }, clip_norm: None }
    }

    /// The memory before the first step, for `dim` coordinates.
    pub fn start(&self, dim: usize) -> OptimizerState {
        let slots = self.rule.as_rule().first_slots();
        OptimizerState { step: 0, slots: slots.into_iter().map(|first| vec![first; dim]).collect() }
    }

    /// Moves `x` down the gradient, which is overwritten.
    pub fn step(&self, state: &mut OptimizerState, x: &mut [f64], gradient: &mut [f64]) {
        if let Some(limit) = self.clip_norm {
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            if norm > limit {
                gradient.iter_mut().for_each(|g| *g *= limit / norm);
            }
        }
        self.rule.as_rule().direct(state.step, x, &mut state.slots, gradient);
        let rate = self.schedule.at(state.step);
        x.iter_mut().zip(gradient).for_each(|(x, d)| *x -= rate * *d);
        state.step += 1;
    }

    /// Checks the rate, the limit and a state to be resumed.
    ///
    /// # Errors
    /// The first that does not fit.
    pub fn check(&self, state: Option<&OptimizerState>, dim: usize) -> Result<()> {
        self.schedule.check()?;
        if let Some(limit) = self.clip_norm
            && (limit.is_nan() || limit <= 0.0)
        {
            return Err(Error::argument("clip_norm", limit, "a positive number"));
        }
        let Some(state) = state else { return Ok(()) };
        let expected = self.rule.as_rule().first_slots().len();
        if state.slots.len() != expected || state.slots.iter().any(|slot| slot.len() != dim) {
            let found: Vec<usize> = state.slots.iter().map(Vec::len).collect();
            let expected =
                format!("{expected} slots of length {dim}, of the same rule and free parameters");
            return Err(Error::argument(
                "optimizer_state",
                format!("slots of lengths {found:?}"),
                expected,
            ));
        }
        Ok(())
    }
}
