// Parts of an engine in plain code, for processors and hosts of every kind.
#pragma once
#include "knn.hpp"

namespace tributary {

/** Signed integers up to `limit`, by a scale of the row's own; `bytes` 1 or 2. */
template <int perWord>
inline float roundInteger(const float* row, int cols, int words, uint32_t* out, int stride, float* scale, int32_t* offset) {
  constexpr int bits = 32 / perWord;
  constexpr float limit = perWord == 4 ? 127.0f : 32767.0f;
  float most = 0;
  for (int c = 0; c < cols; c++) {
    const float size = row[c] < 0 ? -row[c] : row[c];
    most = size > most ? size : most;
  }
  float up = limit / most;
  // With int16 a product of two rows must stay below 2^31: their length, rounding included, below 46340.
  if (perWord == 2) {
    float square = 0;
    for (int c = 0; c < cols; c++) square += row[c] * row[c];
    const float longest = (46330.0f - 0.5f * __builtin_sqrtf((float)cols)) / __builtin_sqrtf(square);
    up = up < longest ? up : longest;
  }
  const float down = 1.0f / up;
  float moved = 0;
  int32_t sum = 0;
  for (int w = 0; w < words; w++) {
    uint32_t word = 0;
    for (int v = 0; v < perWord; v++) {
      const int c = w * perWord + v;
      if (c >= cols) break;
      // Adding 1.5 * 2^23 rounds to the nearest integer, ties to even.
      const float shifted = row[c] * up + 12582912.0f;
      const float whole = shifted - 12582912.0f;
      const int32_t q = (int32_t)(asBits(shifted) - 0x4b400000u);
      const float d = row[c] - whole * down;
      moved += d * d;
      sum += q;
      word |= ((uint32_t)q & (0xffffffffu >> (32 - bits))) << (bits * v);
    }
    out[(int64_t)w * stride] = perWord == 4 ? word ^ 0x80808080u : word;
  }
  *scale = down;
  *offset = perWord == 4 ? 128 * sum : 0;
  return __builtin_sqrtf(moved) * (1.0001f + 1.2e-7f * (float)cols) + 1e-7f;
}

inline bool hitsPlain(const float* c, int rows, const float* rowBars, const float* columnBars, uint32_t valid, uint32_t* rowHits,
                      uint32_t* columnHits) {
  uint32_t any = 0;
  for (int r = 0; r < rows; r++) {
    uint32_t row = 0, column = 0;
    for (int l = 0; l < PANEL; l++) {
      row |= (uint32_t)(c[r * PANEL + l] >= rowBars[r]) << l;
      column |= (uint32_t)(c[r * PANEL + l] >= columnBars[l]) << l;
    }
    rowHits[r] = row & valid;
    columnHits[r] = rowBars[r] == NEVER ? 0 : column & valid;
    any |= rowHits[r] | columnHits[r];
  }
  return any != 0;
}

inline int countPlain(const float* scores, int n, float bar) {
  int reach = 0;
  for (int i = 0; i < n; i++) reach += scores[i] >= bar;
  return reach;
}

}  // namespace tributary
