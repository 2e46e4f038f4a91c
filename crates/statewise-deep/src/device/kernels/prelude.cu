// Deep Markov models on a device: one thread an element, no shared memory, no thread waits for another.
//
// The text is both CUDA C++ and C: tests compile it with the C compiler, with KERNEL as a loop over threads
// and `real` as double, and compare it with the passes on the CPU. All pointers are rows of one step or of a
// whole batch; a null pointer is a part that the model does not have.
//
// x: what is read, y: what is written, n: sizes, c: constants; each kernel names its own.

#ifndef KERNEL
typedef float real;
#endif

typedef struct {
    const real *x[14];
    real *y[8];
    int n[8];
    real c[2];
    int threads;
} Args;

#ifndef KERNEL
#define FUNCTION static __device__ __forceinline__
#define KERNEL(name)                                                          \
    static __device__ __forceinline__ void name##_of(const Args a, const int i); \
    extern "C" __global__ void name(const Args a) {                           \
        const int i = blockIdx.x * blockDim.x + threadIdx.x;                  \
        if (i < a.threads) name##_of(a, i);                                   \
    }                                                                         \
    static __device__ __forceinline__ void name##_of(const Args a, const int i)
#endif

#define ZERO ((real)0)
#define ONE ((real)1)
#define HALF ((real)0.5)

FUNCTION real sigmoid(real x) { return ONE / (ONE + exp(-x)); }

// ln(1 + e^x), relatively exact in both tails.
FUNCTION real softplus(real x) {
    const real tail = log1p(exp(-fabs(x)));
    return x > ZERO ? x + tail : tail;
}

// Added to a softplus: a density never collapses to a point.
#define FLOOR ((real)1e-6)

// The variance of a raw output: its softplus (kind 0), or the square of it (kind 1).
FUNCTION real spread(int kind, real raw) {
    const real soft = softplus(raw) + FLOOR;
    return kind == 0 ? soft : soft * soft;
}

// Its slope in the raw output.
FUNCTION real spread_slope(int kind, real raw) {
    const real slope = sigmoid(raw);
    return kind == 0 ? slope : (ONE + ONE) * (softplus(raw) + FLOOR) * slope;
}

#define LEAK ((real)0.1)

// Nonlinearities by number: relu, leaky relu, tanh, softplus, elu, identity.
FUNCTION real apply(int f, real x) {
    switch (f) {
    case 0: return x > ZERO ? x : ZERO;
    case 1: return x > LEAK * x ? x : LEAK * x;
    case 2: return tanh(x);
    case 3: return softplus(x);
    case 4: return x > ZERO ? x : exp(x) - ONE;
    default: return x;
    }
}

// The slope of a nonlinearity as a function of its value.
FUNCTION real slope(int f, real y) {
    switch (f) {
    case 0: return y > ZERO ? ONE : ZERO;
    case 1: return y > ZERO ? ONE : LEAK;
    case 2: return ONE - y * y;
    case 3: return ONE - exp(-y);
    case 4: return y > ZERO ? ONE : y + ONE;
    default: return ONE;
    }
}

FUNCTION real or_zero(const real *values, int at) { return values ? values[at] : ZERO; }
