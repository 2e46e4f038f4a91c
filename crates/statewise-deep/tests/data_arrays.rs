//! Arrays from files: what NumPy wrote is read, every layout of sequences, damage is an error.

use std::io::{Cursor, Write};

use safetensors::tensor::{Dtype, TensorView};
use statewise::data::{Dataset, Layout};
use statewise_deep::data::{ArrayChoice, ArrayFile, LegacyRandom};
use zip::write::SimpleFileOptions;

/// `numpy.savez_compressed(f, first=int16([[1, 2], [3, 4]]), second=bool([[True, False]]), third=float16([[0.5, -2]]))`
/// of NumPy 2.4.6.
const SAVED_NPZ: &str = "504b03042d00000008000000210000cadc6dffffffffffffffff0900140066697273742e6e70790100100088000000000000004e000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9369a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a463a0a469a3a0ab50a64032e460626066606160600504b03042d00000008000000210010193a19ffffffffffffffff0a0014007365636f6e642e6e707901001000820000000000000048000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a05e9364a8aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a863a0a469a3a0ab50a64032e460600504b03042d000000080000002100b3353082ffffffffffffffff0900140074686972642e6e70790100100084000000000000004a000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a863a0a469a3a0ab50a64032e060b860300504b01022d032d00000008000000210000cadc6d4e0000008800000009000000000000000000000080010000000066697273742e6e7079504b01022d032d00000008000000210010193a1948000000820000000a00000000000000000000008001890000007365636f6e642e6e7079504b01022d032d000000080000002100b33530824a0000008400000009000000000000000000000080010d01000074686972642e6e7079504b05060000000003000300a6000000920100000000";

