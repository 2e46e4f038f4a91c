//! Notes of a Standard MIDI File on its own clock, and that clock in seconds and beats.

use std::collections::HashMap;

use midly::{MetaMessage, MidiMessage, Smf, Timing, TrackEventKind};

/// The channel of percussion, whose keys are instruments.
const PERCUSSION: u8 = 9;

/// Microseconds of a beat before the first tempo event.
const DEFAULT_TEMPO: f64 = 500_000.0;

/// What a file plays: notes on a common clock of ticks.
#[derive(Debug)]
pub(super) struct Score {
    pub(super) notes: Vec<Note>,
    /// The end of the last track.
    pub(super) end: u64,
    clock: Clock,
}

/// A key held from `start` (inclusive) to `end` (exclusive), in ticks; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) key: u8,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// What a tick lasts.
#[derive(Debug)]
enum Clock {
    /// Ticks per beat, and the tempo map: from this tick, which is at this second, a beat lasts so
    /// many microseconds.
    Beats { per_beat: f64, tempos: Vec<(u64, f64, f64)> },
    /// Ticks per second.
    Seconds(f64),
}

impl Score {
    /// Reads the bytes of a file; what is wrong with it is an answer for a message.
    ///
    /// Tracks play together, or one after the other in a file of format 2. A note ends with the first
    /// note-off of its key on its track and channel, when it is struck again, or with its track.
    pub(super) fn parse(bytes: &[u8], with_percussion: bool) -> Result<Self, String> {
        // The parser negates this byte of a header, which overflows.
        if bytes.windows(13).any(|header| header.starts_with(b"MThd") && header[12] == 0x80) {
            return Err("not a MIDI file: a clock of 128 frames a second".into());
        }
        let file = Smf::parse(bytes).map_err(|e| format!("not a MIDI file: {e}"))?;
        let is_sequential = file.header.format == midly::Format::Sequential;
        let (mut notes, mut tempos, mut end) = (Vec::new(), Vec::new(), 0u64);
        for track in &file.tracks {
            let mut now = if is_sequential { end } else { 0 };
            let mut held = Held::default();
            for event in track {
                now += u64::from(event.delta.as_int());
                match event.kind {
                    TrackEventKind::Meta(MetaMessage::Tempo(tempo)) => {
                        tempos.push((now, f64::from(tempo.as_int())));
                    }
                    TrackEventKind::Midi { channel, message } => {
                        let channel = channel.as_int();
                        if channel != PERCUSSION || with_percussion {
                            held.follow(now, channel, message, &mut notes);
                        }
                    }
                    _ => {}
                }
            }
            held.release_all(now, &mut notes);
            end = end.max(now);
        }
        let clock = match file.header.timing {
            Timing::Metrical(per_beat) if per_beat.as_int() > 0 => Clock::beats(per_beat.as_int(), tempos),
            Timing::Timecode(fps, per_frame) if per_frame > 0 => {
                Clock::Seconds(f64::from(fps.as_f32()) * f64::from(per_frame))
            }
            _ => return Err("a clock without ticks".into()),
        };
        Ok(Score { notes, end, clock })
    }

    /// Seconds from the start to a tick.
    pub(super) fn seconds(&self, tick: u64) -> f64 {
        match &self.clock {
            Clock::Seconds(per_second) => tick as f64 / per_second,
            Clock::Beats { per_beat, tempos } => {
                let later = tempos.partition_point(|(start, ..)| *start <= tick);
                let (start, seconds, tempo) =
                    later.checked_sub(1).map_or((0, 0.0, DEFAULT_TEMPO), |i| tempos[i]);
                seconds + (tick - start) as f64 / per_beat * tempo * 1e-6
            }
        }
    }

    /// Beats (quarter notes) from the start to a tick; none on a clock of film frames.
    pub(super) fn beats(&self, tick: u64) -> Option<f64> {
        match &self.clock {
            Clock::Seconds(_) => None,
            Clock::Beats { per_beat, .. } => Some(tick as f64 / per_beat),
        }
    }
}

impl Clock {
    fn beats(per_beat: u16, mut events: Vec<(u64, f64)>) -> Self {
        let per_beat = f64::from(per_beat);
        events.sort_by_key(|(tick, _)| *tick);
        let mut tempos = vec![(0, 0.0, DEFAULT_TEMPO)];
        for (tick, tempo) in events {
            let (start, seconds, before) = tempos[tempos.len() - 1];
            tempos.push((tick, seconds + (tick - start) as f64 / per_beat * before * 1e-6, tempo));
        }
        Clock::Beats { per_beat, tempos }
    }
}

/// Keys that are held on one track.
#[derive(Default)]
struct Held(HashMap<(u8, u8), Strike>);

#[derive(Clone, Copy)]
struct Strike {
    start: u64,
    /// Whether it was struck while still held: the note-off of the old note may follow at this tick.
    is_repeat: bool,
}

impl Held {
    fn follow(&mut self, now: u64, channel: u8, message: MidiMessage, notes: &mut Vec<Note>) {
        match message {
            MidiMessage::NoteOn { key, vel } if vel.as_int() > 0 => {
                let before = self.0.get(&(channel, key.as_int())).copied();
                let mut strike = Strike { start: now, is_repeat: before.is_some() };
                if let Some(before) = before {
                    strike.is_repeat = before.start < now || before.is_repeat;
                    push(notes, key.as_int(), before.start, now);
                }
                self.0.insert((channel, key.as_int()), strike);
            }
            MidiMessage::NoteOff { key, .. } | MidiMessage::NoteOn { key, .. } => {
                let key = key.as_int();
                match self.0.get(&(channel, key)).copied() {
                    Some(strike) if strike.start == now && strike.is_repeat => {}
                    Some(strike) => {
                        push(notes, key, strike.start, now);
                        self.0.remove(&(channel, key));
                    }
                    None => {}
                }
            }
            _ => {}
        }
    }

    fn release_all(self, now: u64, notes: &mut Vec<Note>) {
        for ((_, key), strike) in self.0 {
            push(notes, key, strike.start, now);
        }
    }
}

fn push(notes: &mut Vec<Note>, key: u8, start: u64, end: u64) {
    if start < end {
        notes.push(Note { key, start, end });
    }
}
