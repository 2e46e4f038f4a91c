//! `statewise inspect`: what a model file holds.

use std::io::Write;

use statewise::output::ModelSpec;

use crate::args::InspectArgs;
use crate::failure::Failure;
use crate::report::{self, Names};
use crate::saved::load;

pub(crate) fn run(args: &InspectArgs) -> Result<(), Failure> {
    let (file, hmm, selection) = load(&args.model)?;
    let mut out = format!("{} with {} states\n\n", file.name, hmm.num_states());
    if let ModelSpec::Hmm(spec) = &file.spec {
        let spec = serde_json::to_value(spec).map_err(|e| Failure::new(e.to_string()))?;
        for (part, members) in spec.as_object().into_iter().flatten() {
            let members = members.as_object().into_iter().flatten();
            let members: Vec<String> = members.map(|(key, value)| format!("{key} = {value}")).collect();
            out += &format!("{part:12}{}\n", members.join(", "));
        }
    }
    out.push('\n');
    out += &report::parameters(
        hmm.schema(),
        &file.params,
        &Names { columns: &selection.columns, labels: &selection.labels },
    );
    for (spec, property) in hmm.schema().iter().zip(&file.properties.0) {
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
    if let Ok(dwell) = hmm.expected_dwell_times(&file.params) {
        let dwell: Vec<String> = dwell.iter().map(|steps| report::number(*steps, 1)).collect();
        out += &format!("expected dwell times: {} steps (states 0, 1, …)\n", dwell.join(", "));
    }
    for (key, note) in &file.provenance {
        out += &format!("{key}: {note}\n");
    }
    Ok(std::io::stdout().write_all(out.as_bytes())?)
}
