//! Model files: a fitted model as a JSON document, free of code, that a person can read.
//!
//! Version 1 has exactly these members:
//!
//! ```json
//! {
//!   "format": "statewise-model",
//!   "version": 1,
//!   "name": "PoissonHMM",
//!   "model": {"kind": "hmm", "initial": {}, "transitions": {}, "emissions": {}},
//!   "params": {"initial": {"probs": [0.5, 0.5]}, "transitions": {}, "emissions": {}},
//!   "properties": {"emissions.rates": {"trainable": false}},
//!   "provenance": {"statewise": "0.1.0"}
//! }
//! ```
//!
//! `model` is the specification with its hyper-parameters, `params` the arrays nested by their
//! dotted names, `properties` those arrays that are fixed or tied in any way.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::json;
use super::model_spec::ModelSpec;
use super::whole_file::write_whole;
use crate::error::{Error, Result};
use crate::model::hmm::Hmm;
use crate::model::linear_gaussian::LinearGaussianSsm;
use crate::model::structural::StructuralTimeSeries;
use crate::params::{Array, ParamProperties, ParamSpec, Params, Properties};

/// The value of the member `format`.
pub const FORMAT: &str = "statewise-model";

/// The version that is written.
pub const VERSION: u64 = 1;

/// Files above this size are refused unread.
const MAX_BYTES: u64 = 1 << 30;

/// A model with its parameters, and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    /// The model's public name, `GaussianHMM`.
    pub name: String,
    /// Structure, sizes and priors.
    pub spec: ModelSpec,
    /// The parameters, in the order of the model's schema.
    pub params: Params,
    /// What learning may move.
    pub properties: Properties,
    /// Free notes: the data, their columns and labels, the program, the fit.
    pub provenance: BTreeMap<String, String>,
}

/// The document as it stands in the file; everything but the parameters is typed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    version: u64,
    name: String,
    model: ModelSpec,
    params: Map<String, Value>,
    properties: BTreeMap<String, ParamProperties>,
    provenance: BTreeMap<String, String>,
}

impl ModelFile {
    /// A file of a hidden Markov model with everything trainable and no notes.
    pub fn hmm(name: impl Into<String>, model: &Hmm, params: Params) -> Self {
        Self::trainable(name.into(), ModelSpec::Hmm(model.spec().clone()), model.schema(), params)
    }

    /// A file of a linear Gaussian model with everything trainable and no notes.
    pub fn linear_gaussian(name: impl Into<String>, model: &LinearGaussianSsm, params: Params) -> Self {
        Self::trainable(
            name.into(),
            ModelSpec::LinearGaussian(model.spec().clone()),
            model.schema(),
            params,
        )
    }

    /// A file of a structural time series model with everything trainable and no notes.
    pub fn structural(name: impl Into<String>, model: &StructuralTimeSeries, params: Params) -> Self {
        Self::trainable(name.into(), ModelSpec::Structural(model.spec().clone()), model.schema(), params)
    }

    fn trainable(name: String, spec: ModelSpec, schema: &[ParamSpec], params: Params) -> Self {
        let properties = Properties::trainable(schema);
        ModelFile { name, spec, params, properties, provenance: BTreeMap::new() }
    }

    /// Builds the hidden Markov model.
    ///
    /// # Errors
    /// A model of another kind; sizes or hyper-parameters that do not fit.
    pub fn build_hmm(&self) -> Result<Hmm> {
        match &self.spec {
            ModelSpec::Hmm(spec) => Hmm::new(spec.clone()),
            other => Err(damaged(format!("{} is {}, not a hidden Markov model", self.name, other.kind()))),
        }
    }

    /// Builds the linear Gaussian model.
    ///
    /// # Errors
    /// A model of another kind; sizes or hyper-parameters that do not fit.
    pub fn build_linear_gaussian(&self) -> Result<LinearGaussianSsm> {
        match &self.spec {
            ModelSpec::LinearGaussian(spec) => LinearGaussianSsm::new(spec.clone()),
            other => {
                Err(damaged(format!("{} is {}, not a linear Gaussian model", self.name, other.kind())))
            }
        }
    }

    /// Builds the structural time series model.
    ///
    /// # Errors
    /// A model of another kind; sizes or choices that do not fit.
    pub fn build_structural(&self) -> Result<StructuralTimeSeries> {
        match &self.spec {
            ModelSpec::Structural(spec) => StructuralTimeSeries::new(spec.clone()),
            other => {
                let kind = other.kind();
                Err(damaged(format!("{} is {kind}, not a structural time series model", self.name)))
            }
        }
    }

    /// Writes the document.
    ///
    /// # Errors
    /// Parameters or properties that do not fit the model, or are not finite.
    pub fn to_json(&self) -> Result<String> {
        let model = self.spec.build()?;
        let schema = model.schema();
        self.params.check(schema)?;
        self.properties.check(schema)?;
        let mut params = Map::new();
        for (spec, array) in schema.iter().zip(self.params.arrays()) {
            insert(&mut params, &spec.path, to_value(array)?);
        }
        let properties = schema.iter().zip(&self.properties.0);
        let document = Document {
            format: FORMAT.into(),
            version: VERSION,
            name: self.name.clone(),
            model: self.spec.clone(),
            params,
            properties: properties
                .filter(|(_, property)| !property.is_plain())
                .map(|(spec, property)| (spec.path.clone(), property.clone()))
                .collect(),
            provenance: self.provenance.clone(),
        };
        Ok(json::pretty(&to_value(&document)?))
    }

