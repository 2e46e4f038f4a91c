//! Model files of deep Markov models, with what a later command needs to know of the data.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use statewise::data::Selection;
use statewise_deep::model::EmissionKind;
use statewise_deep::{DeepMarkovModel, Provenance};

use super::args::UseArgs;
use super::data::{Content, Sequences};
use crate::failure::Failure;
use crate::saved::remembered;

/// A model file.
pub(super) struct Saved {
    pub(super) model: DeepMarkovModel,
    pub(super) notes: Provenance,
    pub(super) selection: Selection,
}

impl Saved {
    pub(super) fn load(path: &Path) -> Result<Self, Failure> {
        let (model, notes) = DeepMarkovModel::load(path).map_err(|error| match error {
            statewise::Error::ModelFile(_) => Failure::hinted(
                error.to_string(),
                "`statewise dmm fit … --output model.safetensors` writes a model of this kind",
            ),
            other => other.into(),
        })?;
        let selection = remembered(&notes);
        Ok(Saved { model, notes, selection })
    }

    /// The names of the observed features.
    pub(super) fn columns(&self) -> Vec<String> {
        let name = |d: usize| self.selection.columns.get(d).cloned().unwrap_or_else(|| format!("y{d}"));
        (0..self.model.config().emission_dim).map(name).collect()
    }
}

/// A model with data that it can read.
pub(super) struct Task {
    pub(super) saved: Saved,
    pub(super) sequences: Sequences,
}

impl Task {
    pub(super) fn read(args: &UseArgs) -> Result<Self, Failure> {
        let saved = Saved::load(&args.model)?;
        let content = Content::read(&args.file, &args.reading, &saved.selection)?;
        let sequences = content.split(args.split)?;
        sequences.check_text(saved.model.config().emission == EmissionKind::Categorical)?;
        saved.model.check_data("data", &sequences.data)?;
        Ok(Task { saved, sequences })
    }
}

/// The notes of a model file on the data.
pub(super) fn data_notes(file: &Path, sequences: &Sequences) -> Provenance {
    let selection = &sequences.selection;
    let json = |value: serde_json::Value| value.to_string();
    let mut notes = Provenance::from([
        ("statewise".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("data".to_owned(), file.display().to_string()),
        ("columns".to_owned(), json(selection.columns.clone().into())),
    ]);
    if let Some(id) = &selection.id {
        notes.insert("id".into(), id.clone());
    }
    if !selection.inputs.is_empty() {
        notes.insert("inputs".into(), json(selection.inputs.clone().into()));
    }
    if !selection.labels.is_empty() {
        notes.insert("labels".into(), json(serde_json::json!(selection.labels)));
    }
    if let Some(seconds) = sequences.seconds_per_step {
        notes.insert("seconds_per_step".into(), seconds.to_string());
    }
    notes
}

/// Whether a file looks like safetensors: eight bytes, the length of the header, and then its brace.
pub(crate) fn is_model_file(path: &Path) -> bool {
    let mut start = [0; 9];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start[8] == b'{' && start[7] == 0
}
