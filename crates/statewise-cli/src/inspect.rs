//! `statewise inspect`: what a model file holds.

use std::io::Write;

use crate::args::InspectArgs;
use crate::dmm;
use crate::failure::Failure;
use crate::kind::Model;
use crate::report::{self, Names};
use crate::saved::load;

pub(crate) fn run(args: &InspectArgs) -> Result<(), Failure> {
    if dmm::is_model_file(&args.model) {
        return dmm::inspect(&args.model);
    }
    let (file, model, selection) = load(&args.model)?;
    let mut out = format!("{} {}\n\n", file.name, model.size());
    let spec = serde_json::to_value(&file.spec).map_err(|e| Failure::new(e.to_string()))?;
    for (part, value) in spec.as_object().into_iter().flatten().filter(|(part, _)| *part != "kind") {
        match value.as_object() {
            Some(members) => {
                let members: Vec<String> =
                    members.iter().map(|(key, value)| format!("{key} = {value}")).collect();
                out += &format!("{part:20}{}\n", members.join(", "));
            }
            None => out += &format!("{part:20}{value}\n"),
        }
    }
    out.push('\n');
    let schema = model.learnable().schema();
    out += &report::parameters(
        schema,
        &file.params,
        &Names { columns: &selection.columns, labels: &selection.labels },
    );
    for (spec, property) in schema.iter().zip(&file.properties.0) {
        if !property.trainable {
            out += &format!("fixed: {}\n", spec.path);
        }
        if property.free.is_some() {
            out += &format!("fixed in part: {}\n", spec.path);
        }
        if !property.tied.is_empty() {
            out += &format!("tied: {} over states {:?}\n", spec.path, property.tied);
        }
        if !property.equal.is_empty() {
            out += &format!("equal: {} at entries {:?}\n", spec.path, property.equal);
        }
    }
    if let Model::Hmm(hmm) = &model
        && let Ok(dwell) = hmm.expected_dwell_times(&file.params)
    {
        let dwell: Vec<String> = dwell.iter().map(|steps| report::number(*steps, 1)).collect();
        out += &format!("expected dwell times: {} steps (states 0, 1, …)\n", dwell.join(", "));
    }
    for (key, note) in &file.provenance {
        out += &format!("{key}: {note}\n");
    }
    Ok(std::io::stdout().write_all(out.as_bytes())?)
}
