//! Relabelling changes names and nothing else.

use statewise::learn::{
    assign, find_permutation, order_by, order_by_parameter, permute_params, permute_properties,
    state_overlap,
};

use crate::scene::scenes;

fn reversed(k: usize) -> Vec<usize> {
    (0..k).map(|i| (i + 1) % k).collect()
}

#[test]
fn permuting_states_permutes_posteriors_and_leaves_the_likelihood() {
    for scene in scenes() {
        let k = scene.hmm.num_states();
        let permutation = reversed(k);
        let permuted = permute_params(scene.hmm.schema(), &scene.truth, &permutation).unwrap();
        let (was, is) = (
            scene.hmm.smoother(&scene.truth, &scene.data()).unwrap(),
            scene.hmm.smoother(&permuted, &scene.data()).unwrap(),
        );
        for (a, b) in was.marginal_loglik.iter().zip(&is.marginal_loglik) {
            assert!((a - b).abs() < 1e-10 * (1.0 + a.abs()), "{}: {a} became {b}", scene.name);
        }
        for (a, b) in was.smoothed_probs.chunks_exact(k).zip(is.smoothed_probs.chunks_exact(k)) {
            for i in 0..k {
                assert!((a[i] - b[permutation[i]]).abs() < 1e-9, "{}", scene.name);
            }
        }
        let was = scene.hmm.log_prior(&scene.truth);
        let is = scene.hmm.log_prior(&permuted);
        assert!((was - is).abs() < 1e-9 * (1.0 + was.abs()), "{}: prior {was} became {is}", scene.name);
        let masks = permute_properties(scene.hmm.schema(), &scene.masked(), &permutation).unwrap();
        masks.check(scene.hmm.schema()).unwrap();
    }
}

#[test]
fn state_axes_of_the_schema_run_over_the_states() {
    for scene in scenes() {
        let k = scene.hmm.num_states();
        for spec in scene.hmm.schema() {
            let axes = &spec.shape[..spec.state_axes];
            assert!(axes.iter().all(|n| *n == k), "{} {}: {:?}", scene.name, spec.path, spec.shape);
        }
    }
}

#[test]
fn the_permutation_found_undoes_a_relabelling() {
    let truth: Vec<u32> = (0..40).map(|t| (t / 7) % 4).collect();
    let names = [2, 0, 3, 1];
    let mut labels: Vec<u32> = truth.iter().map(|z| names[*z as usize]).collect();
    labels[3] = 3;
    let permutation = find_permutation(&labels, &truth, 0).unwrap();
    let relabelled: Vec<u32> = labels.iter().map(|z| permutation[*z as usize] as u32).collect();
    assert_eq!(relabelled.iter().zip(&truth).filter(|(a, b)| a != b).count(), 1);
    let (k, overlap) = state_overlap(&labels, &truth, 0).unwrap();
    assert_eq!((k, overlap.iter().sum::<usize>()), (4, 40));
    assert!(find_permutation(&labels, &truth[1..], 0).is_err());
    assert_eq!(find_permutation(&[], &[], 3).unwrap().len(), 3);
}

#[test]
fn the_assignment_costs_no_more_than_any_other() {
    let (rows, columns) = (4, 6);
    for seed in 0..40 {
        let costs: Vec<f64> = (0..rows * columns)
            .map(|i| ((f64::from(seed) * 7.3 + i as f64 * 1.9).sin() * 10.0).round())
            .collect();
        let total = |choice: &[usize]| -> f64 {
            choice.iter().enumerate().map(|(r, c)| costs[r * columns + c]).sum()
        };
        let got = assign(&costs, rows, columns);
        let mut best = f64::INFINITY;
        let mut choice = vec![0; rows];
        every_choice(0, columns, &mut choice, &mut |c| best = best.min(total(c)));
        assert_eq!(total(&got), best, "{costs:?}");
    }
}

fn every_choice(row: usize, columns: usize, choice: &mut Vec<usize>, see: &mut dyn FnMut(&[usize])) {
    if row == choice.len() {
        return see(choice);
    }
    for column in 0..columns {
        if !choice[..row].contains(&column) {
            choice[row] = column;
            every_choice(row + 1, columns, choice, see);
        }
    }
}

#[test]
fn canonical_order_sorts_by_the_chosen_parameter() {
    for scene in scenes() {
        let spec =
            scene.hmm.schema().iter().find(|s| s.path.starts_with("emissions.") && s.state_axes == 1);
        let Some(spec) = spec else { continue };
        let schema = scene.hmm.schema();
        let permutation = order_by_parameter(schema, &scene.truth, &spec.path, 0).unwrap();
        let sorted = permute_params(schema, &scene.truth, &permutation).unwrap();
        let array = sorted.get(schema, &spec.path).unwrap();
        let keys: Vec<f64> = (0..array.shape()[0]).map(|k| array.row(k)[0]).collect();
        assert!(keys.windows(2).all(|pair| pair[0] <= pair[1]), "{}: {keys:?}", scene.name);
    }
    assert_eq!(order_by(&[3.0, 1.0, 2.0, 1.0]), [3, 0, 2, 1]);
}

#[test]
fn what_is_no_permutation_is_refused() {
    let scene = &scenes()[0];
    for bad in [vec![0; scene.hmm.num_states()], vec![0], vec![]] {
        assert!(permute_params(scene.hmm.schema(), &scene.truth, &bad).is_err(), "{bad:?}");
    }
    assert!(order_by_parameter(scene.hmm.schema(), &scene.truth, "emissions.moons", 0).is_err());
}
