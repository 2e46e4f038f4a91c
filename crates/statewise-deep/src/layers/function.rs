//! A mean given as a formula: elementary operations on z, a context and learnable parameters θ.
//!
//! A [`Function`] is a list of operations, each on the results of earlier ones, as tracing an ordinary
//! function once leaves it. Rows are evaluated one after the other, derivatives go backwards through the
//! same list.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use statewise::{Error, Result};

use crate::array::{Grid, Real};

/// One operation; numbers are places of earlier operations in the list.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// A number.
    Constant {
        /// It.
        value: f64,
    },
    /// Component `index` of \[z_{t−1}, context\].
    Input {
        /// Which one.
        index: usize,
    },
    /// Component `index` of θ.
    Parameter {
        /// Which one.
        index: usize,
    },
    /// a + b.
    Add {
        /// Left operand.
        a: usize,
        /// Right operand.
        b: usize,
    },
    /// a − b.
    Subtract {
        /// Left operand.
        a: usize,
        /// Right operand.
        b: usize,
    },
    /// a b.
    Multiply {
        /// Left operand.
        a: usize,
        /// Right operand.
        b: usize,
    },
    /// a / b.
    Divide {
        /// Left operand.
        a: usize,
        /// Right operand.
        b: usize,
    },
    /// aᵇ for a > 0, or a whole number b that is a constant.
    Power {
        /// Base.
        a: usize,
        /// Exponent.
        b: usize,
    },
    /// −a.
    Negate {
        /// Operand.
        a: usize,
    },
    /// eᵃ.
    Exp {
        /// Operand.
        a: usize,
    },
    /// ln a.
    Log {
        /// Operand.
        a: usize,
    },
    /// √a.
    Sqrt {
        /// Operand.
        a: usize,
    },
    /// sin a.
    Sin {
        /// Operand.
        a: usize,
    },
    /// cos a.
    Cos {
        /// Operand.
        a: usize,
    },
    /// tanh a.
    Tanh {
        /// Operand.
        a: usize,
    },
}

/// A function of \[z, context\] and θ with one output a latent dimension.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// The operations, in an order in which they can be computed.
    pub operations: Vec<Operation>,
    /// The place of each output's operation.
    pub outputs: Vec<usize>,
    /// First values of θ.
    pub parameters: Vec<f64>,
}

impl Operation {
    fn operands(self) -> [Option<usize>; 2] {
        use Operation::*;
        match self {
            Constant { .. } | Input { .. } | Parameter { .. } => [None, None],
            Add { a, b } | Subtract { a, b } | Multiply { a, b } | Divide { a, b } | Power { a, b } => {
                [Some(a), Some(b)]
            }
            Negate { a } | Exp { a } | Log { a } | Sqrt { a } | Sin { a } | Cos { a } | Tanh { a } => {
                [Some(a), None]
            }
        }
    }
}

impl Function {
    /// Checks that every operation has its operands and every output its operation.
    ///
    /// # Errors
    /// The first that has not.
    pub fn check(&self, inputs: usize, outputs: usize) -> Result<()> {
        let wrong = |place: String, found: String, expected: String| {
            Err(Error::argument(format!("transition_function.{place}"), found, expected))
        };
        for (i, operation) in self.operations.iter().enumerate() {
            if let Some(operand) = operation.operands().into_iter().flatten().find(|operand| *operand >= i)
            {
                return wrong(
                    format!("operations[{i}]"),
                    format!("operand {operand}"),
                    "an earlier operation".into(),
                );
            }
            let (index, limit) = match operation {
                Operation::Input { index } => (*index, inputs),
                Operation::Parameter { index } => (*index, self.parameters.len()),
                Operation::Constant { value } if !value.is_finite() => {
                    return wrong(format!("operations[{i}]"), value.to_string(), "a finite number".into());
                }
                _ => continue,
            };
            if index >= limit {
                return wrong(
                    format!("operations[{i}]"),
                    format!("index {index}"),
                    format!("less than {limit}"),
                );
            }
        }
        if self.outputs.len() != outputs {
            let found = format!("{} outputs", self.outputs.len());
            return wrong("outputs".into(), found, format!("{outputs}, one a latent dimension"));
        }
        match self.outputs.iter().find(|output| **output >= self.operations.len()) {
            Some(output) => {
                let expected = format!("less than {}", self.operations.len());
                wrong("outputs".into(), output.to_string(), expected)
            }
            None => Ok(()),
        }
    }
}

/// A function with the place of its parameters.
#[derive(Clone, Debug)]
pub(crate) struct FunctionLayer {
    function: Function,
    theta: Range<usize>,
}

/// The results of all operations on every row.
#[derive(Clone, Debug)]
pub(crate) struct FunctionTape<R> {
    pub(crate) values: Grid<R>,
}

impl FunctionLayer {
    pub(crate) fn new(function: Function, theta: Range<usize>) -> Self {
        FunctionLayer { function, theta }
    }

