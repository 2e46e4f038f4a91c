//! Learning rates as functions of the step.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A learning rate for each step s = 0, 1, …
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "schedule", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Schedule {
    /// rate.
    Constant {
        /// The rate of every step.
        rate: f64,
    },
    /// rate · decay_rate^(s / transition_steps).
    ExponentialDecay {
        /// The first rate.
        rate: f64,
        /// Steps in which the rate falls by the factor.
        transition_steps: f64,
        /// The factor.
        decay_rate: f64,
    },
    /// rate · ((1 − α) ½ (1 + cos(π min(s / decay_steps, 1))) + α).
    CosineDecay {
        /// The first rate.
        rate: f64,
        /// Steps until the last rate is reached.
        decay_steps: f64,
        /// α, the last rate as a share of the first.
        #[serde(default)]
        final_share: f64,
    },
    /// Rises linearly to the first rate of `then` over `steps`, then follows it.
    WarmUp {
        /// Steps of the rise.
        steps: u64,
        /// The schedule after it.
        then: Box<Schedule>,
    },
}

impl Schedule {
    /// Half a cosine from 1 to 0, ½ (1 + cos πx), over the share x of the way, which ends at 1.
    pub fn cosine(x: f64) -> f64 {
        0.5 * (1.0 + (std::f64::consts::PI * x.min(1.0)).cos())
    }

    /// The rate of step `step`, 0-based.
    pub fn at(&self, step: u64) -> f64 {
        let s = step as f64;
        match self {
            Schedule::Constant { rate } => *rate,
            Schedule::ExponentialDecay { rate, transition_steps, decay_rate } => {
                rate * decay_rate.powf(s / transition_steps)
            }
            Schedule::CosineDecay { rate, decay_steps, final_share } => {
                rate * ((1.0 - final_share) * Self::cosine(s / decay_steps) + final_share)
            }
            Schedule::WarmUp { steps, then } if step < *steps => {
                then.at(0) * (s + 1.0) / (*steps as f64 + 1.0)
            }
            Schedule::WarmUp { steps, then } => then.at(step - steps),
        }
    }

    /// Checks rates and lengths.
    ///
    /// # Errors
    /// The first that is out of range.
    pub fn check(&self) -> Result<()> {
        let positive = |name: &str, value: f64| {
            let expected = "a positive number";
            if value > 0.0 && value.is_finite() {
                Ok(())
            } else {
                Err(Error::argument(name, value, expected))
            }
        };
        match self {
            Schedule::Constant { rate } => positive("rate", *rate),
            Schedule::ExponentialDecay { rate, transition_steps, decay_rate } => {
                positive("rate", *rate)?;
                positive("transition_steps", *transition_steps)?;
                positive("decay_rate", *decay_rate)
            }
            Schedule::CosineDecay { rate, decay_steps, final_share } => {
                positive("rate", *rate)?;
                positive("decay_steps", *decay_steps)?;
                if (0.0..=1.0).contains(final_share) {
                    Ok(())
                } else {
                    Err(Error::argument("final_share", final_share, "a number in [0, 1]"))
                }
            }
            Schedule::WarmUp { then, .. } => then.check(),
        }
    }
}
