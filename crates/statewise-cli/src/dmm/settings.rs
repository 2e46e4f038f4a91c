//! From flags to the options of a model and of its training, by way of their JSON.

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use serde_json::{Map, Value, json};
use statewise_deep::learn::FitOptions;
use statewise_deep::model::DmmConfig;

use super::flags::{FLAGS, Flag, SWITCH, TRAINING};
use crate::failure::Failure;
use crate::source::nearest;

/// The inference networks of the literature: name, what they read, how they use z_{t−1}.
pub(super) const NETWORKS: [(&str, &str, &str); 6] = [
    ("ST-R", "right", "average"),
    ("ST-L", "left", "average"),
    ("ST-LR", "both", "average"),
    ("MF-R", "right", "mean_field"),
    ("MF-L", "left", "mean_field"),
    ("MF-LR", "both", "mean_field"),
];

/// The flags that were given, in the order of their application, and then `--set`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    flags: Vec<(&'static Flag, String)>,
    set: Vec<String>,
}

impl Settings {
    /// The options of a preset with what the flags change.
    pub(super) fn build(
        &self,
        preset: &str,
        emission_dim: usize,
        input_dim: usize,
    ) -> Result<(DmmConfig, FitOptions), Failure> {
        let mut draft = Draft::of(preset, emission_dim)?;
        draft.assign("input_dim", input_dim.into())?;
        draft.apply(self)?;
        draft.read().map_err(Failure::new)
    }
}

