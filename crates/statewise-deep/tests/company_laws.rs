//! A sequence's numbers are its own: whatever sequences, gaps and shards stand beside it.

mod small;

use rand::RngExt;
use statewise::Seed;
use statewise::data::Dataset;
use statewise_deep::learn::{Annealing, Fit, FitOptions, Objective};
use statewise_deep::model::{Combiner, DmmConfig, EmissionKind, Evidence, GuideStart};
use statewise_deep::{Cell, DeepMarkovModel};

use small::small;

/// A binary sequence, the same for the same key; one entry in six is missing.
fn sequence(key: u64, length: usize, dim: usize) -> Vec<f64> {
    let mut rng = Seed(key).stream("sequence", 0);
    let mut entry = |i: usize| {
        let x = f64::from(u8::from(rng.random::<f64>() < 0.4));
        if i % 6 == 4 { f64::NAN } else { x }
    };
    (0..length * dim).map(&mut entry).collect()
}

fn together(parts: &[(u64, usize)], dim: usize) -> Dataset<'static> {
    let rows: Vec<f64> = parts.iter().flat_map(|(key, length)| sequence(*key, *length, dim)).collect();
    let lengths: Vec<usize> = parts.iter().map(|(_, length)| *length).collect();
    Dataset::ragged(rows, &lengths, dim).unwrap()
}

fn every_guide(mut check: impl FnMut(&DmmConfig)) {
    for evidence in [Evidence::Left, Evidence::Right, Evidence::Both] {
        for combiner in [Combiner::MeanField, Combiner::Average, Combiner::Product] {
            for (rnn, guide_start, iaf_layers) in
                [(Cell::Gru, GuideStart::Learned, 0), (Cell::Lstm, GuideStart::Noise, 2)]
            {
                let config = DmmConfig { iaf_layers, iaf_width: 4, ..small(3) };
                check(&DmmConfig { evidence, combiner, rnn, guide_start, ..config });
            }
        }
    }
}

fn assert_near(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-12 * (1.0 + a.abs()), "{a} and {b}");
}

#[test]
fn a_sequence_has_the_same_bound_in_any_company() {
    every_guide(|config| {
        let model = DeepMarkovModel::<f64>::new(config, Seed(1)).unwrap();
        // The second sequence stays, at its place; the others are shorter, longer, equally long or gone.
        let companies = [
            vec![(9, 1), (2, 5)],
            vec![(1, 8), (2, 5), (3, 1), (4, 5)],
            vec![(5, 2), (2, 5), (6, 30), (7, 5), (8, 4000)],
        ];
        let estimates = companies.map(|parts| {
            let data = together(&parts, 3);
            [
                model.bound(&data, 3, Seed(4)).unwrap().per_sequence[1],
                model.bound(&data, 3, Seed(4)).unwrap().divergence[1],
                model.importance_sampling(&data, 3, Seed(4)).unwrap().per_sequence[1],
                model.particle_bound(&data, 3, 0.5, Seed(4)).unwrap().per_sequence[1],
            ]
        });
        for k in 0..4 {
            assert_near(estimates[0][k], estimates[1][k]);
            assert_near(estimates[0][k], estimates[2][k]);
        }
    });
}

#[test]
fn the_first_sequence_of_a_batch_is_that_sequence_alone() {
    every_guide(|config| {
        let model = DeepMarkovModel::<f64>::new(config, Seed(1)).unwrap();
        let (alone, batch) = (together(&[(2, 5)], 3), together(&[(2, 5), (3, 7), (4, 2)], 3));
        let bound = |data: &Dataset<'_>| model.bound(data, 2, Seed(4)).unwrap().per_sequence[0];
        assert_near(bound(&alone), bound(&batch));
        let infer = |data: &Dataset<'_>| model.infer(data, 2, Seed(4)).unwrap();
        let (alone, batch) = (infer(&alone), infer(&batch));
        alone.means.iter().zip(&batch.means).for_each(|(a, b)| assert_near(*a, *b));
        alone.variances.iter().zip(&batch.variances).for_each(|(a, b)| assert_near(*a, *b));
    });
}

#[test]
fn gradients_of_sequences_add_up() {
    every_guide(|config| {
        let model = DeepMarkovModel::<f64>::new(config, Seed(1)).unwrap();
        for objective in [Objective::Elbo, Objective::SampledElbo, Objective::Iwae] {
            let gradient = |parts: &[(u64, usize)]| {
                let data = together(parts, 3);
                model.objective_gradient(&data, objective, 2, 0.5, Seed(3)).unwrap().1
            };
            // Draws go with a sequence's place: g(a, b) + g(c, d) = g(a, d) + g(c, b).
            let [a, b, c, d] = [(1, 4), (2, 6), (3, 9), (4, 1)];
            let crossed = [gradient(&[a, b]), gradient(&[c, d]), gradient(&[a, d]), gradient(&[c, b])];
            for (i, x) in crossed[0].iter().enumerate() {
                let scale: f64 = crossed.iter().map(|g| g[i].abs()).sum();
                let gap = (x + crossed[1][i]) - (crossed[2][i] + crossed[3][i]);
                assert!(gap.abs() <= 1e-12 * (1.0 + scale), "weight {i}: {gap}");
            }
        }
    });
}

