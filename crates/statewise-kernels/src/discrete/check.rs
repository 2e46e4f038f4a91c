//! Sizes of a chain and of its callers' arrays.

use super::{Chain, ChainError, Transitions};

/// T and K, after checking that the arrays of `chain` fit each other.
pub(super) fn sizes(chain: &Chain<'_>) -> Result<(usize, usize), ChainError> {
    let num_steps = chain.observations.num_steps();
    let num_states = chain.observations.num_states();
    length("initial", chain.initial.len(), num_states.max(1))?;
    match chain.transitions {
        Transitions::Static(a) => length("transitions", a.len(), num_states * num_states)?,
        Transitions::PerStep(a) => {
            let expected = num_steps.saturating_sub(1) * num_states * num_states;
            length("transitions", a.len(), expected)?;
        }
        Transitions::Computed(_) => {}
    }
    Ok((num_steps, num_states))
}

/// Checks the length of one argument.
pub(super) fn length(argument: &'static str, found: usize, expected: usize) -> Result<(), ChainError> {
    if found == expected { Ok(()) } else { Err(ChainError::Shape { argument, found, expected }) }
}

/// Checks the length of an argument that may be left out.
pub(super) fn optional_length(
    argument: &'static str,
    found: &Option<&mut [f64]>,
    expected: usize,
) -> Result<(), ChainError> {
    found.as_ref().map_or(Ok(()), |values| length(argument, values.len(), expected))
}
