//! Models drawn from their default priors, however wide these are.

use statewise::data::Dataset;
use statewise::model::hmm::Start;
use statewise_kernels::random::Seed;

use crate::scene::scenes;

#[test]
fn data_drawn_from_the_default_prior_are_data_of_the_family() {
    for scene in scenes() {
        let (hmm, u) = (&scene.hmm, scene.hmm.input_dim());
        for seed in 0..40 {
            let name = format!("{}, seed {seed}", scene.name);
            let (drawn, _) = hmm.initialize(Start::Prior, Seed(seed), &[]).unwrap();
            let num_steps = 60;
            let inputs: Vec<f64> = (0..num_steps * u).map(|i| (1.3 * i as f64).sin()).collect();
            let (_, rows) = hmm.sample(&drawn, Seed(seed), 0, num_steps, &inputs).unwrap();
            let data = Dataset::single(rows, hmm.emission_width());
            let data = data.unwrap_or_else(|e| panic!("{name}: {e}"));
            let data = if u > 0 { data.with_inputs(inputs, u).unwrap() } else { data };
            let filtered = hmm.filter(&drawn, &data).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(filtered.marginal_loglik[0].is_finite(), "{name}");
            assert!(filtered.filtered_probs.iter().all(|p| (0.0..=1.0).contains(p)), "{name}");
            match hmm.initialize(Start::KMeans(&data), Seed(seed), &[]) {
                Ok((start, _)) => {
                    hmm.filter(&start, &data).unwrap_or_else(|e| panic!("{name} from k-means: {e}"));
                }
                Err(error) => assert!(error.to_string().contains("distinct rows"), "{name}: {error}"),
            }
        }
    }
}
