//! Transitions given as formulas: derivatives of every operation.

use statewise::Seed;
use statewise::data::Dataset;
use statewise_deep::learn::Objective;
use statewise_deep::model::{Combiner, DmmConfig, EmissionKind, TransitionKind};
use statewise_deep::{DeepMarkovModel, Function, Operation};

/// (0.2 z₁ + tanh(θ₀ z₂) …) with every operation somewhere, defined wherever z is.
fn every_operation() -> Function {
    use Operation::*;
    let operations = vec![
        Input { index: 0 },
        Input { index: 1 },
        Parameter { index: 0 },
        Parameter { index: 1 },
        Constant { value: 2.0 },
        Multiply { a: 2, b: 1 },
        Tanh { a: 5 },
        Power { a: 0, b: 4 },
        Constant { value: 1.5 },
        Add { a: 7, b: 8 },
        Log { a: 9 },
        Sqrt { a: 9 },
        Divide { a: 11, b: 9 },
        Sin { a: 0 },
        Cos { a: 1 },
        Subtract { a: 13, b: 14 },
        Negate { a: 6 },
        Exp { a: 16 },
        Add { a: 10, b: 12 },
        Multiply { a: 3, b: 17 },
        Add { a: 15, b: 19 },
        Power { a: 9, b: 3 },
        Add { a: 18, b: 21 },
    ];
    Function { operations, outputs: vec![20, 22], parameters: vec![0.5, -0.1] }
}

#[test]
fn a_formula_has_its_gradient_in_states_and_parameters() {
    for combiner in [Combiner::Average, Combiner::Product] {
        let config = DmmConfig {
            latent_dim: 2,
            transition: TransitionKind::Function,
            transition_function: Some(every_operation()),
            emission: EmissionKind::Gaussian,
            emission_layers: 0,
            rnn_size: 3,
            combiner,
            ..DmmConfig::preset("default", 2).unwrap()
        };
        let data = Dataset::ragged(vec![0.3, -0.2, 0.5, 0.9, -0.4, 0.1, 0.7, 0.2], &[3, 1], 2).unwrap();
        let mut model = DeepMarkovModel::<f64>::new(&config, Seed(2)).unwrap();
        let loss = |model: &DeepMarkovModel<f64>| {
            let (terms, gradient) =
                model.objective_gradient(&data, Objective::Elbo, 2, 1.0, Seed(4)).unwrap();
            (-terms.bound, gradient)
        };
        let (_, gradient) = loss(&model);
        for i in 0..model.parameters().len() {
            let start = model.parameters()[i];
            let mut at = |step: f64| {
                model.parameters_mut()[i] = start + step;
                loss(&model).0
            };
            let h = 1e-3;
            let difference = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
            at(0.0);
            let error = (gradient[i] - difference).abs() / (1.0 + difference.abs());
            assert!(error < 1e-7, "parameter {i}: gradient {}, difference {difference}", gradient[i]);
        }
    }
}

#[test]
fn a_formula_that_does_not_fit_names_its_operation() {
    let check = |change: fn(&mut Function)| {
        let mut function = every_operation();
        change(&mut function);
        function.check(2, 2).unwrap_err().to_string()
    };
    assert!(check(|f| f.operations[5] = Operation::Sin { a: 5 }).contains("operations[5]"));
    assert!(check(|f| f.operations[0] = Operation::Input { index: 2 }).contains("index 2"));
    assert!(check(|f| f.outputs = vec![1]).contains("1 outputs"));
    assert!(check(|f| f.outputs = vec![1, 99]).contains("99"));
    assert!(check(|f| f.operations[4] = Operation::Constant { value: f64::NAN }).contains("NaN"));
}
