//! MIDI: rolls survive the way through a file, tempo maps and note rules, damage is an error.

use midly::num::{u4, u7, u15, u24, u28};
use midly::{Format, Fps, Header, MetaMessage, MidiMessage, Smf, Timing, TrackEvent, TrackEventKind};
use statewise_deep::data::{
    LegacyRandom, MidiReadOptions, MidiStep, MidiWriteOptions, NUM_KEYS, Sounding, midi_of_roll, read_midi,
    read_midi_folder, roll_of_midi,
};

/// A roll in which keys stay with probability 0.7, and the last two steps are silent.
fn random_roll(num_steps: usize, width: usize, seed: u32) -> Vec<f64> {
    let mut random = LegacyRandom::new(seed);
    let mut roll = vec![0.0; num_steps * width];
    for i in 0..(num_steps - 2) * width {
        let before = if i < width { 0.0 } else { roll[i - width] };
        let on = random.random_sample() < if before == 1.0 { 0.7 } else { 0.1 };
        roll[i] = f64::from(u8::from(on));
    }
    roll
}

/// A file of tracks whose events carry absolute ticks.
fn file(format: Format, timing: Timing, tracks: &[Vec<(u32, TrackEventKind<'static>)>]) -> Vec<u8> {
    let mut smf = Smf::new(Header::new(format, timing));
    for events in tracks {
        let mut before = 0;
        let event = |(tick, kind): &(u32, TrackEventKind<'static>)| {
            let delta = u28::new(tick - before);
            before = *tick;
            TrackEvent { delta, kind: *kind }
        };
        smf.tracks.push(events.iter().map(event).collect());
    }
    let mut bytes = Vec::new();
    smf.write_std(&mut bytes).unwrap();
    bytes
}

fn on(key: u8) -> TrackEventKind<'static> {
    TrackEventKind::Midi {
        channel: u4::new(0),
        message: MidiMessage::NoteOn { key: u7::new(key), vel: u7::new(64) },
    }
}

fn off(key: u8) -> TrackEventKind<'static> {
    TrackEventKind::Midi {
        channel: u4::new(0),
        message: MidiMessage::NoteOff { key: u7::new(key), vel: u7::new(0) },
    }
}

fn tempo(microseconds: u32) -> TrackEventKind<'static> {
    TrackEventKind::Meta(MetaMessage::Tempo(u24::new(microseconds)))
}

const END: TrackEventKind<'static> = TrackEventKind::Meta(MetaMessage::EndOfTrack);

/// The steps in which one key sounds; the range is this key alone.
fn steps(bytes: &[u8], key: u8, step: MidiStep, sounding: Sounding) -> Vec<usize> {
    let options =
        MidiReadOptions { step, sounding, lowest_key: key, highest_key: key, ..Default::default() };
    let roll = roll_of_midi(bytes, "f.mid", &options).unwrap();
    (0..roll.len()).filter(|t| roll[*t] == 1.0).collect()
}

fn ticks(per_beat: u16) -> Timing {
    Timing::Metrical(u15::new(per_beat))
}

#[test]
fn a_roll_survives_the_way_through_a_file() {
    let roll = random_roll(120, NUM_KEYS, 1);
    for restrike in [false, true] {
        for seconds in [0.3, 0.125, 1.0 / 3.0, 2.0] {
            let options = MidiWriteOptions { seconds_per_step: seconds, restrike, ..Default::default() };
            let bytes = midi_of_roll(&roll, NUM_KEYS, &options).unwrap();
            for step in [MidiStep::Seconds(seconds), MidiStep::Beats(1.0)] {
                for sounding in [Sounding::Middle, Sounding::Start, Sounding::Any] {
                    let options = MidiReadOptions { step, sounding, ..Default::default() };
                    let back = roll_of_midi(&bytes, "f.mid", &options).unwrap();
                    assert!(back == roll, "restrike {restrike}, {step:?}, {sounding:?}");
                }
            }
        }
    }
}