    /// Reads a document.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for anything that is not a whole model file of a known version.
    pub fn from_json(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).map_err(|e| damaged(format!("not JSON: {e}")))?;
        check_head(&value)?;
        check_sizes(&value["model"], text.len())?;
        let Document { name, model, params, properties, provenance, .. } =
            serde_json::from_value(value).map_err(|e| damaged(e.to_string()))?;
        let built = model.build().map_err(|e| damaged(format!("model: {e}")))?;
        let params = read_params(params, built.schema())?;
        let properties = read_properties(properties, built.schema())?;
        Ok(ModelFile { name, spec: model, params, properties, provenance })
    }

    /// Writes the document to a file: first beside it, then in its place, so that a crash leaves
    /// either the old file or the new one.
    ///
    /// # Errors
    /// As [`ModelFile::to_json`], and whatever the file system answers.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write_whole(path.as_ref(), self.to_json()?.as_bytes())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`ModelFile::from_json`] with the path in front, and whatever the file system answers.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|source| Error::in_file(path, source))?;
        let read = || {
            if bytes.len() as u64 > MAX_BYTES {
                return Err(damaged("larger than 1 GiB".into()));
            }
            let text = std::str::from_utf8(&bytes).map_err(|e| damaged(format!("not UTF-8: {e}")))?;
            ModelFile::from_json(text)
        };
        read().map_err(|error| match error {
            Error::ModelFile(message) => Error::ModelFile(format!("{}: {message}", path.display())),
            other => other,
        })
    }
}

fn damaged(message: String) -> Error {
    Error::ModelFile(message)
}

fn to_value(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|e| damaged(e.to_string()))
}

/// Checks format and version before anything else, so that a later version is told as such.
fn check_head(document: &Value) -> Result<()> {
    if document.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err(damaged(format!("no member \"format\": \"{FORMAT}\"; this is not a model file")));
    }
    match document.get("version") {
        Some(version) if version.as_u64() == Some(VERSION) => Ok(()),
        Some(version) => Err(damaged(format!(
            "version {}, but this program reads version {VERSION}; use a newer statewise",
            short(version)
        ))),
        None => Err(damaged("no member \"version\"".into())),
    }
}

/// Refuses sizes that the file's own parameters cannot have: every size counts at least that many
/// numbers of the file. So nothing is allocated that the file does not pay for.
fn check_sizes(model: &Value, num_bytes: usize) -> Result<()> {
    match model {
        Value::Object(members) => members.iter().try_for_each(|(key, member)| {
            let is_size = key.ends_with("_dim") || (key.starts_with("num_") && key != "num_trials");
            match member.as_u64() {
                Some(size) if is_size && size > num_bytes as u64 => {
                    Err(damaged(format!("{key} of {size} in a file of {num_bytes} bytes")))
                }
                _ => check_sizes(member, num_bytes),
            }
        }),
        Value::Array(items) => items.iter().try_for_each(|item| check_sizes(item, num_bytes)),
        _ => Ok(()),
    }
}

/// Puts a value where its dotted path says.
fn insert(object: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            object.insert(path.into(), value);
        }
        Some((head, rest)) => {
            let entry = object.entry(head).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = entry {
                insert(inner, rest, value);
            }
        }
    }
}

/// Takes every array of the schema out of the nested parameters; nothing may be left over.
fn read_params(mut nested: Map<String, Value>, schema: &[ParamSpec]) -> Result<Params> {
    let mut arrays = Vec::with_capacity(schema.len());
    for spec in schema {
        let value = take(&mut nested, &spec.path)
            .ok_or_else(|| damaged(format!("params.{} is missing", spec.path)))?;
        let array =
            Array::from_nested(&value).map_err(|e| damaged(format!("params.{}: {e}", spec.path)))?;
        let array = reshape_empty(array, spec);
        spec.check(&array).map_err(|e| damaged(format!("params.{e}")))?;
        arrays.push(array);
    }
    match leftover(&nested, "params") {
        Some(path) => Err(damaged(format!("{path} is no parameter of this model"))),
        None => Ok(Params::new(arrays)),
    }
}

/// An empty array loses the axes behind its first empty one when nested; the schema knows them.
fn reshape_empty(array: Array, spec: &ParamSpec) -> Array {
    let empty = array.values().is_empty() && spec.shape.contains(&0);
    if empty && spec.shape.starts_with(array.shape()) { Array::zeros(&spec.shape) } else { array }
}

fn take(object: &mut Map<String, Value>, path: &str) -> Option<Value> {
    match path.split_once('.') {
        None => object.shift_remove(path),
        Some((head, rest)) => take(object.get_mut(head)?.as_object_mut()?, rest),
    }
}

fn leftover(object: &Map<String, Value>, prefix: &str) -> Option<String> {
    object.iter().find_map(|(key, value)| {
        let path = format!("{prefix}.{key}");
        match value {
            Value::Object(inner) => leftover(inner, &path),
            _ => Some(path),
        }
    })
}

fn read_properties(
    mut given: BTreeMap<String, ParamProperties>,
    schema: &[ParamSpec],
) -> Result<Properties> {
    let list = schema.iter().map(|spec| given.remove(&spec.path).unwrap_or_default()).collect();
    if let Some(path) = given.keys().next() {
        return Err(damaged(format!("properties.{path} is no parameter of this model")));
    }
    let properties = Properties(list);
    properties.check(schema).map_err(|e| damaged(e.to_string()))?;
    Ok(properties)
}

/// A value of a message, cut to a length that fits one.
fn short(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}
