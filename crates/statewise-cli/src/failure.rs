//! Why a command ends early, in one line with a hint.

/// The reason.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something is wrong with the request, the data or the model.
    Message {
        /// One line for people.
        text: String,
        /// What to try.
        hint: Option<String>,
    },
    /// The reader of our output has gone.
    ClosedPipe,
    /// Ctrl-C; what was reached has been printed and saved.
    Interrupted,
}

impl Failure {
    /// A message without a hint.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Failure::Message { text: text.into(), hint: None }
    }

    /// A message with a hint.
    pub(crate) fn hinted(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Failure::Message { text: text.into(), hint: Some(hint.into()) }
    }
}

impl From<statewise::Error> for Failure {
    fn from(error: statewise::Error) -> Self {
        let text = error.to_string();
        let hint = match &error {
            statewise::Error::Io { .. } => None,
            statewise::Error::Chain { .. } | statewise::Error::Gaussian { .. } => {
                Some("look at that row of the data; rows count from 0")
            }
            statewise::Error::ModelFile(_) => {
                Some("`statewise fit … --output model.json` writes a new one")
            }
            statewise::Error::Table { .. } => None,
            statewise::Error::Argument { argument, .. } => match argument.as_str() {
                "inputs" => Some("name the columns that drive the model with --inputs a,b"),
                argument if argument.starts_with("column ") => None,
                argument if argument.starts_with("emissions row") => Some(
                    "choose other --columns, or a model for this kind of value (`statewise fit --help`)",
                ),
                _ => None,
            },
        };
        Failure::Message { text, hint: hint.map(str::to_owned) }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::new(error.to_string()),
        }
    }
}
