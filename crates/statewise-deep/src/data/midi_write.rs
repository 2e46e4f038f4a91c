//! Piano rolls to Standard MIDI Files.
//!
//! One step is one beat at the tempo that gives it its seconds, so that a file reads back with a step
//! of as many seconds, or of one beat. A key that sounds in neighbouring steps is held, or struck anew
//! at each.

use midly::num::{u4, u7, u15, u24, u28};
use midly::{Format, Header, MetaMessage, MidiMessage, Smf, Timing, TrackEvent, TrackEventKind};
use statewise::{Error, Result};

use super::polyphonic::LOWEST_KEY;

const TICKS_PER_STEP: usize = 480;

/// The clock of a file does not reach further.
const MAX_STEPS: usize = 0x0fff_ffff / TICKS_PER_STEP;

/// How MIDI files are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MidiWriteOptions {
    /// Length of a step; 0.3 by default, less than 16.7.
    pub seconds_per_step: f64,
    /// The MIDI number of column 0; 21 (A0) by default.
    pub lowest_key: u8,
    /// A key sounds where its value is larger than this; 0.5 by default.
    pub threshold: f64,
    /// Whether a key is struck anew at each step instead of held; not by default.
    pub restrike: bool,
    /// How hard keys are struck, 1 to 127; 80 by default.
    pub velocity: u8,
    /// The General MIDI program, 0 (grand piano) by default to 127.
    pub program: u8,
}

impl Default for MidiWriteOptions {
    fn default() -> Self {
        MidiWriteOptions {
            seconds_per_step: 0.3,
            lowest_key: LOWEST_KEY,
            threshold: 0.5,
            restrike: false,
            velocity: 80,
            program: 0,
        }
    }
}

/// Writes a roll as the bytes of a MIDI file.
///
/// * `roll` – probabilities, or ones and zeros, shape \[T, width\]; NaN is silent.
///
/// # Errors
/// A length that is no multiple of `width`, more steps than the format holds, columns beyond the MIDI
/// keys, options out of range.
pub fn midi_of_roll(roll: &[f64], width: usize, options: &MidiWriteOptions) -> Result<Vec<u8>> {
    let tempo = check(roll, width, options)?;
    let num_steps = roll.len() / width;
    let mut track = Track { events: Vec::new(), written: 0 };
    track.push(0, TrackEventKind::Meta(MetaMessage::Tempo(tempo)));
    track.message(0, MidiMessage::ProgramChange { program: u7::new(options.program) });
    let sounds = |t: usize, column: usize| t < num_steps && roll[t * width + column] > options.threshold;
    let mut held = vec![false; width];
    for t in 0..=num_steps {
        // Keys are released before any is struck, so that a note struck anew is heard as two.
        for (column, held) in held.iter_mut().enumerate() {
            if *held && (options.restrike || !sounds(t, column)) {
                let (key, vel) = (key(options, column), u7::new(0));
                track.message(t, MidiMessage::NoteOff { key, vel });
                *held = false;
            }
        }
        for (column, held) in held.iter_mut().enumerate() {
            if !*held && sounds(t, column) {
                let (key, vel) = (key(options, column), u7::new(options.velocity));
                track.message(t, MidiMessage::NoteOn { key, vel });
                *held = true;
            }
        }
    }
    track.push(num_steps, TrackEventKind::Meta(MetaMessage::EndOfTrack));
    let timing = Timing::Metrical(u15::new(TICKS_PER_STEP as u16));
    let mut file = Smf::new(Header::new(Format::SingleTrack, timing));
    file.tracks.push(track.events);
    let mut bytes = Vec::new();
    let name = || "MIDI file".to_owned();
    file.write_std(&mut bytes).map_err(|source| Error::Io { path: name(), source })?;
    Ok(bytes)
}

/// Microseconds of a step; checks everything.
fn check(roll: &[f64], width: usize, options: &MidiWriteOptions) -> Result<u24> {
    if width == 0 || width + usize::from(options.lowest_key) > 128 {
        let found = format!("{width} columns from key {}", options.lowest_key);
        return Err(Error::argument("roll", found, "at least one column, and keys of at most 127"));
    }
    if !roll.len().is_multiple_of(width) || roll.is_empty() || roll.len() / width > MAX_STEPS {
        let expected = format!("1 to {MAX_STEPS} steps of {width} values");
        return Err(Error::argument("roll", format!("{} values", roll.len()), expected));
    }
    if !(1..=127).contains(&options.velocity) {
        return Err(Error::argument("velocity", options.velocity, "1 to 127"));
    }
    if options.program > 127 {
        return Err(Error::argument("program", options.program, "0 to 127"));
    }
    if options.threshold.is_nan() {
        return Err(Error::argument("threshold", options.threshold, "a number"));
    }
    let microseconds = (options.seconds_per_step * 1e6).round();
    if !(1.0..f64::from(1u32 << 24)).contains(&microseconds) {
        return Err(Error::argument("seconds_per_step", options.seconds_per_step, "0.000001 to 16.777215"));
    }
    Ok(u24::new(microseconds as u32))
}

fn key(options: &MidiWriteOptions, column: usize) -> u7 {
    u7::new(options.lowest_key + column as u8)
}

/// Events with the time since the one before.
struct Track {
    events: Vec<TrackEvent<'static>>,
    /// The step of the last event.
    written: usize,
}

impl Track {
    fn push(&mut self, t: usize, kind: TrackEventKind<'static>) {
        let delta = u28::new(((t - self.written) * TICKS_PER_STEP) as u32);
        self.written = t;
        self.events.push(TrackEvent { delta, kind });
    }

    fn message(&mut self, t: usize, message: MidiMessage) {
        self.push(t, TrackEventKind::Midi { channel: u4::new(0), message });
    }
}
