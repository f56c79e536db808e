// For tests: engines whose instructions this processor may lack, in plain code on the very layouts, scales and bounds. What
// they check is everything around the instructions: packing, indexing, margins, and the certificate that candidates found by
// coarse products are enough.
#pragma once
#include "engines.hpp"

namespace tributary {

/** c = what `product(word of the left, word of the panel)` adds up to, raised where an engine raises. */
template <class Sum, class Product, class Store>
inline void tileOfTwelve(const uint32_t* left, const uint32_t* right, int words, float* c, Product product, Store store) {
  for (int r = 0; r < 12; r++) {
    for (int l = 0; l < PANEL; l++) {
      Sum sum = 0;
      for (int w = 0; w < words; w++) sum += product(left[w * 12 + r], right[w * PANEL + l]);
      c[r * PANEL + l] = store(sum, r, l);
    }
  }
}

inline void tileBfloatEmulated(const uint32_t* left, const uint32_t* right, int words, const float*, const int32_t*, const float*,
                               const float*, const float*, float* c) {
  tileOfTwelve<float>(
      left, right, words, c,
      [](uint32_t a, uint32_t b) { return asFloat(a << 16) * asFloat(b << 16) + asFloat(a & 0xffff0000u) * asFloat(b & 0xffff0000u); },
      [](float sum, int, int) { return sum; });
}

inline void tileInt16Emulated(const uint32_t* left, const uint32_t* right, int words, const float* leftScale, const int32_t*,
                              const float* rightScale, const float*, const float*, float* c) {
  // Unsigned, since sums wrap round in the registers too.
  tileOfTwelve<uint32_t>(
      left, right, words, c,
      [](uint32_t a, uint32_t b) {
        return (uint32_t)((int16_t)a * (int16_t)b) + (uint32_t)((int16_t)(a >> 16) * (int16_t)(b >> 16));
      },
      [&](uint32_t sum, int r, int l) { return (float)(int32_t)sum * (leftScale[r] * rightScale[l]); });
}

inline void tileInt8Emulated(const uint32_t* left, const uint32_t* right, int words, const float* leftScale, const int32_t* leftOffset,
                             const float* rightScale, const float* leftReach, const float* rightReach, float* c) {
  tileOfTwelve<uint32_t>(
      left, right, words, c,
      [](uint32_t a, uint32_t b) {
        uint32_t sum = 0;
        for (int v = 0; v < 32; v += 8) sum += (uint32_t)((int8_t)(a >> v) * (int32_t)(b >> v & 0xff));
        return sum;
      },
      [&](uint32_t sum, int r, int l) {
        return (float)((int32_t)sum - leftOffset[r]) * (leftScale[r] * rightScale[l]) + (leftReach[r] + rightReach[l]);
      });
}

const Engine AMX_EMULATED = {"amx-bf16", 2, 32, 16, 0, 1.2e-7f, roundBfloat, tileAmx, hitsPlain, countPlain, plainDot, enterTiles, leaveTiles, true, false, nullptr};
const Engine BF16_EMULATED = {"avx512-bf16", 2, 12, 1, 0, 1.2e-7f, roundBfloat, tileBfloatEmulated, hitsPlain, countPlain, plainDot, nullptr, nullptr, false, false, nullptr};
const Engine INT16_EMULATED = {"avx512-int16", 2, 12, 1, 0, 0, roundInt16, tileInt16Emulated, hitsPlain, countPlain, plainDot, nullptr, nullptr, false, false, nullptr};
const Engine INT8_EMULATED = {"avx512-int8", 4, 12, 1, 0x80808080u, 0, roundInt8, tileInt8Emulated, hitsPlain, countPlain, plainDot, nullptr, nullptr, false, true, nullptr};

inline int emulatedEngines(const Engine** out) {
  const Engine* all[] = {&AMX_EMULATED, &INT8_EMULATED, &INT16_EMULATED, &BF16_EMULATED};
  int n = 0;
  for (const Engine* engine : all) out[n++] = engine;
  return n;
}

}  // namespace tributary
