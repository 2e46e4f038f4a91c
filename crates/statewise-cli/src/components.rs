//! From `trend,seasonal:12` to the specification of a structural model.

use serde_json::{Map, Value, json};
use statewise::model::structural::{StructuralSpec, StructuralTimeSeries};

use crate::failure::Failure;
use crate::model::{members, read};

/// Words of the command line, blocks of the library, and the fields that numbers behind colons fill.
const COMPONENTS: [(&str, &str, &[&str]); 9] = [
    ("level", "local_level", &[]),
    ("trend", "local_linear_trend", &[]),
    ("damped-trend", "damped_trend", &[]),
    ("seasonal", "seasonal", &["period"]),
    ("trigonometric-seasonal", "trigonometric_seasonal", &["period", "num_harmonics"]),
    ("cycle", "cycle", &["shortest", "longest"]),
    ("ar", "autoregressive", &["order"]),
    ("arma", "arma", &["ar_order", "ma_order"]),
    ("regression", "regression", &[]),
];

/// The model of these components for so many series and input columns.
///
/// Settings are members of the specification (`irregular=none`), or of a component: `trend.stochastic_level=false`.
pub(crate) fn build(
    components: &[String],
    emission_dim: usize,
    input_dim: usize,
    settings: &[(String, Value)],
) -> Result<StructuralTimeSeries, Failure> {
    if components.is_empty() {
        return Err(Failure::hinted(
            "a structural model needs components",
            "--components level,seasonal:12",
        ));
    }
    let mut spec = members(json!({ "emission_dim": emission_dim, "input_dim": input_dim }));
    let mut list = Vec::new();
    for text in components {
        let mut words = text.split(':');
        let word = words.next().unwrap_or_default();
        let mut block = block(text, word, words, input_dim)?;
        let own = settings.iter().filter_map(|(key, value)| Some((key.split_once('.')?, value)));
        for ((_, field), value) in own.filter(|((of, _), _)| *of == word) {
            block.insert(field.to_owned(), value.clone());
        }
        list.push(json!({ "model": block }));
    }
    spec.insert("components".into(), list.into());
    let named = |word: &str| components.iter().any(|text| text.split(':').next() == Some(word));
    for (key, value) in settings {
        match key.split_once('.') {
            None => _ = spec.insert(key.clone(), value.clone()),
            Some((word, _)) if named(word) => {}
            Some((word, _)) => {
                return Err(Failure::new(format!("--set {key}: {word} is not among the --components")));
            }
        }
    }
    Ok(StructuralTimeSeries::new(read::<StructuralSpec>(spec)?)?)
}

/// One component as the library names it.
fn block<'t>(
    text: &str,
    word: &str,
    values: impl Iterator<Item = &'t str>,
    input_dim: usize,
) -> Result<Map<String, Value>, Failure> {
    let Some((_, block, fields)) = COMPONENTS.iter().find(|(name, ..)| *name == word) else {
        let names: Vec<&str> = COMPONENTS.iter().map(|(name, ..)| *name).collect();
        return Err(Failure::hinted(
            format!("there is no component '{word}'"),
            format!("components: {}", names.join(", ")),
        ));
    };
    let values: Option<Vec<Value>> = values.map(|value| serde_json::from_str(value).ok()).collect();
    let values = values.filter(|values| values.len() == fields.len()).ok_or_else(|| {
        let form: String = fields.iter().map(|field| format!(":{}", field.to_uppercase())).collect();
        Failure::new(format!("component '{text}': expected {word}{form}"))
    })?;
    let mut members = members(json!({ "block": block }));
    match *block {
        "cycle" => _ = members.insert("period".into(), values.into()),
        "regression" => _ = members.insert("inputs".into(), (0..input_dim).collect::<Vec<_>>().into()),
        _ => members.extend(fields.iter().map(|field| (*field).to_owned()).zip(values)),
    }
    Ok(members)
}
