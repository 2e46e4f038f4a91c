//! The legacy generator against numbers that NumPy 2.4.6 printed.

use statewise_deep::data::LegacyRandom;

/// Normal draws go through a logarithm, which platforms round differently.
fn close(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() <= 4e-16 * w.abs().max(1.0), "{got:?}, numpy {want:?}");
    }
}

fn samples(random: &mut LegacyRandom, len: usize) -> Vec<f64> {
    (0..len).map(|_| random.random_sample()).collect()
}

// numpy.random.RandomState(0).random_sample(5), RandomState(2**32 - 1).random_sample(2)
#[test]
fn uniform_draws_are_those_of_numpy_bit_for_bit() {
    let want = [
        0.5488135039273248,
        0.7151893663724195,
        0.6027633760716439,
        0.5448831829968969,
        0.4236547993389047,
    ];
    assert_eq!(samples(&mut LegacyRandom::new(0), 5), want);
    assert_eq!(samples(&mut LegacyRandom::new(u32::MAX), 2), [0.0976320289940138, 0.9123828453026218]);
    // s = RandomState(1); s.random_sample(1_000_000); s.random_sample(1)
    let mut random = LegacyRandom::new(1);
    samples(&mut random, 1_000_000);
    assert_eq!(random.random_sample(), 0.1382964100000177);
    // RandomState(7).uniform(-0.2, 0.2, 4)
    let mut random = LegacyRandom::new(7);
    let uniform: Vec<f64> = (0..4).map(|_| random.uniform(-0.2, 0.2)).collect();
    let want = [-0.16947668425041715, 0.11196751689604584, -0.02463630742364259, 0.08938607113237651];
    assert_eq!(uniform, want);
}

// numpy.random.RandomState(0).randn(6), RandomState(1).randn(5)
#[test]
fn normal_draws_are_those_of_numpy() {
    let want = [
        1.764052345967664,
        0.4001572083672233,
        0.9787379841057392,
        2.240893199201458,
        1.8675579901499675,
        -0.977277879876411,
    ];
    close(&LegacyRandom::new(0).randn(6), &want);
    let want = [
        1.6243453636632417,
        -0.6117564136500754,
        -0.5281717522634557,
        -1.0729686221561705,
        0.8654076293246785,
    ];
    close(&LegacyRandom::new(1).randn(5), &want);
    // s = RandomState(1); s.randn(999_999); s.randn(2)
    let mut random = LegacyRandom::new(1);
    random.randn(999_999);
    close(&random.randn(2), &[0.31339801363727343, -0.9513739702454814]);
}

// s = numpy.random.RandomState(5); s.randn(1), s.random_sample(1), s.randn(2)
#[test]
fn the_second_normal_of_a_pair_outlasts_a_uniform_draw() {
    let mut random = LegacyRandom::new(5);
    let got = [random.standard_normal(), random.random_sample(), random.standard_normal()];
    close(&got, &[0.44122748688504143, 0.20671915533942642, -0.33087015189408764]);
    close(&random.randn(1), &[-0.023303746449855414]);
}

// numpy.random.RandomState([1, 2, 3]), and RandomState(list(range(700)))
#[test]
fn several_seeds_give_the_state_of_numpy() {
    let mut random = LegacyRandom::from_seeds(&[1, 2, 3]).unwrap();
    assert_eq!(samples(&mut random, 3), [0.6098612722867289, 0.8866970434146851, 0.47633673750662764]);
    close(&random.randn(3), &[0.18233569446590048, 0.7913738930191068, 0.10670669007642904]);
    let many: Vec<u32> = (0..700).collect();
    let mut random = LegacyRandom::from_seeds(&many).unwrap();
    assert_eq!(samples(&mut random, 2), [0.867898393018711, 0.9148838731573538]);
    let error = LegacyRandom::from_seeds(&[]).unwrap_err().to_string();
    assert_eq!(error, "seeds: found none, expected at least one");
}

// s = RandomState(3); s.permutation(10), s.random_sample(1); s = RandomState(0); s.permutation(12000) ...
#[test]
fn permutations_are_those_of_numpy() {
    let mut random = LegacyRandom::new(3);
    assert_eq!(random.permutation(10), [5, 4, 1, 2, 9, 6, 7, 0, 3, 8]);
    assert_eq!(random.random_sample(), 0.20724287813818676);
    let mut random = LegacyRandom::new(0);
    let order = random.permutation(12_000);
    assert_eq!(order[..5], [4954, 11999, 11041, 7532, 11966]);
    assert_eq!(order[11_997..], [9845, 10799, 2732]);
    assert_eq!(random.random_sample(), 0.8226723593124851);
    assert!(random.permutation(0).is_empty());
    assert_eq!(random.permutation(1), [0]);
}