#[test]
fn the_file_keeps_the_defaults_of_the_published_notebook() {
    let mut roll = vec![0.2; 3 * NUM_KEYS];
    roll[0] = 0.51; // A0 = 21
    roll[2 * NUM_KEYS + 87] = 0.9; // C8 = 108
    roll[NUM_KEYS] = f64::NAN;
    let bytes = midi_of_roll(&roll, NUM_KEYS, &MidiWriteOptions::default()).unwrap();
    let smf = Smf::parse(&bytes).unwrap();
    assert_eq!(smf.header.format, Format::SingleTrack);
    let kinds: Vec<(u32, TrackEventKind<'_>)> =
        smf.tracks[0].iter().map(|e| (e.delta.as_int(), e.kind)).collect();
    assert_eq!(kinds[0], (0, tempo(300_000)));
    let struck: Vec<u8> = kinds
        .iter()
        .filter_map(|(_, kind)| match kind {
            TrackEventKind::Midi { message: MidiMessage::NoteOn { key, .. }, .. } => Some(key.as_int()),
            _ => None,
        })
        .collect();
    assert_eq!(struck, [21, 108]);
    assert_eq!(kinds.last().unwrap().1, END);
    assert_eq!(kinds.iter().map(|(delta, _)| delta).sum::<u32>(), 3 * 480);
}

#[test]
fn held_notes_are_struck_once_and_restruck_ones_at_every_step() {
    let strikes = |restrike| {
        let options = MidiWriteOptions { restrike, ..Default::default() };
        let bytes = midi_of_roll(&[1.0; 5], 1, &options).unwrap();
        let smf = Smf::parse(&bytes).unwrap().to_static();
        let is_on = |e: &&TrackEvent<'_>| {
            matches!(e.kind, TrackEventKind::Midi { message: MidiMessage::NoteOn { .. }, .. })
        };
        smf.tracks[0].iter().filter(is_on).count()
    };
    assert_eq!((strikes(false), strikes(true)), (1, 5));
}

#[test]
fn seconds_follow_the_tempo_map_and_beats_do_not() {
    // One beat at 0.5 s (the default), two at 1 s, from a track of its own; the note lasts beats 1 to 3.
    let tracks =
        [vec![(100, tempo(1_000_000)), (300, END)], vec![(100, on(60)), (300, off(60)), (400, END)]];
    let bytes = file(Format::Parallel, ticks(100), &tracks);
    let middle = Sounding::Middle;
    assert_eq!(steps(&bytes, 60, MidiStep::Seconds(0.5), middle), [1, 2, 3, 4]);
    assert_eq!(steps(&bytes, 60, MidiStep::Beats(1.0), middle), [1, 2]);
    assert_eq!(steps(&bytes, 60, MidiStep::Beats(0.5), middle), [2, 3, 4, 5]);
}

#[test]
fn the_rule_decides_which_steps_a_note_touches() {
    // Held from 0.6 to 2.2 and from 5.1 to 5.3 steps.
    let track = vec![(6, on(60)), (22, off(60)), (51, on(60)), (53, off(60)), (60, END)];
    let bytes = file(Format::SingleTrack, ticks(10), &[track]);
    let by = |sounding| steps(&bytes, 60, MidiStep::Beats(1.0), sounding);
    assert_eq!(by(Sounding::Middle), [1]);
    assert_eq!(by(Sounding::Start), [1, 2]);
    assert_eq!(by(Sounding::Any), [0, 1, 2, 5]);
}

#[test]
fn notes_end_with_their_off_a_new_strike_or_their_track() {
    let steps = |track: Vec<(u32, TrackEventKind<'static>)>| {
        let bytes = file(Format::SingleTrack, ticks(1), &[track]);
        steps(&bytes, 60, MidiStep::Beats(1.0), Sounding::Middle)
    };
    let silent = TrackEventKind::Midi {
        channel: u4::new(0),
        message: MidiMessage::NoteOn { key: u7::new(60), vel: u7::new(0) },
    };
    assert_eq!(steps(vec![(0, on(60)), (2, silent), (9, END)]), [0, 1]);
    assert_eq!(steps(vec![(0, on(60)), (4, END)]), [0, 1, 2, 3]);
    assert_eq!(steps(vec![(0, on(60)), (1, on(60)), (3, off(60)), (9, END)]), [0, 1, 2]);
    // The off of the old note may come after the strike of the new one.
    assert_eq!(steps(vec![(0, on(60)), (1, on(60)), (1, off(60)), (3, off(60)), (9, END)]), [0, 1, 2]);
    // A note without length is none.
    assert_eq!(steps(vec![(0, on(60)), (0, off(60)), (2, on(60)), (3, off(60)), (9, END)]), [2]);
}

#[test]
fn percussion_is_left_out_unless_wanted_and_silence_trimmed_if_wanted() {
    let drum = TrackEventKind::Midi {
        channel: u4::new(9),
        message: MidiMessage::NoteOn { key: u7::new(40), vel: u7::new(64) },
    };
    let bytes =
        file(Format::SingleTrack, ticks(1), &[vec![(2, drum), (2, on(60)), (3, off(60)), (6, END)]]);
    let options = MidiReadOptions { step: MidiStep::Beats(1.0), ..Default::default() };
    let sum = |options: &MidiReadOptions| {
        let roll = roll_of_midi(&bytes, "f.mid", options).unwrap();
        (roll.len() / NUM_KEYS, roll.iter().sum::<f64>())
    };
    assert_eq!(sum(&options), (6, 1.0));
    assert_eq!(sum(&MidiReadOptions { percussion: true, ..options }), (6, 5.0));
    assert_eq!(sum(&MidiReadOptions { trim: true, ..options }), (1, 1.0));
}

