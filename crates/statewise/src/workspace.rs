//! Workspaces that threads keep between calls.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::thread::LocalKey;

use statewise_kernels::discrete::Workspace;
use statewise_kernels::gaussian::{InformationWorkspace, SeparateScratch};

use crate::infer::gaussian::{Buffers, LotBuffers, RootBuffers};

/// Buffers of which a thread keeps one set between calls.
pub(crate) trait Spare: Default + 'static {
    /// Where the thread keeps them.
    fn place() -> &'static LocalKey<Cell<Option<Self>>>;
}

macro_rules! spare {
    ($type:ty) => {
        impl Spare for $type {
            fn place() -> &'static LocalKey<Cell<Option<Self>>> {
                thread_local! {
                    static SPARE: Cell<Option<$type>> = const { Cell::new(None) };
                }
                &SPARE
            }
        }
    };
}

spare!(Workspace);
spare!(Buffers);
spare!(LotBuffers);
spare!(RootBuffers);
spare!(InformationWorkspace);
spare!(SeparateScratch);

/// Buffers lent by the current thread and given back when dropped.
///
/// PERF: iterations of EM and repeated calls then touch memory that is mapped already; for long
/// sequences, mapping it anew costs as much as the engines do.
pub(crate) struct Loan<T: Spare>(T);

/// The workspace of the engines for chains.
pub(crate) type Lent = Loan<Workspace>;

impl<T: Spare> Loan<T> {
    /// The thread's spare buffers, or new ones.
    pub(crate) fn take() -> Self {
        Loan(T::place().take().unwrap_or_default())
    }
}

impl<T: Spare> Drop for Loan<T> {
    fn drop(&mut self) {
        T::place().set(Some(std::mem::take(&mut self.0)));
    }
}

impl<T: Spare> Deref for Loan<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Spare> DerefMut for Loan<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