impl Args for Settings {
    fn augment_args(mut command: Command) -> Command {
        let defaults = Draft::of("default", 1).ok();
        for flag in FLAGS {
            let default = defaults.as_ref().and_then(|draft| draft.show(flag.path));
            let help = match default {
                Some(default) => format!("{} [{default}]", flag.help),
                None => flag.help.to_owned(),
            };
            let mut arg = Arg::new(flag.name)
                .long(flag.name)
                .value_name(flag.value)
                .help(help)
                .help_heading(flag.heading)
                .hide_short_help(!flag.common)
                .allow_hyphen_values(flag.value == "X")
                .action(ArgAction::Set);
            if flag.value == SWITCH {
                arg = arg.num_args(0..=1).require_equals(true).default_missing_value("true");
            }
            command = command.arg(arg);
        }
        let set = Arg::new("set")
            .long("set")
            .value_name("NAME=VALUE")
            .help("Any option by the name of its field, as optimizer.rule.b1=0.95; may be repeated")
            .help_heading(TRAINING)
            .action(ArgAction::Append);
        command.arg(set)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = FLAGS.iter().filter_map(|flag| Some((flag, matches.get_one::<String>(flag.name)?)));
        let flags = given.map(|(flag, text)| (flag, text.clone())).collect();
        let set = matches.get_many::<String>("set").into_iter().flatten().cloned().collect();
        let settings = Settings { flags, set };
        // What is wrong whatever the data and the preset is wrong usage.
        let tried = Draft::of("default", 1).and_then(|mut draft| draft.apply(&settings));
        match tried {
            Err(Failure::Message { text, hint }) => {
                let hint = hint.map_or_else(String::new, |hint| format!("\n  hint: {hint}"));
                Err(clap::Error::raw(ErrorKind::InvalidValue, format!("{text}{hint}\n")))
            }
            _ => Ok(settings),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Options as JSON, while they change.
struct Draft {
    model: Value,
    training: Value,
}

impl Draft {
    fn of(preset: &str, emission_dim: usize) -> Result<Self, Failure> {
        let value = |value: serde_json::Result<Value>| value.map_err(|e| Failure::new(e.to_string()));
        Ok(Draft {
            model: value(serde_json::to_value(DmmConfig::preset(preset, emission_dim)?))?,
            training: value(serde_json::to_value(FitOptions::preset(preset)?))?,
        })
    }

    fn apply(&mut self, settings: &Settings) -> Result<(), Failure> {
        for (flag, text) in &settings.flags {
            self.apply_flag(flag, text)?;
            self.read().map_err(|e| Failure::new(format!("--{} {text}: {e}", flag.name)))?;
        }
        for text in &settings.set {
            let Some((path, value)) = text.split_once('=') else {
                return Err(Failure::new(format!("--set {text}: expected NAME=VALUE")));
            };
            self.assign(path.trim(), parse(value))?;
            self.read().map_err(|e| Failure::new(format!("--set {text}: {e}")))?;
        }
        Ok(())
    }

    fn apply_flag(&mut self, flag: &Flag, text: &str) -> Result<(), Failure> {
        let value = parse(text);
        match flag.name {
            "inference" => {
                let known = NETWORKS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(text));
                let Some((_, evidence, combiner)) = known else {
                    let names = NETWORKS.map(|(name, ..)| name).join(", ");
                    return Err(Failure::new(format!("--inference {text}: expected one of {names}")));
                };
                self.assign("evidence", (*evidence).into())?;
                self.assign("combiner", (*combiner).into())
            }
            "objective" if value == "fivo" => {
                self.assign("objective", json!({ "name": "fivo", "resample_below": 0.5 }))
            }
            "objective" => self.assign("objective", json!({ "name": value })),
            "optimizer" => self.assign("optimizer.rule", json!({ "rule": value })),
            "weight-decay" => {
                let adam = self.training.pointer("/optimizer/rule/rule") == Some(&"adam".into());
                if adam {
                    self.assign("optimizer.rule.rule", "adamw".into())?;
                }
                self.assign(flag.path, value)
            }
            "learning-rate" => {
                // A warm-up has its rate in the schedule after it.
                let warm_up = self.training.pointer("/optimizer/schedule/then").is_some();
                self.assign(if warm_up { "optimizer.schedule.then.rate" } else { flag.path }, value)
            }
            "frozen" => self.assign("frozen", text.split(',').map(str::trim).collect()),
            _ => self.assign(flag.path, value),
        }
    }

    /// Sets the option of a path, whose first part must be a field.
    fn assign(&mut self, path: &str, value: Value) -> Result<(), Failure> {
        let mut parts = path.split('.').peekable();
        let first = parts.peek().copied().unwrap_or_default();
        let has = |value: &Value| value.get(first).is_some();
        let mut place = match (has(&self.model), has(&self.training)) {
            (true, _) => &mut self.model,
            (_, true) => &mut self.training,
            _ => return Err(self.unknown(first)),
        };
        for part in parts {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = &mut place[part];
        }
        *place = value;
        Ok(())
    }

    fn unknown(&self, name: &str) -> Failure {
        let fields = [&self.model, &self.training].into_iter().filter_map(Value::as_object);
        let fields: Vec<&str> = fields.flat_map(Map::keys).map(String::as_str).collect();
        Failure::hinted(
            format!("--set {name}: there is no such option"),
            match nearest(name, fields.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("there are {}", fields.join(", ")),
            },
        )
    }

    fn read(&self) -> Result<(DmmConfig, FitOptions), String> {
        let config = serde_json::from_value(self.model.clone()).map_err(|e| e.to_string())?;
        let options = serde_json::from_value(self.training.clone()).map_err(|e| e.to_string())?;
        Ok((config, options))
    }

    /// An option's value for the help.
    fn show(&self, path: &str) -> Option<String> {
        let pointer = format!("/{}", path.replace('.', "/"));
        let value = self.model.pointer(&pointer).or_else(|| self.training.pointer(&pointer))?;
        let value = value.get("name").or_else(|| value.get("rule")).unwrap_or(value);
        match value {
            Value::Null => Some("none".into()),
            Value::String(text) => Some(text.replace('_', "-")),
            Value::Array(_) | Value::Object(_) => None,
            other => Some(other.to_string()),
        }
    }
}

/// JSON, or else a name, in which dashes stand for underscores; `none` is nothing.
fn parse(text: &str) -> Value {
    match text.trim() {
        "none" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| text.replace('-', "_").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dmm::flags::DERIVED;

    #[test]
    fn every_field_of_a_model_and_its_training_has_a_flag() {
        let draft = Draft::of("default", 3).unwrap();
        for options in [&draft.model, &draft.training] {
            for field in options.as_object().unwrap().keys() {
                let has_flag = FLAGS.iter().any(|flag| flag.path.split('.').next() == Some(field));
                assert!(has_flag || DERIVED.contains(&field.as_str()), "no flag sets {field}");
            }
        }
    }

    #[test]
    fn a_flag_with_the_value_of_a_preset_changes_nothing() {
        for preset in DmmConfig::PRESETS {
            let draft = Draft::of(preset, 3).unwrap();
            for flag in FLAGS.iter().filter(|flag| !["frozen", "weight-decay"].contains(&flag.name)) {
                let Some(shown) = draft.show(flag.path) else { continue };
                let mut changed = Draft::of(preset, 3).unwrap();
                changed.apply_flag(flag, &shown).unwrap();
                let (now, before) = (changed.read().unwrap(), draft.read().unwrap());
                if flag.name != "optimizer" {
                    assert_eq!(now, before, "--{} {shown} of {preset}", flag.name);
                }
            }
        }
    }
}
