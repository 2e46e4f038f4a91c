//! A dense row-major array of any rank.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A dense row-major array; serialised as nested lists.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Array {
    /// Takes values in row-major order.
    ///
    /// # Panics
    /// If the number of values is not the product of the shape.
    pub fn new(shape: &[usize], values: Vec<f64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "shape {shape:?}");
        Array { shape: shape.to_vec(), values }
    }

    /// All zeros.
    pub fn zeros(shape: &[usize]) -> Self {
        Array::full(shape, 0.0)
    }

    /// All `value`.
    pub fn full(shape: &[usize], value: f64) -> Self {
        Array { shape: shape.to_vec(), values: vec![value; shape.iter().product()] }
    }

    /// `num` identity matrices, shape \[num, n, n\], times `scale`.
    pub fn identities(num: usize, n: usize, scale: f64) -> Self {
        let mut array = Array::zeros(&[num, n, n]);
        for (i, x) in array.values.iter_mut().enumerate() {
            if (i % (n * n)).is_multiple_of(n + 1) {
                *x = scale;
            }
        }
        array
    }

    /// Its shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// All values in row-major order.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// All values, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }

    /// Number of values in one entry of the first axis.
    pub fn stride(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// Entry `k` of the first axis.
    pub fn row(&self, k: usize) -> &[f64] {
        let stride = self.stride();
        &self.values[k * stride..(k + 1) * stride]
    }

    /// Entry `k` of the first axis, to be changed in place.
    pub fn row_mut(&mut self, k: usize) -> &mut [f64] {
        let stride = self.stride();
        &mut self.values[k * stride..(k + 1) * stride]
    }

    fn nested(&self, shape: &[usize], values: &[f64]) -> serde_json::Value {
        match shape {
            [] => serde_json::Value::from(values[0]),
            [_] => values.iter().copied().map(serde_json::Value::from).collect(),
            [n, rest @ ..] => {
                let stride: usize = rest.iter().product();
                (0..*n).map(|i| self.nested(rest, &values[i * stride..(i + 1) * stride])).collect()
            }
        }
    }

    /// Reads nested lists of numbers.
    ///
    /// # Errors
    /// What is not a number, or a list of another length than its neighbours.
    pub fn from_nested(value: &serde_json::Value) -> Result<Self, String> {
        let mut shape = Vec::new();
        let mut level = value;
        while let serde_json::Value::Array(items) = level {
            shape.push(items.len());
            match items.first() {
                Some(first) => level = first,
                None => break,
            }
        }
        let mut values = Vec::new();
        flatten(value, &shape, &mut values)?;
        Ok(Array { shape, values })
    }
}

fn flatten(value: &serde_json::Value, shape: &[usize], out: &mut Vec<f64>) -> Result<(), String> {
    match (shape, value) {
        ([n, rest @ ..], serde_json::Value::Array(items)) if items.len() == *n => {
            items.iter().try_for_each(|item| flatten(item, rest, out))
        }
        ([], serde_json::Value::Number(number)) => {
            out.push(number.as_f64().ok_or_else(|| format!("{number} is no double"))?);
            Ok(())
        }
        ([n, ..], serde_json::Value::Array(items)) => {
            Err(format!("a list of {} beside one of {n}", items.len()))
        }
        (_, other) => Err(format!("{other} where a number or list was expected")),
    }
}

impl Serialize for Array {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.nested(&self.shape, &self.values).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Array {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Array::from_nested(&value).map_err(D::Error::custom)
    }
}
