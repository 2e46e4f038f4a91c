//! One time step of a pass on a device: its rows, and where z goes to and comes from.

use std::ops::Range;

use super::driver::NOWHERE;
use super::emission::EmissionTape;
use super::memory::Rows;
use super::transition::TransitionTape;
use crate::array::Packed;
use crate::model::guide::Guide;

/// A time step, with what the draw of z_t reads and writes beside the inference network.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) t: usize,
    pub(super) packed: &'a Packed,
    pub(super) particles: &'a Packed,
    pub(super) emission: &'a EmissionTape,
    pub(super) transition: &'a TransitionTape,
    pub(super) noise: Rows,
    pub(super) z: Rows,
    /// Deltas of z, but for those by way of the emission and the transition.
    pub(super) d_z: Rows,
}

impl Step<'_> {
    /// The rows of its particles.
    pub(super) fn rows(&self) -> Range<usize> {
        self.particles.rows(self.t)
    }

    /// Its rows without particles.
    pub(super) fn steps(&self) -> Range<usize> {
        self.packed.rows(self.t)
    }

    pub(super) fn copies(&self) -> usize {
        self.particles.copies()
    }

    /// The rows of the step before that go on to this one: as many as this one has.
    pub(super) fn before(&self) -> Option<Range<usize>> {
        let start = self.particles.rows(self.t.checked_sub(1)?).start;
        Some(start..start + self.rows().len())
    }

    /// Rows that go on to the next step: its rows, in the same order.
    fn going(&self) -> usize {
        self.particles.active(self.t + 1)
    }

    /// Where the next step reads z: the combiner's past and the transition's input.
    pub(super) fn handed_on(&self, past: Rows) -> [usize; 2] {
        let next = self.rows().end;
        let at = |grid: Rows| match grid.width > 0 && self.going() > 0 {
            true => grid.at + next * grid.stride,
            false => NOWHERE,
        };
        [at(past), at(self.transition.input)]
    }

    /// Deltas of the next step's transition input.
    pub(super) fn later_deltas(&self) -> usize {
        let grid = self.transition.d_input;
        if self.going() > 0 { grid.at + self.rows().end * grid.stride } else { NOWHERE }
    }

    /// The transition's moments where q reads them.
    pub(super) fn prior(&self, guide: &Guide) -> [usize; 2] {
        self.where_read(guide, [self.transition.mean, self.transition.variance])
    }

    /// Their deltas.
    pub(super) fn prior_deltas(&self, guide: &Guide) -> [usize; 2] {
        self.where_read(guide, [self.transition.d_mean, self.transition.d_variance])
    }

    fn where_read(&self, guide: &Guide, grids: [Rows; 2]) -> [usize; 2] {
        let reads = guide.reads_transition();
        grids.map(|grid| if reads { grid.rows(self.rows()).at } else { NOWHERE })
    }

    /// The sizes that the kernels of a draw read.
    pub(super) fn sizes(&self, guide: &Guide) -> [usize; 6] {
        let widths = [self.emission.input.width, self.transition.input.width];
        [guide.latent_dim, guide.spread as usize, widths[0], widths[1], self.going(), self.copies()]
    }
}
