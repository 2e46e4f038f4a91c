//! A component at its place: its states, its arrays in the schema, its copies.

use std::ops::Range;

use super::block::{Block, BlockSpec};
use super::spec::{Across, ComponentSpec, Initial};
use crate::error::{Error, Result};
use crate::params::{Array, Constraint, ParamSpec};

/// A component of a model.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    /// Its name.
    pub name: String,
    /// Its block.
    pub block: BlockSpec,
    /// The series that see it.
    pub series: Vec<usize>,
    /// How these series share it.
    pub across: Across,
    /// How its state starts.
    pub initial: Option<Initial>,
    /// Where its state begins in that of the model.
    pub offset: usize,
    /// Entries of the state of one copy.
    pub dim: usize,
    /// Copies of the state: 1, or one for each series.
    pub copies: usize,
    /// Number of disturbances of a copy.
    pub num_disturbances: usize,
    /// Its arrays in the schema: loadings, θ, variances, in this order.
    pub arrays: Range<usize>,
}

/// The parameters of a component, as numbers of their uses.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    /// Loading of each series; 1 where each has its own copy.
    pub loadings: Vec<f64>,
    /// θ.
    pub theta: Vec<f64>,
    /// Σ_k over copies, one row-major matrix for each disturbance.
    pub covs: Vec<Vec<f64>>,
}

impl Component {
    /// Checks a specification and appends its arrays to the schema.
    ///
    /// # Errors
    /// What is out of range, by its path.
    pub(crate) fn new(
        spec: &ComponentSpec,
        index: usize,
        emission_dim: usize,
        offset: usize,
        schema: &mut Vec<ParamSpec>,
    ) -> Result<Self> {
        let path = format!("components[{index}]");
        spec.model.check(&format!("{path}.model"))?;
        let name = spec.name.clone().unwrap_or_else(|| spec.model.default_name().into());
        if name.is_empty() || name.contains('.') {
            return Err(Error::argument(
                format!("{path}.name"),
                format!("{name:?}"),
                "a name without dots",
            ));
        }
        let series: Vec<usize> =
            if spec.series.is_empty() { (0..emission_dim).collect() } else { spec.series.clone() };
        if series.windows(2).any(|pair| pair[0] >= pair[1]) || series.iter().any(|m| *m >= emission_dim) {
            let expected = format!("ascending numbers below {emission_dim}");
            return Err(Error::argument(format!("{path}.series"), format!("{series:?}"), expected));
        }
        let dim = spec.model.state_dim();
        check_initial(spec.initial.as_ref(), dim, &path)?;
        let copies = if spec.across == Across::Common { 1 } else { series.len() };
        let first = schema.len();
        let mut component = Component {
            name,
            block: spec.model.clone(),
            series,
            across: spec.across,
            initial: spec.initial.clone(),
            offset,
            dim,
            copies,
            num_disturbances: spec.model.disturbances().iter().map(|d| d.len()).sum(),
            arrays: first..first,
        };
        component.append_schema(schema);
        component.arrays.end = schema.len();
        Ok(component)
    }

    fn append_schema(&self, schema: &mut Vec<ParamSpec>) {
        let spec = |name: String, shape: &[usize], constraint: Constraint| {
            let path = format!("{}.{name}", self.name);
            let keyword = format!("{}_{name}", self.name);
            ParamSpec::new(&path, &keyword, shape, constraint).with_state_axes(0)
        };
        if self.has_loadings() {
            schema.push(spec("loadings".into(), &[self.series.len() - 1], Constraint::Real));
        }
        for parameter in self.block.parameters() {
            let shape: Vec<usize> = parameter.len.into_iter().collect();
            schema.push(spec(parameter.name.into(), &shape, parameter.constraint));
        }
        for disturbance in self.block.disturbances() {
            let mut shape: Vec<usize> = disturbance.count.into_iter().collect();
            let (noun, constraint) = match self.spread() {
                Spread::Full => ("covariance", Constraint::PositiveDefinite),
                Spread::Scalar | Spread::Diagonal => ("variance", Constraint::Scale),
            };
            shape.extend(vec![self.copies; self.spread().rank()]);
            let name = format!("{}{noun}", disturbance.prefix);
            schema.push(spec(name, &shape, constraint).with_closed());
        }
    }

    /// Whether the series beyond the first have loadings.
    fn has_loadings(&self) -> bool {
        self.across == Across::Common && self.series.len() > 1
    }

    /// How the array of a disturbance spans the copies.
    pub(crate) fn spread(&self) -> Spread {
        match self.across {
            _ if self.copies == 1 => Spread::Scalar,
            Across::Common | Across::EqualVariance => Spread::Scalar,
            Across::Independent => Spread::Diagonal,
            Across::Correlated => Spread::Full,
        }
    }

