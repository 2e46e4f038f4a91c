//! The driver of tests: kernels compiled by the machine's C compiler, run in a loop over their threads, in
//! double precision; products to the letter of cuBLAS's contract.

use std::process::Command;
use std::sync::{Arc, OnceLock};

use libloading::Library;
use statewise::{Error, Result};

use super::driver::{Args, Call, Driver, KERNELS, Kernel, Product};

/// A device that is this machine.
pub(super) struct Host {
    library: Arc<Library>,
    memory: Vec<f64>,
    /// Kernels and products so far.
    pub(super) calls: usize,
    /// An error to report, for tests of what becomes of it.
    pub(super) fails: bool,
}

impl Host {
    /// None, with a message, where there is no C compiler.
    pub(super) fn new() -> Option<Self> {
        static LIBRARY: OnceLock<Option<Arc<Library>>> = OnceLock::new();
        let library = LIBRARY.get_or_init(compile).clone();
        if library.is_none() {
            println!("skipped: no C compiler `cc` for the kernels");
        }
        Some(Host { library: library?, memory: Vec::new(), calls: 0, fails: false })
    }
}

/// Compiles all kernels; a text that does not compile fails the test.
fn compile() -> Option<Arc<Library>> {
    let folder = std::env::temp_dir().join(format!("statewise-kernels-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (source, library) = (folder.join("kernels.c"), folder.join("kernels.so"));
    std::fs::write(&source, [include_str!("kernels/host.h"), KERNELS].concat()).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let run = Command::new(compiler)
        .args(["-std=c99", "-O1", "-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg("-lm")
        .output()
        .ok()?;
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    // SAFETY: the library was compiled from the kernels just now; it has no initialisers.
    let loaded = unsafe { Library::new(&library) }.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    Some(Arc::new(loaded))
}

impl Driver for Host {
    type Real = f64;

    /// What is not kept turns to NaN: whoever reads it before it is written shows.
    fn reserve(&mut self, len: usize, keep: usize) {
        let len = len.max(self.memory.len());
        self.memory.resize(len, f64::NAN);
        self.memory[keep..].fill(f64::NAN);
    }

    fn upload(&mut self, at: usize, values: &[f64]) {
        self.memory[at..at + values.len()].copy_from_slice(values);
    }

    fn launch(&mut self, kernel: Kernel, call: &Call<'_>) {
        self.calls += 1;
        let name = Kernel::NAMES[kernel as usize];
        let args: Args<f64> = Args::new(call, self.memory.as_mut_ptr() as u64);
        // SAFETY: every kernel has this signature, and reads and writes inside the rows that it is given.
        unsafe {
            let run = self.library.get::<extern "C" fn(Args<f64>)>(name).unwrap();
            run(args);
        }
    }

    fn multiply(&mut self, product: &Product) {
        self.calls += 1;
        let Product { m, n, k, a, lda, transpose_a, b, ldb, transpose_b, c, ldc, accumulate } = *product;
        let (a_rows, b_rows) = (if transpose_a { k } else { m }, if transpose_b { n } else { k });
        // What cuBLAS answers with an error.
        assert!(lda >= a_rows.max(1) && ldb >= b_rows.max(1) && ldc >= m.max(1), "{product:?}");
        for j in 0..n {
            for i in 0..m {
                let sum: f64 = (0..k)
                    .map(|l| {
                        let a = self.memory[a + if transpose_a { l + i * lda } else { i + l * lda }];
                        let b = self.memory[b + if transpose_b { j + l * ldb } else { l + j * ldb }];
                        a * b
                    })
                    .sum();
                let into = &mut self.memory[c + i + j * ldc];
                *into = if accumulate { *into + sum } else { sum };
            }
        }
    }

    fn download(&mut self, at: usize, values: &mut [f64]) -> Result<()> {
        values.copy_from_slice(&self.memory[at..at + values.len()]);
        if self.fails {
            return Err(Error::argument("device", "an error of the device", "none"));
        }
        Ok(())
    }
}
