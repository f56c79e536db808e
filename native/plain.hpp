// Parts of an engine in plain code, for processors and hosts of every kind.
#pragma once
#include "knn.hpp"

namespace tributary {

/** What a row is multiplied by so that its values become int16. A product of two rows must stay below 2^31: their length, rounding included, below 46340. */
inline float int16Scale(float most, float square, int cols) {
  const float up = 32767.0f / most, longest = (46330.0f - 0.5f * __builtin_sqrtf((float)cols)) / __builtin_sqrtf(square);
  return up < longest ? up : longest;
}

/** From the sum of squares of what rounding moved, an upper bound of their length. */
inline float movedAtMost(float square, int cols) { return __builtin_sqrtf(square) * (1.0001f + 1.2e-7f * (float)cols) + 1e-7f; }

/** Rounds a value to an int16 in half `v` of the word; returns the square of what it was moved. */
inline float roundOne(float value, float up, float down, uint32_t& word, int v) {
  // Adding 1.5 * 2^23 rounds to the nearest integer, ties to even.
  const float shifted = value * up + 12582912.0f, whole = shifted - 12582912.0f, d = value - whole * down;
  word |= ((asBits(shifted) - 0x4b400000u) & 0xffffu) << (16 * v);
  return d * d;
}

/** Signed 16-bit integers, by a scale of the row's own. */
inline float roundInt16(const float* row, int cols, int words, uint32_t* out, int stride, float* scale, int32_t* offset) {
  float most = 0, square = 0;
  for (int c = 0; c < cols; c++) {
    const float size = row[c] < 0 ? -row[c] : row[c];
    most = size > most ? size : most;
    square += row[c] * row[c];
  }
  const float up = int16Scale(most, square, cols), down = 1.0f / up;
  float moved = 0;
  for (int w = 0; w < words; w++) {
    uint32_t word = 0;
    for (int v = 0; v < 2; v++) {
      const int c = w * 2 + v;
      if (c >= cols) break;
      moved += roundOne(row[c], up, down, word, v);
    }
    out[(int64_t)w * stride] = word;
  }
  *scale = down;
  *offset = 0;
  return movedAtMost(moved, cols);
}

/** Signed 8-bit integers, by a scale of the row's own, stored with 128 added. */
inline float roundInt8(const float* row, int cols, int words, uint32_t* out, int stride, float* scale, int32_t* offset) {
  float most = 0;
  for (int c = 0; c < cols; c++) {
    const float size = row[c] < 0 ? -row[c] : row[c];
    most = size > most ? size : most;
  }
  const float up = 127.0f / most, down = 1.0f / up;
  float moved = 0;
  int32_t sum = 0;
  for (int w = 0; w < words; w++) {
    uint32_t word = 0;
    for (int v = 0; v < 4; v++) {
      const int c = w * 4 + v;
      if (c >= cols) break;
      const float shifted = row[c] * up + 12582912.0f, whole = shifted - 12582912.0f, d = row[c] - whole * down;
      const int32_t q = (int32_t)(asBits(shifted) - 0x4b400000u);
      moved += d * d;
      sum += q;
      word |= ((uint32_t)q & 0xffu) << (8 * v);
    }
    out[(int64_t)w * stride] = word ^ 0x80808080u;
  }
  *scale = down;
  *offset = 128 * sum;
  return movedAtMost(moved, cols);
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
