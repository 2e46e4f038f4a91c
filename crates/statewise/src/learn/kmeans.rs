//! k-means with k-means++ seeding, for starting points.

use rand::{Rng, RngExt};
use statewise_kernels::random::draw_index;

use crate::error::{Error, Result};

/// A clustering of rows.
#[derive(Clone, Debug)]
pub struct Clusters {
    /// Centres, shape \[K, width\].
    pub centers: Vec<f64>,
    /// Cluster of each row; `None` for rows with a missing entry.
    pub labels: Vec<Option<usize>>,
}

/// Number of seedings of which the best is kept.
const RESTARTS: usize = 4;
const MAX_ITERATIONS: usize = 100;

/// Clusters the rows without missing entries into `k` clusters: Lloyd's iteration from k-means++
/// seeds, best of four.
///
/// Columns are scaled to unit variance first, so that units do not decide.
///
/// # Errors
/// Fewer distinct complete rows than clusters.
///
/// # Source
/// Arthur and Vassilvitskii (2007), k-means++. O(n k d) per iteration.
pub fn kmeans(rows: &[f64], width: usize, k: usize, rng: &mut impl Rng) -> Result<Clusters> {
    let complete: Vec<usize> = (0..rows.len() / width)
        .filter(|i| rows[i * width..(i + 1) * width].iter().all(|x| !x.is_nan()))
        .collect();
    if complete.is_empty() {
        return Err(Error::argument("emissions", "no complete row", format!("at least {k} complete rows")));
    }
    let scale = column_scales(rows, width, &complete);
    let points: Vec<f64> = complete
        .iter()
        .flat_map(|&i| (0..width).map(move |d| (i, d)))
        .map(|(i, d)| rows[i * width + d] / scale[d])
        .collect();

    let mut best: Option<(f64, Vec<f64>, Vec<usize>)> = None;
    for _ in 0..RESTARTS {
        let Some(mut centers) = seed_centers(&points, width, k, rng) else { break };
        let mut labels = vec![0; complete.len()];
        let mut cost = f64::INFINITY;
        for _ in 0..MAX_ITERATIONS {
            let next = assign(&points, &centers, width, &mut labels);
            if next >= cost {
                break;
            }
            cost = next;
            move_centers(&points, &labels, width, &mut centers);
        }
        if best.as_ref().is_none_or(|(c, _, _)| cost < *c) {
            best = Some((cost, centers, labels));
        }
    }
    let Some((_, mut centers, assigned)) = best else {
        return Err(Error::argument(
            "emissions",
            format!("fewer than {k} distinct rows"),
            format!("at least {k}"),
        ));
    };
    centers.chunks_exact_mut(width).for_each(|c| c.iter_mut().zip(&scale).for_each(|(x, s)| *x *= s));
    let mut labels = vec![None; rows.len() / width];
    complete.iter().zip(assigned).for_each(|(&i, label)| labels[i] = Some(label));
    Ok(Clusters { centers, labels })
}

fn column_scales(rows: &[f64], width: usize, complete: &[usize]) -> Vec<f64> {
    let n = complete.len() as f64;
    (0..width)
        .map(|d| {
            let column = || complete.iter().map(|i| rows[i * width + d]);
            let mean = column().sum::<f64>() / n;
            let variance = column().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
            if variance > 0.0 { variance.sqrt() } else { 1.0 }
        })
        .collect()
}

/// k-means++: each next centre is a point drawn with weight its squared distance to the nearest
/// centre. `None` when fewer than `k` points are distinct.
fn seed_centers(points: &[f64], width: usize, k: usize, rng: &mut impl Rng) -> Option<Vec<f64>> {
    let count = points.len() / width;
    let point = |i: usize| &points[i * width..(i + 1) * width];
    let mut centers = point(rng.random_range(0..count)).to_vec();
    let mut nearest = vec![f64::INFINITY; count];
    while centers.len() < k * width {
        let last = &centers[centers.len() - width..];
        nearest.iter_mut().enumerate().for_each(|(i, d)| *d = d.min(squared_distance(point(i), last)));
        if nearest.iter().all(|d| *d <= 0.0) {
            return None;
        }
        let chosen = draw_index(&nearest, rng.random());
        centers.extend_from_slice(point(chosen));
    }
    Some(centers)
}

fn assign(points: &[f64], centers: &[f64], width: usize, labels: &mut [usize]) -> f64 {
    let mut cost = 0.0;
    for (point, label) in points.chunks_exact(width).zip(labels) {
        let mut best = f64::INFINITY;
        for (c, center) in centers.chunks_exact(width).enumerate() {
            let distance = squared_distance(point, center);
            if distance < best {
                (best, *label) = (distance, c);
            }
        }
        cost += best;
    }
    cost
}

fn move_centers(points: &[f64], labels: &[usize], width: usize, centers: &mut [f64]) {
    let mut sums = vec![0.0; centers.len()];
    let mut counts = vec![0.0; centers.len() / width];
    for (point, &label) in points.chunks_exact(width).zip(labels) {
        counts[label] += 1.0;
        sums[label * width..(label + 1) * width].iter_mut().zip(point).for_each(|(s, x)| *s += x);
    }
    for (c, count) in counts.iter().enumerate().filter(|(_, n)| **n > 0.0) {
        let range = c * width..(c + 1) * width;
        centers[range.clone()].iter_mut().zip(&sums[range]).for_each(|(x, s)| *x = s / count);
    }
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}
