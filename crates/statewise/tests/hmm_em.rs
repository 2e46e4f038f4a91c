//! EM of whole models against published and recorded values.

use statewise::data::Dataset;
use statewise::learn::Em;
use statewise::model::hmm::emission::{EmissionSpec, Poisson};
use statewise::model::hmm::transition::{StandardTransitions, TransitionSpec};
use statewise::model::hmm::{Hmm, HmmSpec, InitialState, Start};
use statewise::params::{Array, Properties};
use statewise_kernels::random::Seed;

const QUAKES: [f64; 30] = [
    13., 14., 8., 10., 16., 26., 32., 27., 18., 32., 36., 24., 22., 23., 22., 18., 25., 21., 21., 14., 8.,
    11., 14., 23., 18., 17., 19., 20., 22., 19.,
];

#[test]
fn poisson_em_reproduces_dynamax_on_the_first_thirty_earthquake_years() {
    let hmm = Hmm::new(HmmSpec {
        initial: InitialState::new(2),
        transitions: TransitionSpec::Standard(StandardTransitions::new(2)),
        emissions: EmissionSpec::Poisson(Poisson {
            num_states: 2,
            emission_dim: 1,
            emission_prior_concentration: 1.1,
            emission_prior_rate: 0.1,
        }),
    })
    .unwrap();
    let given = [
        ("initial.probs".into(), Array::new(&[2], vec![0.5, 0.5])),
        ("transitions.transition_matrix".into(), Array::new(&[2, 2], vec![0.9, 0.1, 0.2, 0.8])),
        ("emissions.rates".into(), Array::new(&[2, 1], vec![15.0, 25.0])),
    ];
    let (params, _) = hmm.initialize(Start::Prior, Seed(0), &given).unwrap();
    let data = Dataset::single(&QUAKES[..], 1).unwrap();
    let em = Em { num_iters: 5, tolerance: None, prior: true };
    let properties = Properties::trainable(hmm.schema());
    let report = em.fit(&hmm, &params, &properties, &data, &mut |_| true).unwrap();
    let want = [-105.2081533, -103.6575551, -102.82586, -101.6592931, -100.9687578];
    for (got, want) in report.log_probs.iter().zip(want) {
        assert!((got - want).abs() < 2e-6, "{got} for {want}");
    }
    let rates = report.params.get(hmm.schema(), "emissions.rates").unwrap().values();
    assert!((rates[0] - 11.82197275).abs() < 5e-9 && (rates[1] - 22.76127785).abs() < 5e-9, "{rates:?}");
}
