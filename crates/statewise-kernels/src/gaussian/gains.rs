//! What the filter needs at each step that does not depend on the data, shared by all series.

/// Covariances and gains of a stretch of steps. Steps at which the filter has settled share an entry.
///
/// With S = H P Hᵀ + R = L Lᵀ (rows and columns of missing entries are those of the identity), an
/// entry holds the predicted P, the filtered P − Wᵀ W, W = L⁻¹ H P, U = L⁻¹ H, L⁻¹, and
/// −log det L − ½ n log 2π with n the number of entries observed.
///
/// Where R is diagonal this *is* the sequential (univariate) treatment, all of its entries at once. Row i of L⁻¹
/// takes from v_i what v_1..v_{i-1} tell of it, so w_i = (L⁻¹ v)_i is the standardised innovation of entry i given
/// the entries before it, L_ii² is its variance F_i, and row i of W is √F_i times its gain. The covariance after
/// entry i is P less the outer products of the first i rows. So there is no second path for diagonal R; S is never
/// inverted, and its factor serves full R as well. What a sequential filter saves, the factor of S, is O(M³ / 6)
/// a step where covariances are computed, and nothing for the means; of many entries it is `collapse/` that takes
/// the cost away.
///
/// # Source
/// Durbin and Koopman (2012), §6.4, for the sequential treatment.
#[derive(Clone, Debug, Default)]
pub struct Gains {
    pub(super) layout: Layout,
    pub(super) entries: Vec<f64>,
    pub(super) index: Vec<u32>,
    /// (entry, row of L⁻¹) of directions of innovations without variance, in order.
    lost: Vec<(u32, u32)>,
    num_entries: usize,
    /// The step of the first entry of `index`.
    pub(super) first: usize,
}

/// Where the parts of an entry lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// D.
    pub(super) d: usize,
    /// M.
    pub(super) m: usize,
}

impl Layout {
    /// Values of an entry.
    pub(super) fn len(self) -> usize {
        2 * self.d * self.d + 2 * self.m * self.d + self.m * self.m + 1
    }

    /// The parts of an entry.
    #[inline(always)]
    pub(super) fn parts(self, entry: &[f64]) -> Parts<'_> {
        let Layout { d, m } = self;
        let (predicted, rest) = entry.split_at(d * d);
        let (filtered, rest) = rest.split_at(d * d);
        let (w, rest) = rest.split_at(m * d);
        let (u, rest) = rest.split_at(m * d);
        let (inverse, rest) = rest.split_at(m * m);
        Parts { predicted, filtered, w, u, inverse, log_norm: rest[0] }
    }

    /// The parts of an entry, to be written.
    #[inline(always)]
    pub(super) fn parts_mut(self, entry: &mut [f64]) -> PartsMut<'_> {
        let Layout { d, m } = self;
        let (predicted, rest) = entry.split_at_mut(d * d);
        let (filtered, rest) = rest.split_at_mut(d * d);
        let (w, rest) = rest.split_at_mut(m * d);
        let (u, rest) = rest.split_at_mut(m * d);
        let (inverse, rest) = rest.split_at_mut(m * m);
        PartsMut { predicted, filtered, w, u, inverse, log_norm: &mut rest[0] }
    }
}

/// One entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    /// P, \[D, D\].
    pub(super) predicted: &'a [f64],
    /// P − Wᵀ W, \[D, D\].
    pub(super) filtered: &'a [f64],
    /// W, \[M, D\].
    pub(super) w: &'a [f64],
    /// U, \[M, D\].
    pub(super) u: &'a [f64],
    /// L⁻¹, \[M, M\].
    pub(super) inverse: &'a [f64],
    /// −log det L − ½ n log 2π.
    pub(super) log_norm: f64,
}

/// One entry, to be written.
pub(super) struct PartsMut<'a> {
    pub(super) predicted: &'a mut [f64],
    pub(super) filtered: &'a mut [f64],
    pub(super) w: &'a mut [f64],
    pub(super) u: &'a mut [f64],
    pub(super) inverse: &'a mut [f64],
    pub(super) log_norm: &'a mut f64,
}

impl Gains {
    /// Empties the table for steps from `first` on; its memory stays.
    pub(super) fn clear(&mut self, layout: Layout, first: usize) {
        self.layout = layout;
        self.first = first;
        self.entries.clear();
        self.index.clear();
        self.lost.clear();
        self.num_entries = 0;
    }

    /// Number of steps.
    pub fn num_steps(&self) -> usize {
        self.index.len()
    }

    /// Number of different entries.
    pub fn num_entries(&self) -> usize {
        self.num_entries
    }

    /// The entry of step t.
    #[inline(always)]
    pub(super) fn entry_of(&self, t: usize) -> usize {
        self.index[t - self.first] as usize
    }

    /// The parts of an entry.
    #[inline(always)]
    pub(super) fn parts(&self, entry: usize) -> Parts<'_> {
        let len = self.layout.len();
        self.layout.parts(&self.entries[entry * len..(entry + 1) * len])
    }

    /// Cov(z_t | y_{1:t-1}), \[D, D\].
    pub fn predicted_cov(&self, t: usize) -> &[f64] {
        self.parts(self.entry_of(t)).predicted
    }

    /// Cov(z_t | y_{1:t}), \[D, D\].
    pub fn filtered_cov(&self, t: usize) -> &[f64] {
        self.parts(self.entry_of(t)).filtered
    }

    /// W = L⁻¹ H P, \[M, D\]: what the standardised innovations of step t add to the state's mean, row by row; 0
    /// for entries that are missing or of no variance.
    pub fn whitened_gain(&self, t: usize) -> &[f64] {
        self.parts(self.entry_of(t)).w
    }

    /// Whether any innovation has a direction without variance.
    pub(super) fn has_lost_rows(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Rows of the L⁻¹ of an entry without variance.
    #[inline(always)]
    pub(super) fn lost_rows(&self, entry: usize) -> &[(u32, u32)] {
        if self.lost.is_empty() {
            return &[];
        }
        let start = self.lost.partition_point(|(e, _)| (*e as usize) < entry);
        let len = self.lost[start..].partition_point(|(e, _)| *e as usize == entry);
        &self.lost[start..start + len]
    }

    /// Adds an entry and makes it that of the next step.
    pub(super) fn push(&mut self, entry: &[f64], lost_rows: &[u32]) {
        let index = self.num_entries as u32;
        self.index.push(index);
        self.entries.extend_from_slice(entry);
        self.lost.extend(lost_rows.iter().map(|row| (index, *row)));
        self.num_entries += 1;
    }

    /// Adds the first step of another table; an entry that equals the last one is shared.
    pub(super) fn append_step(&mut self, step: &Gains) {
        let entry = &step.entries[..step.layout.len()];
        let rows: Vec<u32> = step.lost_rows(0).iter().map(|(_, row)| *row).collect();
        let len = self.layout.len();
        let same = self.num_entries > 0 && {
            let last = self.num_entries - 1;
            let lost = self.lost_rows(last).iter().map(|(_, row)| *row);
            self.entries[last * len..] == *entry && lost.eq(rows.iter().copied())
        };
        if same { self.repeat() } else { self.push(entry, &rows) }
    }

    /// Makes the last entry that of the next step too.
    pub(super) fn repeat(&mut self) {
        self.index.push(self.num_entries() as u32 - 1);
    }
}