/// `numpy.save(f, numpy.asfortranarray(numpy.arange(24, dtype="<i2").reshape(2, 3, 4)))` of NumPy 2.4.6.
const SAVED_FORTRAN: &str = "934e554d5059010076007b276465736372273a20273c6932272c2027666f727472616e5f6f72646572273a20547275652c20277368617065273a2028322c20332c2034292c207d20202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a00000c00040010000800140001000d00050011000900150002000e00060012000a00160003000f00070013000b001700";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// A `.npy` file of doubles.
fn npy(shape: &str, values: &[f64]) -> Vec<u8> {
    npy_with(&format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n"), values)
}

fn npy_with(header: &str, values: &[f64]) -> Vec<u8> {
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    out.extend(values.iter().flat_map(|x| x.to_le_bytes()));
    out
}

fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in arrays {
        zip.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn open(arrays: &[(&str, Vec<u8>)]) -> ArrayFile {
    ArrayFile::from_npz(&npz(arrays), "f.npz").unwrap()
}

fn lengths(data: &Dataset<'_>) -> Vec<usize> {
    data.lengths().collect()
}

fn choose(emissions: &str, lengths: Option<&str>) -> ArrayChoice {
    ArrayChoice { emissions: Some(emissions.into()), lengths: lengths.map(str::to_owned), inputs: None }
}

#[test]
fn what_numpy_saved_is_read_in_its_order() {
    let file = ArrayFile::from_npz(&bytes(SAVED_NPZ), "saved.npz").unwrap();
    let names: Vec<&str> = file.arrays().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["first", "second", "third"]);
    assert_eq!(file.array("first").unwrap().values(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(file.array("second").unwrap().values(), [1.0, 0.0]);
    let data = file.dataset(&ArrayChoice::default()).unwrap();
    assert_eq!((data.layout(), lengths(&data)), (Layout::Ragged, vec![2, 1, 1]));
    assert_eq!(data.rows(), [1.0, 2.0, 3.0, 4.0, 1.0, 0.0, 0.5, -2.0]);
}

#[test]
fn fortran_order_is_turned_into_rows() {
    let file = ArrayFile::from_npy(&bytes(SAVED_FORTRAN), "saved.npy").unwrap();
    let want: Vec<f64> = (0..24).map(f64::from).collect();
    assert_eq!(file.array("data").unwrap().shape(), [2, 3, 4]);
    assert_eq!(file.array("data").unwrap().values(), want);
}

#[test]
fn one_array_is_one_sequence_or_a_batch() {
    let flat: Vec<f64> = (0..12).map(f64::from).collect();
    let data = open(&[("x", npy("(12,)", &flat))]).dataset(&ArrayChoice::default()).unwrap();
    assert_eq!((data.layout(), data.width(), lengths(&data)), (Layout::Single, 1, vec![12]));
    let data = open(&[("x", npy("(4, 3)", &flat))]).dataset(&ArrayChoice::default()).unwrap();
    assert_eq!((data.layout(), data.width(), lengths(&data)), (Layout::Single, 3, vec![4]));
    let data = open(&[("x", npy("(2, 2, 3)", &flat))]).dataset(&ArrayChoice::default()).unwrap();
    assert_eq!((data.layout(), data.width(), lengths(&data)), (Layout::Batch, 3, vec![2, 2]));
}

#[test]
fn lengths_masks_and_end_to_end_rows_give_the_same_sequences() {
    let padded = [1.0, 2.0, 3.0, 4.0, f64::NAN, 9.0];
    let file = open(&[
        ("x", npy("(2, 3, 1)", &padded)),
        ("lengths", npy("(2,)", &[3.0, 1.0])),
        ("mask", npy("(2, 3)", &[1.0, 1.0, 1.0, 1.0, 0.0, 0.0])),
        ("rows", npy("(4, 1)", &padded[..4])),
        ("u", npy("(2, 3, 2)", &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0])),
    ]);
    let by_lengths = file.dataset(&choose("x", Some("lengths"))).unwrap();
    let by_mask = file.dataset(&choose("x", Some("mask"))).unwrap();
    let by_rows = file.dataset(&choose("rows", Some("lengths"))).unwrap();
    for data in [&by_lengths, &by_mask, &by_rows] {
        assert_eq!((lengths(data), data.rows()), (vec![3, 1], &padded[..4]));
    }
    let choice = ArrayChoice { inputs: Some("u".into()), ..choose("x", Some("lengths")) };
    let data = file.dataset(&choice).unwrap();
    assert_eq!(data.sequence(1).inputs, [6.0, 7.0]);
    let usual = open(&[("x", npy("(2, 3, 1)", &padded)), ("lengths", npy("(2,)", &[3.0, 1.0]))]);
    assert_eq!(lengths(&usual.dataset(&ArrayChoice::default()).unwrap()), [3, 1]);
}

#[test]
fn safetensors_are_read_in_the_order_of_their_names() {
    let one = 1f32.to_le_bytes();
    let two: Vec<u8> = [2f64, 3.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let views = [
        ("part10", TensorView::new(Dtype::F64, vec![2, 1], &two).unwrap()),
        ("part2", TensorView::new(Dtype::F32, vec![1, 1], &one).unwrap()),
    ];
    let content = safetensors::serialize(views, None).unwrap();
    let data = ArrayFile::from_safetensors(&content, "f.safetensors").unwrap();
    let data = data.dataset(&ArrayChoice::default()).unwrap();
    assert_eq!((lengths(&data), data.rows()), (vec![1, 2], &[1.0, 2.0, 3.0][..]));
}

#[test]
fn errors_name_the_file_the_array_and_the_remedy() {
    let x = || npy("(2, 2)", &[0.0; 4]);
    let refuse = |arrays: &[(&str, Vec<u8>)], choice: &ArrayChoice| {
        let file = ArrayFile::from_npz(&npz(arrays), "f.npz");
        file.and_then(|file| file.dataset(choice)).unwrap_err().to_string()
    };
    let any = ArrayChoice::default();
    assert_eq!(
        refuse(&[("x", x())], &choose("y", None)),
        "f.npz: array 'y': found no such array, expected one of x"
    );
    assert_eq!(
        refuse(&[("x", x()), ("y", npy("(2, 3)", &[0.0; 6]))], &any),
        "f.npz: array 'y': found shape [2, 3], expected 2 columns, as the first array has"
    );
    assert_eq!(
        refuse(&[("x", x()), ("lengths", npy("(2,)", &[1.0, 3.0]))], &any),
        "f.npz: array 'lengths', entry 1: found 3, expected at most 2 time steps"
    );
    assert_eq!(
        refuse(
            &[("x", npy("(1, 3, 1)", &[0.0; 3])), ("m", npy("(1, 3)", &[1.0, 0.0, 1.0]))],
            &choose("x", Some("m"))
        ),
        "f.npz: array 'm': found shape [1, 3], expected a mask: rows of ones and then zeros"
    );
    assert_eq!(
        refuse(&[("x", x()), ("y", x()), ("lengths", npy("(1,)", &[2.0]))], &any),
        "f.npz: array 'y': found several arrays of emissions beside lengths or inputs, \
         expected one array, by its name in `emissions`"
    );
    assert_eq!(
        refuse(
            &[("x", npy_with("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", &[0.0]))],
            &any
        ),
        "f.npz: array 'x': values of type '|O', expected numbers or booleans"
    );
    assert_eq!(
        refuse(&[("x", npy("(3, 2)", &[0.0; 4]))], &any),
        "f.npz: array 'x': 32 bytes of values do not fill the shape [3, 2] of its header"
    );
    assert!(refuse(&[("x", npy("(18446744073709551615, 2, 2)", &[0.0; 4]))], &any).contains("do not fill"));
    assert_eq!(
        ArrayFile::read("data.hdf5").unwrap_err().to_string(),
        "data.hdf5: an unknown kind of array file; its name should end in .npz, .npy or .safetensors"
    );
    assert!(ArrayFile::read("absent.npz").unwrap_err().to_string().starts_with("absent.npz: "));
    assert!(refuse(&[], &any).starts_with("f.npz: no"));
}

#[test]
fn a_damaged_file_is_an_error_and_never_a_panic() {
    let tensor = TensorView::new(Dtype::U8, vec![2, 2], &[1, 2, 3, 4]).unwrap();
    let safetensors = safetensors::serialize([("x", tensor)], None).unwrap();
    type Reader = fn(&[u8], &str) -> statewise::Result<ArrayFile>;
    let files: [(Vec<u8>, Reader); 4] = [
        (bytes(SAVED_NPZ), ArrayFile::from_npz),
        (npz(&[("x", npy("(2, 2)", &[0.5; 4]))]), ArrayFile::from_npz),
        (bytes(SAVED_FORTRAN), ArrayFile::from_npy),
        (safetensors, ArrayFile::from_safetensors),
    ];
    let mut random = LegacyRandom::new(9);
    for (content, read) in files {
        for length in 0..content.len() {
            assert!(read(&content[..length], "cut").is_err(), "cut at {length} of {}", content.len());
        }
        for _ in 0..4000 {
            let mut damaged = content.clone();
            for _ in 0..1 + random.next_u32() % 3 {
                let place = random.next_u32() as usize % damaged.len();
                damaged[place] = random.next_u32() as u8;
            }
            if let Ok(file) = read(&damaged, "damaged") {
                let _ = file.dataset(&ArrayChoice::default());
            }
        }
    }
}
