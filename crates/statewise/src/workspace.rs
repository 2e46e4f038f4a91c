//! Workspaces that threads keep between calls.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

use statewise_kernels::discrete::Workspace;

thread_local! {
    static SPARE: Cell<Option<Workspace>> = const { Cell::new(None) };
}

/// A workspace lent by the current thread and given back when dropped.
///
/// PERF: iterations of EM and repeated calls then touch memory that is mapped already; for long
/// sequences, mapping it anew costs as much as the engines do.
pub(crate) struct Lent(Workspace);

impl Lent {
    /// The thread's spare workspace, or a new one.
    pub(crate) fn take() -> Self {
        Lent(SPARE.take().unwrap_or_default())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        SPARE.set(Some(std::mem::take(&mut self.0)));
    }
}

impl Deref for Lent {
    type Target = Workspace;

    fn deref(&self) -> &Workspace {
        &self.0
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Workspace {
        &mut self.0
    }
}
