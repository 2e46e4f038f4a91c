//! The first NVIDIA GPU as a driver: kernels compiled by NVRTC, products by cuBLAS, in single precision.
//!
//! All libraries are loaded when a device is asked for; a machine without them gets an error that names them.

use std::sync::{Arc, Mutex, PoisonError};

use cudarc::cublas::{self, CudaBlas, sys::cublasOperation_t};
use cudarc::driver::{
    self, CudaContext, CudaFunction, CudaSlice, CudaStream, DevicePtr, DeviceRepr, LaunchConfig,
    PushKernelArg,
};
use cudarc::nvrtc::{self, CompileOptions, Ptx};
use statewise::{Error, Result};

use super::driver::{Args, Call, Driver, KERNELS, Kernel, Product};

/// Threads of a block.
const BLOCK: usize = 256;

// SAFETY: a struct of plain numbers, laid out as `Args` of the kernels.
unsafe impl DeviceRepr for Args<f32> {}

/// A GPU. Its memory is one block, which only grows.
pub(super) struct Cuda {
    blas: CudaBlas,
    functions: Vec<CudaFunction>,
    memory: CudaSlice<f32>,
    /// The address of the memory.
    base: u64,
    stream: Arc<CudaStream>,
    error: Option<Error>,
}

impl Cuda {
    /// The first GPU that the driver shows (`CUDA_VISIBLE_DEVICES` chooses).
    ///
    /// # Errors
    /// A library or a GPU that is not there.
    pub(super) fn new() -> Result<Self> {
        check_libraries()?;
        let context = CudaContext::new(0).map_err(failed("opening the GPU"))?;
        let stream = context.default_stream();
        let module = context.load_module(compiled(&context)?).map_err(failed("loading the kernels"))?;
        let load = |name: &&str| module.load_function(name).map_err(failed("loading the kernels"));
        let functions = Kernel::NAMES.iter().map(load).collect::<Result<Vec<_>>>()?;
        let blas = CudaBlas::new(stream.clone()).map_err(failed("starting cuBLAS"))?;
        let memory = stream.alloc_zeros(1).map_err(failed("reserving memory"))?;
        let base = address(&memory, &stream);
        Ok(Cuda { blas, functions, memory, base, stream, error: None })
    }

    /// Does something unless there was an error, and keeps its error.
    fn attempt(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) {
        if self.error.is_none() {
            self.error = work(self).err();
        }
    }

    fn grow(&mut self, len: usize, keep: usize) -> Result<()> {
        let mut memory: CudaSlice<f32> =
            self.stream.alloc_zeros(len).map_err(failed("reserving memory"))?;
        let keep = keep.min(self.memory.len());
        if keep > 0 {
            let (from, mut to) = (self.memory.slice(..keep), memory.slice_mut(..keep));
            self.stream.memcpy_dtod(&from, &mut to).map_err(failed("copying"))?;
        }
        self.base = address(&memory, &self.stream);
        self.memory = memory;
        Ok(())
    }
}

impl Driver for Cuda {
    type Real = f32;

    fn reserve(&mut self, len: usize, keep: usize) {
        if len > self.memory.len() {
            // A quarter more: batches of about the same size then fit.
            self.attempt(|cuda| cuda.grow(len + len / 4, keep));
        }
    }

    fn upload(&mut self, at: usize, values: &[f32]) {
        self.attempt(|cuda| {
            let mut to = cuda.memory.slice_mut(at..at + values.len());
            cuda.stream.memcpy_htod(values, &mut to).map_err(failed("copying to the GPU"))
        });
    }

    fn launch(&mut self, kernel: Kernel, call: &Call<'_>) {
        let args: Args<f32> = Args::new(call, self.base);
        let config = LaunchConfig {
            grid_dim: (call.threads.div_ceil(BLOCK) as u32, 1, 1),
            block_dim: (BLOCK as u32, 1, 1),
            shared_mem_bytes: 0,
        };
        self.attempt(|cuda| {
            let mut builder = cuda.stream.launch_builder(&cuda.functions[kernel as usize]);
            builder.arg(&args);
            // SAFETY: every kernel takes one `Args`; its threads read and write inside the rows that it names,
            // all of them in `memory`, which lives as long as the stream has work.
            let launched = unsafe { builder.launch(config) };
            let name = Kernel::NAMES[kernel as usize];
            launched.map(drop).map_err(|error| failed(&format!("the kernel {name}"))(error))
        });
    }

