//! Model files with what a later command needs to know: columns, ids, inputs and labels.

use std::collections::BTreeMap;
use std::path::Path;

use statewise::data::Selection;
use statewise::output::ModelFile;

use crate::args::FitArgs;
use crate::failure::Failure;
use crate::fit::Fitted;
use crate::kind::Model;
use crate::source::Source;

/// The file that later commands read, with the names of the columns and labels.
pub(crate) fn model_file(args: &FitArgs, source: &Source, fitted: &Fitted) -> Result<ModelFile, Failure> {
    let Fitted { model, name, properties, report } = fitted;
    let mut file = model.file(name, report.params.clone());
    file.properties = properties.clone();
    let json = |value: serde_json::Value| value.to_string();
    let mut notes = BTreeMap::from([
        ("statewise", env!("CARGO_PKG_VERSION").to_owned()),
        ("data", args.file.display().to_string()),
        ("columns", json(source.selection.columns.clone().into())),
        ("log_probability", report.final_log_prob().map_or_else(String::new, |x| x.to_string())),
        ("iterations", report.iterations().to_string()),
        ("converged", report.converged.to_string()),
        ("prior", (!args.no_prior).to_string()),
        ("seed", args.seed.to_string()),
    ]);
    if let Some(id) = &source.selection.id {
        notes.insert("id", id.clone());
    }
    if !source.selection.inputs.is_empty() {
        notes.insert("inputs", json(source.selection.inputs.clone().into()));
    }
    if !source.data.labels.is_empty() {
        notes.insert("labels", json(serde_json::json!(source.data.labels)));
    }
    file.provenance = notes.into_iter().map(|(key, note)| (key.to_owned(), note)).collect();
    Ok(file)
}

/// The columns and labels that the notes of a model file remember.
pub(crate) fn remembered(notes: &BTreeMap<String, String>) -> Selection {
    fn list<T: serde::de::DeserializeOwned + Default>(notes: &BTreeMap<String, String>, key: &str) -> T {
        notes.get(key).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
    Selection {
        columns: list(notes, "columns"),
        id: notes.get("id").cloned(),
        inputs: list(notes, "inputs"),
        labels: list(notes, "labels"),
    }
}

/// Reads a model file with what it remembers.
pub(crate) fn load(path: &Path) -> Result<(ModelFile, Model, Selection), Failure> {
    let file = ModelFile::load(path)?;
    let model = Model::of(&file)?;
    let selection = remembered(&file.provenance);
    Ok((file, model, selection))
}
