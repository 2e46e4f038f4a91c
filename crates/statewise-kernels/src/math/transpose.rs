//! Blocks of rows turned so that one vector holds one column of eight rows.

/// Numbers in a lane.
pub(super) const LANES: usize = 8;
/// Rows of a block: its transpose stays in the first-level cache up to some twenty dimensions.
pub(super) const BLOCK: usize = 128;
pub(super) const GROUPS: usize = BLOCK / LANES;
/// Lanes that are worked on together, to hide the latency of the multiply-add.
pub(super) const TILES: usize = 4;

/// One number of each of eight rows.
pub(super) type Lane = [f64; LANES];

/// Writes dimension i of row t into lane t % 8 of `columns[i * GROUPS + t / 8]`.
#[inline(always)]
pub(super) fn transpose(rows: &[f64], dim: usize, columns: &mut [Lane]) {
    for (i, column) in columns.chunks_exact_mut(GROUPS).enumerate() {
        gather(rows, i, dim, column);
    }
}

/// Writes column i of rows of `width` values into consecutive lanes.
#[inline(always)]
pub(super) fn gather(rows: &[f64], i: usize, width: usize, out: &mut [Lane]) {
    let out = out.as_flattened_mut();
    let mut at = i;
    for t in 0..out.len().min(rows.len() / width) {
        out[t] = rows[at];
        at += width;
    }
}

/// Writes lanes into column k of rows of `width` values.
#[inline(always)]
pub(super) fn scatter(lanes: &[Lane], k: usize, width: usize, out: &mut [f64]) {
    // PERF: plain index loops inline into the copies for each instruction set; closures need not.
    let lanes = lanes.as_flattened();
    let mut at = k;
    for t in 0..lanes.len().min(out.len() / width) {
        out[at] = lanes[t];
        at += width;
    }
}

/// The sum of a lane, in a fixed order.
#[inline(always)]
pub(super) fn total(x: &Lane) -> f64 {
    let [a, b, c, d] = [x[0] + x[4], x[1] + x[5], x[2] + x[6], x[3] + x[7]];
    (a + c) + (b + d)
}
