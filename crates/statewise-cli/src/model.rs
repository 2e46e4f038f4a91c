//! From the words of a command line to a model: `poisson-hmm`, K, columns and `--set`.
//!
//! A model is asked for as its JSON specification, so that every family of the library is there
//! by its name. What a specification needs and the user did not give comes from the data (sizes);
//! the rest is asked for.

use serde_json::{Map, Value, json};
use statewise::model::hmm::emission::EmissionSpec;
use statewise::model::hmm::{Hmm, HmmSpec};

use crate::failure::Failure;

/// A linear Gaussian model.
pub(crate) const LINEAR_GAUSSIAN: &str = "linear-gaussian";

/// A sum of components.
pub(crate) const STRUCTURAL: &str = "structural";

/// What is known of a model to be built.
pub(crate) struct Request<'a> {
    /// `gaussian-hmm`, or `gaussian+categorical-hmm` for one family a column.
    pub(crate) model: &'a str,
    /// K.
    pub(crate) num_states: usize,
    /// Number of classes of each column of the observations, should it hold labels 0, 1, ….
    pub(crate) classes: &'a [usize],
    /// Columns of the inputs.
    pub(crate) input_dim: usize,
    /// `--set`: hyper-parameters by their name.
    pub(crate) settings: &'a [(String, Value)],
}

/// A model, and the name it has in files and in the other languages.
pub(crate) fn build(request: &Request<'_>) -> Result<(Hmm, String), Failure> {
    let Some(family) = request.model.strip_suffix("-hmm") else { return Err(unknown(request.model)) };
    let name = format!("{}HMM", family.split(['-', '+']).map(capitalised).collect::<String>());
    let families: Vec<String> = family.split('+').map(|family| family.replace('-', "_")).collect();
    let emissions = match &families[..] {
        [one] => emissions(request, one, request.classes, None)?,
        several => channels(request, several)?,
    };
    let reads_inputs = emissions.build()?.input_dim() > 0;
    let k = request.num_states;
    let mut initial = members(json!({ "num_states": k }));
    let mut transitions = match request.input_dim {
        dim if dim > 0 && !reads_inputs => {
            members(json!({ "kind": "softmax", "num_states": k, "input_dim": dim }))
        }
        _ => members(json!({ "kind": "standard", "num_states": k })),
    };
    for (key, value) in request.settings {
        if key.starts_with("initial") {
            initial.insert(key.clone(), value.clone());
        } else if key.starts_with("transition") {
            transitions.insert(key.clone(), value.clone());
        }
    }
    let spec = HmmSpec { initial: read(initial)?, transitions: read(transitions)?, emissions };
    Ok((Hmm::new(spec)?, name))
}

/// Checks that there is such a model, before any file is read.
pub(crate) fn check_name(model: &str) -> Result<(), Failure> {
    if [LINEAR_GAUSSIAN, STRUCTURAL].contains(&model) {
        return Ok(());
    }
    let names = names();
    let families = model.strip_suffix("-hmm").unwrap_or("").split('+');
    let known = families.map(|family| format!("{family}-hmm")).all(|name| names.contains(&name));
    if known { Ok(()) } else { Err(unknown(model)) }
}

/// Whether a family's numbers are labels, so that text may stand for them.
pub(crate) fn takes_labels(emissions: &EmissionSpec, column: usize) -> bool {
    let spec = serde_json::to_value(emissions).unwrap_or_default();
    let spec = spec.get("channels").map_or(&spec, |channels| &channels[column]);
    spec["family"] == "bernoulli" || (spec.get("num_classes").is_some() && spec.get("num_trials").is_none())
}

/// One family a column.
fn channels(request: &Request<'_>, families: &[String]) -> Result<EmissionSpec, Failure> {
    if families.len() != request.classes.len() {
        return Err(Failure::hinted(
            format!("{} families for {} columns", families.len(), request.classes.len()),
            "name as many --columns as families, in the same order",
        ));
    }
    let mut specs = Vec::new();
    for (i, family) in families.iter().enumerate() {
        let spec = emissions(request, family, &request.classes[i..=i], Some(i))?;
        specs.push(serde_json::to_value(spec).map_err(|e| Failure::new(e.to_string()))?);
    }
    read(members(json!({ "family": "channels", "channels": specs })))
}

