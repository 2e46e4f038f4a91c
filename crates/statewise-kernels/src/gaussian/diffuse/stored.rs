//! Directions as numbers, to be stored and taken up again.

use super::directions::Directions;
use super::rounding::Rounding;

impl Directions {
    /// All that it holds, to be stored.
    pub fn to_values(&self) -> Vec<f64> {
        let sizes = [self.d, self.width, self.rank, self.stride(), usize::from(self.is_forgotten)];
        let mut values: Vec<f64> = sizes.iter().map(|x| *x as f64).collect();
        values.extend([&self.columns, &self.basis, &self.root, &self.rounding.cov].into_iter().flatten());
        values
    }

    /// Takes up what [`Directions::to_values`] answered; `None` if it is no such thing.
    pub fn from_values(values: &[f64]) -> Option<Self> {
        let (sizes, mut rest) = values.split_at_checked(5)?;
        let size = |i: usize| (sizes[i] >= 0.0 && sizes[i] < 1e6).then_some(sizes[i] as usize);
        let [d, width, rank, q] = [size(0)?, size(1)?, size(2)?, size(3)?];
        if rest.len() != d * width + q * width + q * q + d * d || rank > width || width > q {
            return None;
        }
        let mut take = |len: usize| {
            let (part, more) = rest.split_at(len);
            rest = more;
            part.to_vec()
        };
        let (columns, basis, root) = (take(d * width), take(q * width), take(q * q));
        let rounding = Rounding { cov: take(d * d) };
        Some(Directions { d, width, rank, columns, basis, root, rounding, is_forgotten: sizes[4] != 0.0 })
    }
}