    pub(crate) fn tape<R: Real>(&self) -> FunctionTape<R> {
        FunctionTape { values: Grid::new(self.function.operations.len()) }
    }

    pub(crate) fn forward<R: Real>(
        &self,
        theta: &[R],
        rows: Range<usize>,
        input: &Grid<R>,
        tape: &mut FunctionTape<R>,
        output: &mut Grid<R>,
    ) {
        let theta = &theta[self.theta.clone()];
        for row in rows {
            let (input, values) = (input.row(row), tape.values.row_mut(row));
            for (i, operation) in self.function.operations.iter().enumerate() {
                values[i] = evaluate(*operation, values, input, theta);
            }
            let outputs = output.row_mut(row).iter_mut().zip(&self.function.outputs);
            outputs.for_each(|(y, place)| *y = values[*place]);
        }
    }

    /// Adds to the deltas of the inputs and to the gradient of θ.
    pub(crate) fn backward<R: Real>(
        &self,
        rows: Range<usize>,
        tape: &FunctionTape<R>,
        output_deltas: &Grid<R>,
        input_deltas: &mut Grid<R>,
        gradient: &mut [R],
    ) {
        let first = self.theta.start;
        let mut deltas = vec![R::ZERO; self.function.operations.len()];
        for row in rows {
            deltas.fill(R::ZERO);
            let outputs = self.function.outputs.iter().zip(output_deltas.row(row));
            outputs.for_each(|(place, d)| deltas[*place] += *d);
            let (values, d_input) = (tape.values.row(row), input_deltas.row_mut(row));
            for (i, operation) in self.function.operations.iter().enumerate().rev() {
                let d = deltas[i];
                match operation {
                    Operation::Constant { .. } => {}
                    Operation::Input { index } => d_input[*index] += d,
                    Operation::Parameter { index } => gradient[first + index] += d,
                    _ => {
                        let slopes = slopes(*operation, values, values[i]);
                        for (operand, slope) in operation.operands().into_iter().zip(slopes) {
                            if let Some(operand) = operand {
                                deltas[operand] += d * slope;
                            }
                        }
                    }
                }
            }
        }
    }
}

fn through_double<R: Real>(x: R, f: impl Fn(f64) -> f64) -> R {
    R::from_f64(f(x.to_f64()))
}

fn evaluate<R: Real>(operation: Operation, values: &[R], input: &[R], theta: &[R]) -> R {
    match operation {
        Operation::Constant { value } => R::from_f64(value),
        Operation::Input { index } => input[index],
        Operation::Parameter { index } => theta[index],
        Operation::Add { a, b } => values[a] + values[b],
        Operation::Subtract { a, b } => values[a] - values[b],
        Operation::Multiply { a, b } => values[a] * values[b],
        Operation::Divide { a, b } => values[a] / values[b],
        Operation::Power { a, b } => through_double(values[a], |x| x.powf(values[b].to_f64())),
        Operation::Negate { a } => -values[a],
        Operation::Exp { a } => through_double(values[a], f64::exp),
        Operation::Log { a } => through_double(values[a], f64::ln),
        Operation::Sqrt { a } => values[a].sqrt(),
        Operation::Sin { a } => through_double(values[a], f64::sin),
        Operation::Cos { a } => through_double(values[a], f64::cos),
        Operation::Tanh { a } => values[a].tanh(),
    }
}

/// Derivatives of an operation's `result` in its operands.
fn slopes<R: Real>(operation: Operation, values: &[R], result: R) -> [R; 2] {
    let one = |slope: R| [slope, R::ZERO];
    match operation {
        Operation::Constant { .. } | Operation::Input { .. } | Operation::Parameter { .. } => one(R::ZERO),
        Operation::Add { .. } => [R::ONE, R::ONE],
        Operation::Subtract { .. } => [R::ONE, -R::ONE],
        Operation::Multiply { a, b } => [values[b], values[a]],
        Operation::Divide { b, .. } => [R::ONE / values[b], -result / values[b]],
        Operation::Power { a, b } => {
            let (base, exponent) = (values[a].to_f64(), values[b].to_f64());
            let in_exponent = if base > 0.0 { result.to_f64() * base.ln() } else { 0.0 };
            [R::from_f64(exponent * base.powf(exponent - 1.0)), R::from_f64(in_exponent)]
        }
        Operation::Negate { .. } => one(-R::ONE),
        Operation::Exp { .. } => one(result),
        Operation::Log { a } => one(R::ONE / values[a]),
        Operation::Sqrt { .. } => one(R::from_f64(0.5) / result),
        Operation::Sin { a } => one(through_double(values[a], f64::cos)),
        Operation::Cos { a } => one(through_double(values[a], |x| -x.sin())),
        Operation::Tanh { .. } => one(R::ONE - result * result),
    }
}