/// The specification of one family. Settings of channel i are written `i.key=value`, or `key=value`
/// for all of them.
fn emissions(
    request: &Request<'_>,
    family: &str,
    classes: &[usize],
    channel: Option<usize>,
) -> Result<EmissionSpec, Failure> {
    let mut spec = members(json!({ "family": family, "num_states": request.num_states }));
    for (key, value) in request.settings {
        let own = match (key.split_once('.'), channel) {
            (Some((index, key)), Some(channel)) if index == channel.to_string() => key,
            (Some(_), Some(_)) => continue,
            _ if key.starts_with("initial") || key.starts_with("transition") => continue,
            _ => key,
        };
        spec.insert(own.to_owned(), value.clone());
    }
    // Every round adds one member that the family says it misses.
    for _ in 0..16 {
        let error = match serde_json::from_value::<EmissionSpec>(Value::Object(spec.clone())) {
            Ok(spec) => return Ok(spec),
            Err(error) => error.to_string(),
        };
        match quoted_after(&error, "missing field") {
            Some(field) => {
                let value = supply(request, family, classes, field)?;
                spec.insert(field.to_owned(), value);
            }
            None if quoted_after(&error, "unknown variant") == Some(family) => {
                return Err(unknown(request.model));
            }
            None => return Err(explain(&error)),
        }
    }
    Err(Failure::new(format!("the family {family} cannot be set up from the command line")))
}

/// A size that follows from the data.
fn supply(request: &Request<'_>, family: &str, classes: &[usize], field: &str) -> Result<Value, Failure> {
    let counts_of_classes = family == "multinomial";
    match field {
        "emission_dim" if counts_of_classes => Ok(1.into()),
        "num_classes" if counts_of_classes => Ok(classes.len().into()),
        "emission_dim" => Ok(classes.len().into()),
        "num_classes" => Ok(classes.iter().copied().max().unwrap_or(1).max(2).into()),
        "input_dim" if request.input_dim > 0 => Ok(request.input_dim.into()),
        "input_dim" => Err(Failure::hinted(
            format!("the model {} reads inputs", request.model),
            "name their columns with --inputs a,b",
        )),
        _ => Err(Failure::hinted(
            format!("the model {} needs {field}", request.model),
            format!("--set {field}=…"),
        )),
    }
}

/// All models by name, as the library lists its families.
pub(crate) fn names() -> Vec<String> {
    let Err(error) = serde_json::from_value::<EmissionSpec>(json!({ "family": "?" })) else {
        return vec![];
    };
    let text = error.to_string();
    let families =
        text.split('`').skip(1).step_by(2).filter(|family| *family != "?" && *family != "channels");
    families.map(|family| format!("{}-hmm", family.replace('_', "-"))).collect()
}

fn unknown(model: &str) -> Failure {
    Failure::hinted(
        format!("there is no model '{model}'"),
        format!(
            "models: {}, {LINEAR_GAUSSIAN}, {STRUCTURAL}; or one family a column, as gaussian+categorical-hmm",
            names().join(", ")
        ),
    )
}

pub(crate) fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

pub(crate) fn read<T: serde::de::DeserializeOwned>(spec: Map<String, Value>) -> Result<T, Failure> {
    serde_json::from_value(Value::Object(spec)).map_err(|e| explain(&e.to_string()))
}

/// Turns what serde says of a member into what a user of `--set` understands.
fn explain(error: &str) -> Failure {
    match quoted_after(error, "unknown field") {
        Some(field) => {
            let known: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
            let known = known.into_iter().filter(|name| !name.starts_with("num_states") && *name != "kind");
            Failure::hinted(
                format!("--set {field}: this model has no such hyper-parameter"),
                format!("it has {}", known.collect::<Vec<_>>().join(", ")),
            )
        }
        None => Failure::hinted(format!("--set: {error}"), "values are numbers or JSON, as 0.5 or [1,2]"),
    }
}

/// The name in backquotes behind these words.
fn quoted_after<'t>(text: &'t str, words: &str) -> Option<&'t str> {
    text.split_once(words)?.1.split('`').nth(1)
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
        .unwrap_or_default()
}
