//! What devices know: the evidence lower bounds of all networks but NADE, flows and formulas.

use statewise::{Error, Result};

use crate::learn::Objective;
use crate::model::{DmmConfig, EmissionKind, TransitionKind};

/// Refuses options that a device does not know.
///
/// # Errors
/// The first such option, by its name.
pub(super) fn check(config: &DmmConfig, objective: Objective) -> Result<()> {
    let unknown = [
        ("emission", "nade", config.emission == EmissionKind::Nade),
        ("transition", "function", config.transition == TransitionKind::Function),
        ("iaf_layers", "flows", config.iaf_layers > 0),
        ("objective", "iwae", objective == Objective::Iwae),
        ("objective", "fivo", matches!(objective, Objective::Fivo { .. })),
    ];
    match unknown.into_iter().find(|(_, _, found)| *found) {
        None => Ok(()),
        Some((option, value, _)) => Err(Error::argument(
            option,
            format!("{value} on a GPU"),
            "what GPUs know (not yet nade, flows, formulas, iwae and fivo); train on the CPU: device = cpu",
        )),
    }
}
