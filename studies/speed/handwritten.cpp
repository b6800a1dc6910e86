// The practical ceiling of event-driven propagation: recorded spikes, fixed sizes, no equations, float32.
// Usage: handwritten SPIKES REPEATS; prints the nanoseconds and the synaptic events of each repeat.
// The layers are written into LAYERS by the benchmark.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

static float *aligned(std::size_t n)
{
    void *memory = nullptr;
    if (posix_memalign(&memory, 64, n * sizeof(float))) std::abort();
    float *values = static_cast<float *>(memory);
    for (std::size_t k = 0; k < n; k++) values[k] = static_cast<float>(k % 101) / 256 - 0.2f;
    return values;
}

// Up to `Together` rows of weights are added to the same targets in one pass.
template <int Together>
static inline void add(float *__restrict v, const float *const *rows, int n)
{
    const float *__restrict row[Together];
    for (int t = 0; t < Together; t++) row[t] = rows[t];
    for (int k = 0; k < n; k++)
    {
        float sum = v[k];
        for (int t = 0; t < Together; t++) sum += row[t][k];
        v[k] = sum;
    }
}

static inline void add_rows(float *v, const float *const *rows, int n_rows, int n)
{
    for (; n_rows >= 4; n_rows -= 4, rows += 4) add<4>(v, rows, n);
    if (n_rows == 3) add<3>(v, rows, n);
    else if (n_rows == 2) add<2>(v, rows, n);
    else if (n_rows == 1) add<1>(v, rows, n);
}

// A convolution without padding and with stride 1; kernel columns are stored backwards, so that a spike adds one
// unbroken run of weights to each row of its targets.
template <int C, int H, int W, int O, int K>
struct Convolution
{
    static const int OH = H - K + 1, OW = W - K + 1;
    float *v = aligned(OH * OW * O), *w = aligned(K * C * K * O);
    __attribute__((noinline)) int64_t propagate(const int32_t *spikes, int n)
    {
        int64_t events = 0;
        const float *rows[C];
        for (int s = 0; s < n;)
        {
            const int pixel = spikes[s] / C, x = pixel % W, y = pixel / W;
            const int first = std::max(0, x - K + 1), last = std::min(OW - 1, x), length = (last - first + 1) * O;
            const int begin = s;
            while (s < n && spikes[s] < (pixel + 1) * C) s++;
            for (int ky = std::max(0, y - OH + 1); ky < K && ky <= y; ky++)
            {
                for (int k = begin; k < s; k++)
                    rows[k - begin] = w + ((ky * C + spikes[k] - pixel * C) * K + K - 1 - (x - first)) * O;
                add_rows(v + ((y - ky) * OW + first) * O, rows, s - begin, length);
                events += int64_t(s - begin) * length;
            }
        }
        return events;
    }
};

template <int N, int O>
struct Dense
{
    float *v = aligned(O), *w = aligned(std::size_t(N) * O);
    __attribute__((noinline)) int64_t propagate(const int32_t *spikes, int n)
    {
        const float *rows[8];
        for (int s = 0; s < n; s += 8)
        {
            const int count = std::min(8, n - s);
            for (int k = 0; k < count; k++) rows[k] = w + std::size_t(spikes[s + k]) * O;
            if (count == 8) add<8>(v, rows, O);
            else add_rows(v, rows, count, O);
        }
        return int64_t(n) * O;
    }
};

int main(int, char **argv)
{
    std::ifstream file(argv[1], std::ios::binary);
    const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const int32_t *begin = reinterpret_cast<const int32_t *>(bytes.data());
    const int32_t *end = begin + bytes.size() / sizeof(int32_t);
LAYERS
    for (int repeat = 0; repeat < std::atoi(argv[2]); repeat++)
    {
        int64_t events = 0;
        const auto start = std::chrono::steady_clock::now();
        for (const int32_t *now = begin; now < end;)
        {
PROPAGATE
        }
        const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - start;
        std::printf("%.0f %lld\n", taken.count(), static_cast<long long>(events));
    }
}
