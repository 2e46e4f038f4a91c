//! Any text is a model file or an error; what is read writes and reads back as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use statewise::output::ModelFile;

fuzz_target!(|text: &str| {
    if let Ok(file) = ModelFile::from_json(text) {
        let again = ModelFile::from_json(&file.to_json().expect("what was read can be written"));
        assert_eq!(again.expect("what was written can be read"), file);
    }
});
