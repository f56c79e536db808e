// Dense products C = op(A) op(B) for TensorFlow.js, row-major float32. Blocks of both operands are copied into panels,
// so that transposed operands cost the same as plain ones.
#pragma once
#include "engines.hpp"

namespace tributary {

struct Product {
  const float* a;
  const float* b;
  float* c;
  int64_t m, n, k;
  bool transposeA, transposeB;
};

/** Columns of A and rows of B that one pass multiplies: a panel of B then stays in the first cache. */
constexpr int64_t DEPTH = 256;
/** Rows of A that one pass holds in the second cache. */
constexpr int64_t HEIGHT = 240;
/** Columns of B that one pass holds in the third. */
constexpr int64_t WIDTH = 4096;
constexpr int64_t GEMM_FLOATS = DEPTH * (HEIGHT + WIDTH) + 12 * PANEL;

struct GemmEngine {
  int tileRows;
  /** c[rows][PANEL], stride PANEL, = left * right over `depth`. */
  void (*tile)(const uint32_t* left, const uint32_t* right, int depth, const float*, const int32_t*, const float*, const float*, const float*, float* c);
};

/** out[l][lane] = from[lane][l], 16 columns at a time so that both sides stay in the first cache; lanes past `rows` are 0. */
template <int lanes>
inline void packAcross(const float* from, int64_t stride, int64_t rows, int64_t depth, float* out) {
  for (int64_t l0 = 0; l0 < depth; l0 += 16) {
    const int64_t end = least(l0 + 16, depth);
    for (int64_t r = 0; r < lanes; r++) {
      if (r < rows) {
        for (int64_t l = l0; l < end; l++) out[l * lanes + r] = from[r * stride + l];
      } else {
        for (int64_t l = l0; l < end; l++) out[l * lanes + r] = 0;
      }
    }
  }
}

/** out[l][lane] = from[l][lane]. */
template <int lanes>
inline void packAlong(const float* from, int64_t stride, int64_t rows, int64_t depth, float* out) {
  for (int64_t l = 0; l < depth; l++, from += stride, out += lanes) {
    if (rows >= lanes) {
      memcpy(out, from, lanes * sizeof(float));
    } else {
      for (int64_t r = 0; r < lanes; r++) out[r] = r < rows ? from[r] : 0;
    }
  }
}

inline void packRight(const Product& p, int64_t k0, int64_t depth, int64_t n0, int64_t width, float* out) {
  for (int64_t j = 0; j < width; j += PANEL, out += depth * PANEL) {
    if (p.transposeB) packAcross<PANEL>(p.b + (n0 + j) * p.k + k0, p.k, width - j, depth, out);
    else packAlong<PANEL>(p.b + k0 * p.n + n0 + j, p.n, width - j, depth, out);
  }
}

template <int mr>
inline void packLeftTiles(const Product& p, int64_t k0, int64_t depth, int64_t m0, int64_t height, float* out) {
  for (int64_t i = 0; i < height; i += mr, out += depth * mr) {
    if (p.transposeA) packAlong<mr>(p.a + k0 * p.m + m0 + i, p.m, height - i, depth, out);
    else packAcross<mr>(p.a + (m0 + i) * p.k + k0, p.k, height - i, depth, out);
  }
}

inline void packLeftRows(const Product& p, int64_t k0, int64_t depth, int64_t m0, int64_t height, int mr, float* out) {
  if (mr == 12) packLeftTiles<12>(p, k0, depth, m0, height, out);
  else if (mr == 6) packLeftTiles<6>(p, k0, depth, m0, height, out);
  else packLeftTiles<4>(p, k0, depth, m0, height, out);
}

/** Rows [begin, end) of C, by one thread; `room` holds GEMM_FLOATS values. */
inline void multiply(const GemmEngine& e, const Product& p, int64_t begin, int64_t end, float* room) {
  alignas(64) float tile[MAX_TILE_ROWS * PANEL];
  float* left = room;
  float* right = room + DEPTH * (HEIGHT + 12);
  if (p.k == 0) memset(p.c + begin * p.n, 0, (size_t)((end - begin) * p.n) * sizeof(float));
  for (int64_t n0 = 0; n0 < p.n; n0 += WIDTH - PANEL * 2) {
    const int64_t width = least(WIDTH - PANEL * 2, p.n - n0);
    for (int64_t k0 = 0; k0 < p.k; k0 += DEPTH) {
      const int64_t depth = least(DEPTH, p.k - k0);
      packRight(p, k0, depth, n0, width, right);
      for (int64_t m0 = begin; m0 < end; m0 += HEIGHT) {
        const int64_t height = least(HEIGHT, end - m0);
        packLeftRows(p, k0, depth, m0, height, e.tileRows, left);
        for (int64_t j = 0; j < width; j += PANEL) {
          const int64_t lanes = least(PANEL, width - j);
          for (int64_t i = 0; i < height; i += e.tileRows) {
            const int64_t rows = least(e.tileRows, height - i);
            e.tile((const uint32_t*)(left + i * depth), (const uint32_t*)(right + j * depth), (int)depth, nullptr, nullptr, nullptr, nullptr, nullptr, tile);
            for (int64_t r = 0; r < rows; r++) {
              float* to = p.c + (m0 + i + r) * p.n + n0 + j;
              const float* from = tile + r * PANEL;
              if (k0 == 0) {
                for (int64_t l = 0; l < lanes; l++) to[l] = from[l];
              } else {
                for (int64_t l = 0; l < lanes; l++) to[l] += from[l];
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace tributary