#[test]
fn film_frames_have_seconds_but_no_beats() {
    let track = vec![(0, on(60)), (100, off(60)), (200, END)];
    let bytes = file(Format::SingleTrack, Timing::Timecode(Fps::Fps25, 4), &[track]);
    assert_eq!(steps(&bytes, 60, MidiStep::Seconds(0.5), Sounding::Middle), [0, 1]);
    let options = MidiReadOptions { step: MidiStep::Beats(1.0), ..Default::default() };
    let error = roll_of_midi(&bytes, "f.mid", &options).unwrap_err().to_string();
    assert_eq!(error, "f.mid: a clock of film frames, which has no beats; give the step in seconds");
}

#[test]
fn a_folder_gives_one_sequence_a_file_and_lists_what_it_skips() {
    let folder = std::env::temp_dir().join(format!("statewise_midi_{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let rolls = [random_roll(20, NUM_KEYS, 2), random_roll(33, NUM_KEYS, 3)];
    for (name, roll) in ["b.MID", "a.midi"].iter().zip(&rolls) {
        std::fs::write(folder.join(name), midi_of_roll(roll, NUM_KEYS, &Default::default()).unwrap())
            .unwrap();
    }
    std::fs::write(folder.join("c.mid"), b"RIFF").unwrap();
    std::fs::write(folder.join("readme.txt"), b"no music").unwrap();
    let options = MidiReadOptions::default();
    let got = read_midi_folder(&folder, &options).unwrap();
    let one = read_midi(folder.join("a.midi"), &options).unwrap();
    let none = read_midi_folder(folder.join("absent"), &options);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(got.files, ["a.midi", "b.MID"]);
    assert_eq!(got.rolls.lengths().collect::<Vec<usize>>(), [33, 20]);
    assert_eq!(got.rolls.sequence(1).emissions, rolls[0]);
    assert_eq!(one.rows(), rolls[1]);
    assert_eq!((got.skipped.len(), got.skipped[0].0.as_str()), (1, "c.mid"));
    assert!(got.skipped[0].1.starts_with("c.mid: not a MIDI file"), "{}", got.skipped[0].1);
    assert!(none.is_err());
}

#[test]
fn options_that_make_no_sense_are_errors() {
    let write = |roll: &[f64], width, options: MidiWriteOptions| {
        midi_of_roll(roll, width, &options).unwrap_err().to_string()
    };
    let plain = MidiWriteOptions::default();
    assert!(write(&[0.0; 3], 2, plain).starts_with("roll: found 3 values"));
    assert!(write(&[0.0; 120], 120, plain).starts_with("roll: found 120 columns from key 21"));
    assert!(write(&[0.0], 1, MidiWriteOptions { velocity: 0, ..plain }).starts_with("velocity: found 0"));
    assert!(write(&[0.0], 1, MidiWriteOptions { program: 128, ..plain }).starts_with("program: found 128"));
    for seconds in [0.0, -1.0, 17.0, f64::NAN] {
        let options = MidiWriteOptions { seconds_per_step: seconds, ..plain };
        assert!(write(&[0.0], 1, options).starts_with("seconds_per_step"), "{seconds}");
    }
    let bytes = midi_of_roll(&[1.0], 1, &plain).unwrap();
    let read = |options: MidiReadOptions| roll_of_midi(&bytes, "f.mid", &options).unwrap_err().to_string();
    let plain = MidiReadOptions::default();
    assert!(read(MidiReadOptions { step: MidiStep::Beats(0.0), ..plain }).starts_with("step: found 0"));
    assert!(read(MidiReadOptions { highest_key: 20, ..plain }).starts_with("lowest_key, highest_key"));
    assert!(
        read(MidiReadOptions { step: MidiStep::Seconds(1e-9), ..plain }).contains("take a longer step")
    );
    let silent = read(MidiReadOptions { lowest_key: 50, ..plain });
    assert_eq!(silent, "f.mid: no key from 50 to 108 sounds in any step");
}

#[test]
fn a_damaged_file_is_never_a_panic() {
    let options = MidiReadOptions { step: MidiStep::Seconds(0.05), percussion: true, ..Default::default() };
    let content = midi_of_roll(&random_roll(40, NUM_KEYS, 5), NUM_KEYS, &Default::default()).unwrap();
    let mut random = LegacyRandom::new(6);
    for length in 0..content.len() {
        let _ = roll_of_midi(&content[..length], "cut.mid", &options);
    }
    for _ in 0..3000 {
        let mut damaged = content.clone();
        for _ in 0..1 + random.next_u32() % 4 {
            // Half of the damage in the header and the first events.
            let reach = if random.random_sample() < 0.5 { 40 } else { damaged.len() };
            let place = random.next_u32() as usize % reach;
            damaged[place] = random.next_u32() as u8;
        }
        let _ = roll_of_midi(&damaged, "damaged.mid", &options);
    }
}
