//! Checkpoints: the whole state of training in one safetensors file.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};
use statewise::data::Dataset;
use statewise::learn::OptimizerState;
use statewise::output::write_whole;
use statewise::{Error, Result};

use super::history::EpochRecord;
use super::options::FitOptions;
use super::state::TrainingState;
use crate::file::{decode, encode, floats, json, member};
use crate::model::DmmConfig;

const FORMAT: &str = "statewise-dmm-checkpoint";

/// All of the state that is no array.
#[derive(Serialize, Deserialize)]
struct Rest {
    updates: u64,
    slots: usize,
    averaged: bool,
    best_epoch: usize,
    best_valid: Option<f64>,
    history: Vec<EpochRecord>,
    seconds: f64,
}

/// What a checkpoint must have been written for.
#[derive(Serialize, Deserialize, PartialEq)]
struct Purpose {
    config: DmmConfig,
    seed: u64,
    batch_size: usize,
    sequences: usize,
    rows: usize,
}

impl Purpose {
    fn new(config: &DmmConfig, options: &FitOptions, data: &Dataset<'_>) -> Self {
        Purpose {
            config: config.clone(),
            seed: options.seed,
            batch_size: options.batch_size,
            sequences: data.num_sequences(),
            rows: data.num_rows(),
        }
    }
}

/// Writes the state, all of it or nothing.
pub(super) fn write(
    path: &Path,
    config: &DmmConfig,
    options: &FitOptions,
    data: &Dataset<'_>,
    state: &TrainingState,
) -> Result<()> {
    let rest = Rest {
        updates: state.optimizer.step,
        slots: state.optimizer.slots.len(),
        averaged: !state.average.is_empty(),
        best_epoch: state.best_epoch,
        best_valid: state.best_valid,
        history: state.history.clone(),
        seconds: state.seconds,
    };
    let header = HashMap::from([
        ("format".to_owned(), FORMAT.to_owned()),
        ("purpose".to_owned(), json(&Purpose::new(config, options, data))?),
        ("state".to_owned(), json(&rest)?),
    ]);
    let array = |name: String, values: &[f64]| {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        (name, Dtype::F64, vec![values.len()], bytes)
    };
    let mut arrays = vec![array("theta".into(), &state.theta), array("best".into(), &state.best)];
    if rest.averaged {
        arrays.push(array("average".into(), &state.average));
    }
    for (k, slot) in state.optimizer.slots.iter().enumerate() {
        arrays.push(array(format!("optimizer.{k}"), slot));
    }
    write_whole(path, &encode(arrays, header)?)
}

/// Reads the state that another run left, or nothing if there is no file.
pub(super) fn read(
    path: &Path,
    config: &DmmConfig,
    options: &FitOptions,
    data: &Dataset<'_>,
    num_parameters: usize,
) -> Result<Option<TrainingState>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::in_file(path, error)),
    };
    let (file, header) = decode(&bytes)?;
    let found = header.get("format").map_or("nothing", String::as_str);
    if found != FORMAT {
        return Err(Error::argument("checkpoint", format!("a file of format {found:?}"), FORMAT));
    }
    if member::<Purpose>(&header, "purpose")? != Purpose::new(config, options, data) {
        return Err(Error::argument(
            "checkpoint",
            format!("{}, written for another model, seed, batch size or data", path.display()),
            "a new path, or the options that it was written with",
        ));
    }
    let rest: Rest = member(&header, "state")?;
    let array = |name: &str| floats(&file, name, &[num_parameters]);
    let slots = (0..rest.slots).map(|k| array(&format!("optimizer.{k}"))).collect::<Result<_>>()?;
    let optimizer = OptimizerState { step: rest.updates, slots };
    options.optimizer.check(Some(&optimizer), num_parameters)?;
    if rest.averaged != (options.average > 0.0) {
        let found = if rest.averaged { "with" } else { "without" };
        return Err(Error::argument(
            "average",
            format!("a checkpoint {found} averaged weights"),
            "the same option",
        ));
    }
    Ok(Some(TrainingState {
        theta: array("theta")?,
        best: array("best")?,
        average: if rest.averaged { array("average")? } else { Vec::new() },
        optimizer,
        best_epoch: rest.best_epoch,
        best_valid: rest.best_valid,
        history: rest.history,
        seconds: rest.seconds,
    }))
}
