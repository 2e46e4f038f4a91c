//! Model files of deep Markov models: safetensors arrays under a JSON header.
//!
//! The header's metadata are strings: `format` "statewise-model", `version` "1", `name`
//! "DeepMarkovModel", `model` the options as JSON, `provenance` free notes as JSON. Arrays are the
//! weights by their names, in single precision. Any reader of safetensors opens it; no code runs.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use statewise::output::{FORMAT, write_whole};
use statewise::{Error, Result};

use crate::array::Real;
use crate::deep_markov_model::DeepMarkovModel;
use crate::model::{DmmConfig, Network};

const VERSION: &str = "1";
const NAME: &str = "DeepMarkovModel";

/// Free notes in a model file: the data, the program, the fit.
pub type Provenance = BTreeMap<String, String>;

impl<R: Real> DeepMarkovModel<R> {
    /// The model file's bytes.
    ///
    /// # Errors
    /// None that a user can cause.
    pub fn to_bytes(&self, provenance: &Provenance) -> Result<Vec<u8>> {
        let mut header = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("version".to_owned(), VERSION.to_owned()),
            ("name".to_owned(), NAME.to_owned()),
        ]);
        header.insert("model".into(), json(self.config())?);
        header.insert("provenance".into(), json(provenance)?);
        let arrays = self.tensors().iter().map(|tensor| {
            let values = self.parameters()[tensor.range.clone()].iter();
            let bytes = values.flat_map(|x| (x.to_f64() as f32).to_le_bytes()).collect();
            (tensor.name.clone(), Dtype::F32, tensor.shape.clone(), bytes)
        });
        encode(arrays.collect(), header)
    }

    /// Reads a model file's bytes.
    ///
    /// # Errors
    /// Bytes that are no such file, of another version, or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<(Self, Provenance)> {
        let (file, header) = decode(bytes)?;
        let expected = [("format", FORMAT), ("version", VERSION), ("name", NAME)];
        for (member, expected) in expected {
            let found = header.get(member).map_or("nothing", String::as_str);
            if found != expected {
                return Err(damaged(format!("{member} is {found:?}, expected {expected:?}")));
            }
        }
        let config: DmmConfig = member(&header, "model")?;
        let network = Network::layout(&config)?;
        let mut theta = Vec::new();
        for tensor in &network.tensors {
            theta.extend(floats(&file, &tensor.name, &tensor.shape)?.into_iter().map(R::from_f64));
        }
        if file.len() != network.tensors.len() {
            return Err(damaged(format!("{} arrays, expected {}", file.len(), network.tensors.len())));
        }
        Ok((DeepMarkovModel { network, theta }, member(&header, "provenance")?))
    }

    /// Writes the model file, all of it or nothing.
    ///
    /// # Errors
    /// A path that cannot be written.
    pub fn save(&self, path: impl AsRef<Path>, provenance: &Provenance) -> Result<()> {
        write_whole(path.as_ref(), &self.to_bytes(provenance)?)
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// As [`DeepMarkovModel::from_bytes`]; a path that cannot be read.
    pub fn load(path: impl AsRef<Path>) -> Result<(Self, Provenance)> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|source| Error::in_file(path, source))?;
        Self::from_bytes(&bytes)
    }
}

/// An array to be written: name, type, shape, bytes.
pub(crate) type RawArray = (String, Dtype, Vec<usize>, Vec<u8>);

pub(crate) fn encode(arrays: Vec<RawArray>, header: HashMap<String, String>) -> Result<Vec<u8>> {
    let views = arrays.iter().map(|(name, dtype, shape, bytes)| {
        TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name.as_str(), view))
    });
    let views: Vec<_> = views.collect::<std::result::Result<_, _>>().map_err(|e| damaged(e.to_string()))?;
    let bytes = safetensors::serialize(views, Some(header)).map_err(|e| damaged(e.to_string()))?;
    sorted(bytes).map_err(|e| damaged(e.to_string()))
}

/// Sorts the members of the header, whose order the writer leaves to chance: equal models, equal bytes.
fn sorted(mut bytes: Vec<u8>) -> serde_json::Result<Vec<u8>> {
    let Some((length, rest)) = bytes.split_first_chunk_mut::<8>() else { return Ok(bytes) };
    let header = &mut rest[..u64::from_le_bytes(*length) as usize];
    let mut members: serde_json::Value = serde_json::from_slice(header)?;
    members.sort_all_objects();
    let text = serde_json::to_vec(&members)?;
    if text.len() <= header.len() {
        header.fill(b' ');
        header[..text.len()].copy_from_slice(&text);
    }
    Ok(bytes)
}

pub(crate) fn decode(bytes: &[u8]) -> Result<(SafeTensors<'_>, HashMap<String, String>)> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(e.to_string()))?;
    let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
    Ok((file, metadata.metadata().clone().unwrap_or_default()))
}

/// An array of single or double precision in double precision.
pub(crate) fn floats(file: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f64>> {
    let view = file.tensor(name).map_err(|_| damaged(format!("there is no array {name:?}")))?;
    if view.shape() != shape {
        return Err(damaged(format!("array {name:?} has shape {:?}, expected {shape:?}", view.shape())));
    }
    let values: Vec<f64> = match view.dtype() {
        Dtype::F32 => view.data().as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        Dtype::F64 => view.data().as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        other => return Err(damaged(format!("array {name:?} is of type {other:?}, expected F32 or F64"))),
    };
    match values.iter().position(|x| !x.is_finite()) {
        None => Ok(values),
        Some(i) => {
            Err(damaged(format!("array {name:?} holds {} at place {i}, expected finite values", values[i])))
        }
    }
}

pub(crate) fn member<T: DeserializeOwned>(header: &HashMap<String, String>, name: &str) -> Result<T> {
    let text = header.get(name).ok_or_else(|| damaged(format!("the header has no member {name:?}")))?;
    serde_json::from_str(text).map_err(|e| damaged(format!("member {name:?}: {e}")))
}

pub(crate) fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| damaged(e.to_string()))
}

pub(crate) fn damaged(message: String) -> Error {
    Error::ModelFile(message)
}