    /// Entries of its state, all copies.
    pub(crate) fn states(&self) -> Range<usize> {
        self.offset..self.offset + self.dim * self.copies
    }

    /// Where the state of the copy that series number `i` of this component sees begins.
    pub(crate) fn copy_offset(&self, i: usize) -> usize {
        self.offset + if self.copies == 1 { 0 } else { i * self.dim }
    }

    /// Arrays of θ, and arrays of variances, within those of the component.
    fn parts(&self) -> (usize, usize) {
        let first = usize::from(self.has_loadings());
        (first, first + self.block.parameters().len())
    }

    /// Reads its arrays.
    pub(crate) fn read(&self, arrays: &[Array]) -> Values {
        let arrays = &arrays[self.arrays.clone()];
        let (first, second) = self.parts();
        let mut loadings = vec![1.0; self.series.len()];
        if self.has_loadings() {
            loadings[1..].copy_from_slice(arrays[0].values());
        }
        let theta = arrays[first..second].iter().flat_map(|a| a.values()).copied().collect();
        let len = self.spread().len(self.copies);
        let entries = arrays[second..].iter().flat_map(|a| a.values().chunks_exact(len));
        let covs = entries.map(|values| self.spread().expand(values, self.copies)).collect();
        Values { loadings, theta, covs }
    }

    /// Adds gradients with respect to [`Values`] to those with respect to the arrays.
    pub(crate) fn add_gradient(&self, gradient: &Values, arrays: &mut [Array]) {
        let arrays = &mut arrays[self.arrays.clone()];
        let (first, second) = self.parts();
        if self.has_loadings() {
            add(arrays[0].values_mut(), &gradient.loadings[1..]);
        }
        let mut theta = &gradient.theta[..];
        for array in &mut arrays[first..second] {
            let (head, rest) = theta.split_at(array.values().len());
            add(array.values_mut(), head);
            theta = rest;
        }
        let len = self.spread().len(self.copies);
        let entries = arrays[second..].iter_mut().flat_map(|a| a.values_mut().chunks_exact_mut(len));
        for (values, cov) in entries.zip(&gradient.covs) {
            self.spread().add_contracted(cov, self.copies, values);
        }
    }
}

/// How variances span the copies of a state, or the series of the observation noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    /// σ² I.
    Scalar,
    /// diag(σ²).
    Diagonal,
    /// Σ.
    Full,
}

impl Spread {
    /// Axes of length `copies`.
    pub(crate) fn rank(self) -> usize {
        match self {
            Spread::Scalar => 0,
            Spread::Diagonal => 1,
            Spread::Full => 2,
        }
    }

    /// Number of values.
    pub(crate) fn len(self, copies: usize) -> usize {
        copies.pow(self.rank() as u32)
    }

    /// The matrix \[copies, copies\].
    pub(crate) fn expand(self, values: &[f64], copies: usize) -> Vec<f64> {
        if self == Spread::Full {
            return values.to_vec();
        }
        let mut matrix = vec![0.0; copies * copies];
        for i in 0..copies {
            matrix[i * (copies + 1)] = values[i % values.len()];
        }
        matrix
    }

    /// Adds the gradient with respect to the values, given the one with respect to the matrix.
    pub(crate) fn add_contracted(self, gradient: &[f64], copies: usize, out: &mut [f64]) {
        if self == Spread::Full {
            return add(out, gradient);
        }
        let len = out.len();
        for i in 0..copies {
            out[i % len] += gradient[i * (copies + 1)];
        }
    }
}

fn add(out: &mut [f64], values: &[f64]) {
    out.iter_mut().zip(values).for_each(|(o, v)| *o += v);
}

fn check_initial(initial: Option<&Initial>, dim: usize, path: &str) -> Result<()> {
    let Some(Initial::Given { mean, cov }) = initial else { return Ok(()) };
    let given = [("mean", mean, vec![dim]), ("cov", cov, vec![dim, dim])];
    for (name, value, shape) in given {
        let finite = value.values().iter().all(|x| x.is_finite());
        if value.shape() != shape || !finite {
            let found = format!("shape {:?}{}", value.shape(), if finite { "" } else { ", not finite" });
            let expected = format!("finite numbers of shape {shape:?}");
            return Err(Error::argument(format!("{path}.initial.{name}"), found, expected));
        }
    }
    match statewise_kernels::linalg::negative_pivot(cov.values(), dim) {
        Some(pivot) => {
            let found = format!("a matrix with pivot {pivot:.3e}");
            let expected = "a positive semi-definite matrix";
            Err(Error::argument(format!("{path}.initial.cov"), found, expected))
        }
        None => Ok(()),
    }
}
