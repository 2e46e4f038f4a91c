//! What a model file holds: options, arrays, notes.

use std::io::Write;
use std::path::Path;

use super::describe;
use super::saved::Saved;
use crate::failure::Failure;

pub(crate) fn inspect(path: &Path) -> Result<(), Failure> {
    let Saved { model, notes, .. } = Saved::load(path)?;
    let mut out = describe::model(&model) + "\n\noptions\n";
    let options = serde_json::to_value(model.config()).map_err(|e| Failure::new(e.to_string()))?;
    for (name, value) in options.as_object().into_iter().flatten() {
        out += &format!("  {name:28}{}\n", describe::word(value));
    }
    out += "\narrays\n";
    for tensor in model.tensors() {
        let shape: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
        out += &format!("  {:40}{}\n", tensor.name, shape.join(" x "));
    }
    out += "\nnotes\n";
    for (name, note) in &notes {
        out += &format!("  {name}: {note}\n");
    }
    Ok(std::io::stdout().write_all(out.as_bytes())?)
}
