//! Some sequences of a dataset as the networks read them.

use statewise::data::Dataset;

use super::config::{DmmConfig, EmissionKind};
use crate::array::{Grid, Packed, Real};

/// Packed observations and everything that is known beside the latent states.
#[derive(Clone, Debug)]
pub(crate) struct Batch<R> {
    /// Rows of the inference network: one a time step.
    pub(crate) packed: Packed,
    /// Rows of the latent states: `packed` with `copies` particles a sequence.
    pub(crate) particles: Packed,
    /// What the inference network reads: features, inputs, which features are there.
    pub(crate) reading: Grid<R>,
    /// x_t of every particle, 0 where missing.
    pub(crate) targets: Grid<R>,
    /// 1 where an entry of x_t is there; none where all are.
    pub(crate) observed: Option<Grid<R>>,
    /// \[x_{t−1}, u_t\] as far as the transition wants it, of every particle.
    pub(crate) transition_context: Grid<R>,
    /// \[x_{t−1}, u_t\] as far as the emission wants it.
    pub(crate) emission_context: Grid<R>,
    /// The dataset's row of every row of `packed`.
    pub(crate) dataset_rows: Vec<usize>,
    /// The dataset's sequences, in the order of `packed`.
    pub(crate) sequences: Vec<usize>,
}

impl<R: Real> Batch<R> {
    /// Packs the given `sequences` of the dataset, each `copies` times.
    pub(crate) fn new(config: &DmmConfig, data: &Dataset<'_>, sequences: &[usize], copies: usize) -> Self {
        let lengths: Vec<usize> = sequences.iter().map(|n| data.sequence(*n).num_steps()).collect();
        let packed = Packed::new(&lengths);
        let particles = packed.repeated(copies);
        let order: Vec<usize> =
            (0..packed.num_sequences()).map(|i| sequences[packed.sequence(i)]).collect();
        let starts: Vec<usize> = order.iter().map(|n| data.range(*n).start).collect();
        let dataset_rows: Vec<usize> = packed.places().map(|(t, i)| starts[i] + t).collect();
        let missing = order.iter().any(|n| data.sequence(*n).emissions.iter().any(|x| x.is_nan()));
        let sized = |width: usize, rows: usize| {
            let mut grid = Grid::new(width);
            grid.resize(rows);
            grid
        };
        let (rows, all) = (packed.num_rows(), particles.num_rows());
        let context = |inputs: usize| inputs - config.latent_dim;
        let mut batch = Batch {
            reading: sized(config.reading_inputs(), rows),
            targets: sized(config.emission_dim, all),
            observed: missing.then(|| sized(config.emission_dim, all)),
            transition_context: sized(context(config.transition_inputs()), all),
            emission_context: sized(context(config.emission_inputs()), all),
            dataset_rows,
            sequences: order,
            particles,
            packed,
        };
        batch.fill(config, data);
        batch
    }

    /// Sums of scores, one value a row of `particles`, over the rows of each sequence.
    pub(crate) fn sums<const K: usize>(&self, scores: [&[R]; K]) -> Vec<[f64; K]> {
        let copies = self.particles.copies();
        let mut sums = vec![[0.0; K]; self.sequences.len()];
        for (row, (_, k)) in self.particles.places().enumerate() {
            let of_row = scores.map(|values| values[row].to_f64());
            sums[k / copies].iter_mut().zip(of_row).for_each(|(sum, x)| *sum += x);
        }
        sums
    }

    fn fill(&mut self, config: &DmmConfig, data: &Dataset<'_>) {
        let copies = self.particles.copies();
        let places: Vec<(usize, usize)> = self.packed.places().collect();
        let features = config.features();
        for (row, (t, i)) in places.into_iter().enumerate() {
            let sequence = data.sequence(self.sequences[i]);
            let x = sequence.emission(t);
            let input = sequence.input(t);
            let reading = self.reading.row_mut(row);
            encode(config, x, &mut reading[..features]);
            copy_reals(input, &mut reading[features..features + input.len()]);
            if config.observe_missing {
                let there = reading[features + input.len()..].iter_mut();
                there.zip(x).for_each(|(o, x)| *o = if x.is_nan() { R::ZERO } else { R::ONE });
            }
            let first = self.particles.rows(t).start + i * copies;
            for particle in first..first + copies {
                for (j, x) in x.iter().enumerate() {
                    let there = !x.is_nan();
                    self.targets.row_mut(particle)[j] = if there { R::from_f64(*x) } else { R::ZERO };
                    if let Some(observed) = &mut self.observed {
                        observed.row_mut(particle)[j] = if there { R::ONE } else { R::ZERO };
                    }
                }
                for context in [&mut self.transition_context, &mut self.emission_context] {
                    let values = context.row_mut(particle);
                    let previous = values.len() - input.len();
                    if previous > 0 && t > 0 {
                        encode(config, sequence.emission(t - 1), &mut values[..previous]);
                    }
                    copy_reals(input, &mut values[previous..]);
                }
            }
        }
    }
}

/// x as a network reads it: 0 where missing, one-hot for labels, ln(1 + x) for counts.
pub(crate) fn encode<R: Real>(config: &DmmConfig, x: &[f64], features: &mut [R]) {
    match config.emission {
        EmissionKind::Categorical => {
            features.fill(R::ZERO);
            for (j, label) in x.iter().enumerate().filter(|(_, x)| !x.is_nan()) {
                features[j * config.num_classes + *label as usize] = R::ONE;
            }
        }
        EmissionKind::Poisson => {
            let values = x.iter().map(|x| if x.is_nan() { 0.0 } else { x.ln_1p() });
            features.iter_mut().zip(values).for_each(|(f, x)| *f = R::from_f64(x));
        }
        EmissionKind::Bernoulli | EmissionKind::Gaussian | EmissionKind::Nade => {
            let values = x.iter().map(|x| if x.is_nan() { 0.0 } else { *x });
            features.iter_mut().zip(values).for_each(|(f, x)| *f = R::from_f64(x));
        }
    }
}

fn copy_reals<R: Real>(from: &[f64], to: &mut [R]) {
    to.iter_mut().zip(from).for_each(|(to, x)| *to = R::from_f64(*x));
}
