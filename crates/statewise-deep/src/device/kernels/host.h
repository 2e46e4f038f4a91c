// In place of CUDA, for tests: a kernel is a loop over its threads, odd ones last and backwards, so that no
// thread can lean on the one before it.
#include <math.h>

typedef double real;
#define FUNCTION static inline
#define KERNEL(name)                                                              \
    static void name##_of(const Args a, const int i);                             \
    void name(const Args a) {                                                     \
        for (int i = 0; i < a.threads; i += 2) name##_of(a, i);                   \
        for (int i = (a.threads - 1) | 1; i > 0; i -= 2) {                        \
            if (i < a.threads) name##_of(a, i);                                   \
        }                                                                         \
    }                                                                             \
    static void name##_of(const Args a, const int i)
