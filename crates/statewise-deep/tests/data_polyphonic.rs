//! The polyphonic sets against the statistics that were published with them.
//!
//! JSB chorales lie in the repository's test data; the three larger sets are looked for beside the
//! repository and skipped, with a message, where they are absent.

use std::path::PathBuf;

use statewise::data::Dataset;
use statewise_deep::data::{ArrayFile, LOWEST_KEY, LegacyRandom, NUM_KEYS, PianoRolls};

/// The file of a set, from the repository or from beside it.
fn find(name: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let places = [root.join("testdata/polyphonic"), root.join("../shared/data/polyphonic")];
    let found = places.into_iter().map(|place| place.join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: {name} is neither in testdata/polyphonic nor in ../shared/data/polyphonic");
    }
    found
}

/// Sequences, steps, shortest, longest, notes, lowest and highest key, silent steps, largest chord.
fn statistics(data: &Dataset<'_>) -> [usize; 9] {
    let rows: Vec<&[f64]> = data.rows().chunks_exact(NUM_KEYS).collect();
    assert!(data.rows().iter().all(|x| *x == 0.0 || *x == 1.0));
    let notes: Vec<usize> = rows.iter().map(|row| row.iter().sum::<f64>() as usize).collect();
    let keys = || rows.iter().flat_map(|row| (0..NUM_KEYS).filter(|k| row[*k] == 1.0));
    let key = |k: Option<usize>| k.unwrap() + usize::from(LOWEST_KEY);
    [
        data.num_sequences(),
        data.num_rows(),
        data.lengths().min().unwrap(),
        data.lengths().max().unwrap(),
        notes.iter().sum(),
        key(keys().min()),
        key(keys().max()),
        notes.iter().filter(|n| **n == 0).count(),
        *notes.iter().max().unwrap(),
    ]
}

fn check(name: &str, want: [[usize; 9]; 3]) {
    let Some(path) = find(name) else { return };
    let rolls = PianoRolls::read(path).unwrap();
    for ((split, data), want) in rolls.splits().into_iter().zip(want) {
        assert_eq!(statistics(data), want, "{name}, {split}");
    }
}

#[test]
fn jsb_chorales_have_their_published_statistics() {
    check(
        "jsb_chorales.npz",
        [
            [229, 13_807, 25, 129, 53_824, 43, 96, 18, 4],
            [76, 4_602, 32, 144, 17_811, 48, 96, 29, 4],
            [77, 4_725, 32, 160, 18_367, 45, 96, 17, 4],
        ],
    );
}

#[test]
fn nottingham_and_piano_have_their_published_statistics() {
    check(
        "nottingham.npz",
        [
            [694, 176_561, 40, 1788, 699_403, 31, 93, 487, 9],
            [173, 45_513, 96, 1473, 180_192, 34, 91, 51, 8],
            [170, 44_463, 63, 1793, 177_421, 36, 89, 19, 9],
        ],
    );
    check(
        "piano_midi.npz",
        [
            [87, 75_911, 111, 3857, 231_089, 21, 108, 4_917, 12],
            [12, 8_540, 209, 1637, 27_623, 24, 104, 251, 11],
            [25, 19_036, 65, 2645, 56_067, 21, 108, 652, 10],
        ],
    );
}

#[test]
fn musedata_has_its_published_statistics() {
    check(
        "musedata.npz",
        [
            [524, 245_202, 9, 3457, 856_543, 21, 96, 12_962, 14],
            [135, 82_755, 63, 3723, 287_893, 21, 100, 4_412, 15],
            [124, 64_339, 45, 4273, 211_857, 21, 105, 5_042, 14],
        ],
    );
}

/// Log-likelihood of the test split a step, with one probability for each key (or one for all) that the
/// train split gives, a tenth of a note added: −11.06 and −15.93 in the table of Boulanger-Lewandowski
/// et al. (2012).
#[test]
fn trivial_models_of_jsb_score_as_published() {
    let Some(path) = find("jsb_chorales.npz") else { return };
    let rolls = PianoRolls::read(path).unwrap();
    let frequencies = |data: &Dataset<'_>, added: f64| -> Vec<f64> {
        let sum = |k: usize| data.rows().iter().skip(k).step_by(NUM_KEYS).sum::<f64>() + added;
        (0..NUM_KEYS).map(|k| sum(k) / (data.num_rows() as f64 + 2.0 * added)).collect()
    };
    let (train, test) = (frequencies(&rolls.train, 0.1), frequencies(&rolls.test, 0.0));
    let shared = vec![train.iter().sum::<f64>() / NUM_KEYS as f64; NUM_KEYS];
    let score = |p: &[f64]| -> f64 {
        let one = |(p, f): (&f64, &f64)| f * p.ln() + (1.0 - f) * (1.0 - p).ln();
        p.iter().zip(&test).map(one).sum()
    };
    assert!((score(&train) - -11.059).abs() < 5e-4, "{}", score(&train));
    assert!((score(&shared) - -15.927).abs() < 5e-4, "{}", score(&shared));
}

#[test]
fn four_voices_become_rolls() {
    let Some(path) = find("jsb_chorales_16th_satb.npz") else { return };
    let rolls = PianoRolls::read(path).unwrap();
    let sizes = rolls.splits().map(|(_, data)| (data.num_sequences(), data.num_rows()));
    assert_eq!(sizes, [(229, 55_228), (76, 18_408), (77, 18_900)]);
    let [.., low, high, _, chord] = statistics(&rolls.train);
    assert!(low >= 36 && high <= 81 && chord == 4, "{low} to {high}, {chord} keys");
}

#[test]
fn a_damaged_file_is_an_error_and_never_a_panic() {
    let Some(path) = find("jsb_chorales.npz") else { return };
    let content = std::fs::read(path).unwrap();
    let mut random = LegacyRandom::new(4);
    for _ in 0..60 {
        let mut damaged = content.clone();
        for _ in 0..8 {
            let place = random.next_u32() as usize % damaged.len();
            damaged[place] = random.next_u32() as u8;
        }
        let _ = PianoRolls::from_npz(&damaged, "damaged.npz");
        let cut = random.next_u32() as usize % content.len();
        assert!(PianoRolls::from_npz(&content[..cut], "cut.npz").is_err());
    }
    let other = ArrayFile::from_npy(b"", "x.npy").unwrap_err().to_string();
    assert_eq!(other, "x.npy: not a .npy array, or cut off within its header");
}
