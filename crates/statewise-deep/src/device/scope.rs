//! What devices know: the evidence lower bounds of all networks but NADE, flows and formulas.

use statewise::{Error, Result};

use crate::learn::Objective;
use crate::model::{DmmConfig, EmissionKind, TransitionKind};

/// Refuses options that a device does not know.
///
/// # Errors
/// The first such option, by its name.
pub(super) fn check(config: &DmmConfig, objective: Objective) -> Result<()> {
    // No arm for all others: whoever adds an option decides here whether devices know it.
    let emission = match config.emission {
        EmissionKind::Nade => Some("nade"),
        EmissionKind::Bernoulli
        | EmissionKind::Gaussian
        | EmissionKind::Categorical
        | EmissionKind::Poisson => None,
    };
    let transition = match config.transition {
        TransitionKind::Function => Some("function"),
        TransitionKind::Gated
        | TransitionKind::GatedDmm
        | TransitionKind::Mlp
        | TransitionKind::Linear
        | TransitionKind::LinearGaussian => None,
    };
    let objective = match objective {
        Objective::Iwae => Some("iwae"),
        Objective::Fivo { .. } => Some("fivo"),
        Objective::Elbo | Objective::SampledElbo => None,
    };
    let flows = (config.iaf_layers > 0).then_some("flows");
    let options = [
        ("emission", emission),
        ("transition", transition),
        ("iaf_layers", flows),
        ("objective", objective),
    ];
    match options.into_iter().find_map(|(option, unknown)| Some((option, unknown?))) {
        None => Ok(()),
        Some((option, value)) => Err(Error::argument(
            option,
            format!("{value} on a GPU"),
            "what GPUs know (not yet nade, flows, formulas, iwae and fivo); train on the CPU: device = cpu",
        )),
    }
}