#[test]
fn a_feature_that_is_always_missing_is_no_feature() {
    for (emission, kept) in [
        (EmissionKind::Bernoulli, [0, 2]),
        (EmissionKind::Poisson, [0, 1]),
        (EmissionKind::Gaussian, [1, 2]),
    ] {
        let config = |dim: usize| DmmConfig { emission, embedding: 4, ..small(dim) };
        let wide = DeepMarkovModel::<f64>::new(&config(3), Seed(1)).unwrap();
        let mut narrow = DeepMarkovModel::<f64>::new(&config(2), Seed(2)).unwrap();
        for tensor in narrow.tensors().to_vec() {
            let values = wide.tensor(&tensor.name).unwrap();
            let columns = *tensor.shape.last().unwrap();
            let wanted: Vec<f64> = if tensor.name == "guide.embedding.0.weight" {
                kept.iter().flat_map(|row| values[row * columns..(row + 1) * columns].to_vec()).collect()
            } else if tensor.name.starts_with("emission.output") {
                let of = |(e, x): (usize, &f64)| kept.contains(&(e % 3)).then_some(*x);
                values.iter().enumerate().filter_map(of).collect()
            } else {
                values.to_vec()
            };
            narrow.tensor_mut(&tensor.name).unwrap().copy_from_slice(&wanted);
        }
        let mut rows = together(&[(1, 6), (2, 3)], 3).rows().to_vec();
        rows.iter_mut()
            .enumerate()
            .filter(|(e, _)| !kept.contains(&(e % 3)))
            .for_each(|(_, x)| *x = f64::NAN);
        let gaps = Dataset::ragged(rows, &[6, 3], 3).unwrap();
        let rows: Vec<f64> = gaps.rows().chunks(3).flat_map(|x| kept.map(|j| x[j])).collect();
        let data = Dataset::ragged(rows, &[6, 3], 2).unwrap();
        let bound = |model: &DeepMarkovModel<f64>, data: &Dataset<'_>| {
            model.bound(data, 2, Seed(4)).unwrap().per_sequence
        };
        let (wide, narrow) = (bound(&wide, &gaps), bound(&narrow, &data));
        wide.iter().zip(&narrow).for_each(|(a, b)| assert_near(*a, *b));
    }
}

#[test]
fn nothing_observed_is_explained_for_free() {
    for emission in [
        EmissionKind::Bernoulli,
        EmissionKind::Gaussian,
        EmissionKind::Poisson,
        EmissionKind::Categorical,
        EmissionKind::Nade,
    ] {
        let config = DmmConfig { emission, num_classes: 3, ..small(2) };
        let model = DeepMarkovModel::<f64>::new(&config, Seed(1)).unwrap();
        let data = Dataset::batch(vec![f64::NAN; 12], 2, 2).unwrap();
        let terms = model.objective_gradient(&data, Objective::Elbo, 1, 1.0, Seed(1)).unwrap().0;
        assert_eq!(terms.nll, 0.0, "{emission:?}");
        assert!(terms.divergence > 0.0);
    }
}

#[test]
fn shards_change_rounding_only() {
    let data = together(&[(1, 4), (2, 9), (3, 1), (4, 4), (5, 6), (6, 2), (7, 5)], 3);
    let fitted = |shard_size: usize| {
        let options = FitOptions {
            epochs: 4,
            batch_size: 7,
            shard_size,
            num_particles: 2,
            annealing: Annealing { start: 0.5, updates: 10.0 },
            ..FitOptions::preset("default").unwrap()
        };
        let mut model = DeepMarkovModel::<f64>::new(&small(3), Seed(1)).unwrap();
        Fit::new(options).unwrap().run(&mut model, &data, None, &mut |_| true).unwrap();
        model.parameters().to_vec()
    };
    let whole = fitted(10);
    for shard_size in [1, 2, 3] {
        for (a, b) in whole.iter().zip(fitted(shard_size)) {
            // Adam divides by gradients that may be small: their rounding errors grow.
            assert!((a - b).abs() < 1e-9, "{a} and {b}");
        }
    }
}

#[test]
fn paths_of_a_long_sequence_are_drawn_in_parts_that_fit_in_memory() {
    let model = DeepMarkovModel::<f64>::new(&small(3), Seed(1)).unwrap();
    // Sixteen paths of 4000 steps fit, seventeen do not.
    let data = together(&[(1, 6), (2, 4000)], 3);
    let part = |seed: Seed, paths: usize| model.bound(&data, paths, seed).unwrap().per_sequence;
    let (first, rest) = (part(Seed(4), 16), part(Seed(4).child("paths", 16), 4));
    let found = part(Seed(4), 20);
    assert_near(found[0], model.bound(&together(&[(1, 6)], 3), 20, Seed(4)).unwrap().per_sequence[0]);
    assert_near(found[1], (16.0 * first[1] + 4.0 * rest[1]) / 20.0);
}