    fn multiply(&mut self, product: &Product) {
        let operation = |transpose: bool| match transpose {
            true => cublasOperation_t::CUBLAS_OP_T,
            false => cublasOperation_t::CUBLAS_OP_N,
        };
        let Product { m, n, k, a, lda, transpose_a, b, ldb, transpose_b, c, ldc, accumulate } = *product;
        let (alpha, beta) = (1.0_f32, if accumulate { 1.0_f32 } else { 0.0 });
        self.attempt(|cuda| {
            let at = |place: usize| cuda.base + (place * size_of::<f32>()) as u64;
            // SAFETY: the three matrices lie in `memory`, the sizes fit 32 bits (`Layout` sees to both), and the
            // factors are read from the host before the call returns (cuBLAS's default pointer mode).
            let done = unsafe {
                cublas::result::sgemm(
                    *cuda.blas.handle(),
                    operation(transpose_a),
                    operation(transpose_b),
                    m as i32,
                    n as i32,
                    k as i32,
                    &alpha,
                    at(a) as *const f32,
                    lda as i32,
                    at(b) as *const f32,
                    ldb as i32,
                    &beta,
                    at(c) as *mut f32,
                    ldc as i32,
                )
            };
            done.map_err(failed("a matrix product"))
        });
    }

    fn download(&mut self, at: usize, values: &mut [f32]) -> Result<()> {
        self.attempt(|cuda| {
            let from = cuda.memory.slice(at..at + values.len());
            cuda.stream.memcpy_dtoh(&from, values).map_err(failed("copying from the GPU"))?;
            cuda.stream.synchronize().map_err(failed("running the kernels"))
        });
        self.error.take().map_or(Ok(()), Err)
    }
}

/// The address of the first real.
fn address(memory: &CudaSlice<f32>, stream: &CudaStream) -> u64 {
    memory.device_ptr(stream).0
}

/// Looks for all libraries first: cudarc panics where it loads one that is missing.
fn check_libraries() -> Result<()> {
    // SAFETY: loads the vendor's libraries by their names, which cudarc will do anyway.
    let libraries = unsafe {
        [
            ("the NVIDIA driver (libcuda)", driver::sys::is_culib_present()),
            ("NVRTC (libnvrtc)", nvrtc::sys::is_culib_present()),
            ("cuBLAS (libcublas)", cublas::sys::is_culib_present()),
        ]
    };
    match libraries.iter().find(|(_, present)| !present) {
        None => Ok(()),
        Some((name, _)) => Err(Error::argument(
            "device",
            format!("cuda, but {name} is not on the library path"),
            "the NVIDIA driver, NVRTC and cuBLAS of CUDA 12 or 13, or device = cpu",
        )),
    }
}

/// The kernels compiled for this GPU, once in a process for each kind of GPU.
fn compiled(context: &CudaContext) -> Result<Ptx> {
    static COMPILED: Mutex<Vec<((i32, i32), Ptx)>> = Mutex::new(Vec::new());
    let capability = context.compute_capability().map_err(failed("asking the GPU for its kind"))?;
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, ptx)) = compiled.iter().find(|(of, _)| *of == capability) {
        return Ok(ptx.clone());
    }
    let (major, minor) = capability;
    let own = CompileOptions {
        options: vec![format!("--gpu-architecture=compute_{major}{minor}")],
        ..CompileOptions::default()
    };
    // An NVRTC older than the GPU does not know its kind; what it compiles by default runs there too.
    let ptx = nvrtc::compile_ptx_with_opts(KERNELS, own)
        .or_else(|_| nvrtc::compile_ptx(KERNELS))
        .map_err(failed("compiling the kernels"))?;
    compiled.push((capability, ptx.clone()));
    Ok(ptx)
}

/// An error of the device as one of ours.
fn failed<E: std::fmt::Debug>(what: &str) -> impl Fn(E) -> Error + '_ {
    move |error| {
        Error::argument(
            "device",
            format!("cuda, where {what} failed: {error:?}"),
            "a working GPU with enough free memory (smaller batches need less), or device = cpu",
        )
    }
}
