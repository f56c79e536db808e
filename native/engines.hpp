// The arithmetic of the search on x86-64, one engine an instruction set, and plain code for everything else.
#pragma once
#include <math.h>
#include <string.h>

#include "plain.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#define TRIBUTARY_X86 1
#define TARGET(features) __attribute__((target(features)))
#endif

namespace tributary {

// ---- rounding ------------------------------------------------------------------------------------------------------

inline float roundFloat(const float* row, int cols, int words, uint32_t* out, int stride, float* scale, int32_t* offset) {
  for (int w = 0; w < words; w++) out[(int64_t)w * stride] = w < cols ? asBits(row[w]) : 0;
  *scale = 1;
  *offset = 0;
  return 0;
}

/** float32 to bfloat16, nearest, ties to even. */
inline uint32_t bfloat(float f) {
  const uint32_t bits = asBits(f);
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

inline float roundBfloat(const float* row, int cols, int words, uint32_t* out, int stride, float* scale, int32_t* offset) {
  double moved = 0;
  for (int w = 0; w < words; w++) {
    uint32_t word = 0;
    for (int v = 0; v < 2; v++) {
      const int c = w * 2 + v;
      if (c >= cols) break;
      const uint32_t half = bfloat(row[c]);
      const double d = (double)row[c] - (double)asFloat(half << 16);
      moved += d * d;
      word |= half << (16 * v);
    }
    out[(int64_t)w * stride] = word;
  }
  *scale = 1;
  *offset = 0;
  return (float)(__builtin_sqrt(moved) * 1.000001);
}

// ---- plain ---------------------------------------------------------------------------------------------------------

/** Four floats that any compiler maps to a vector register where there is one. */
typedef float Four __attribute__((vector_size(16)));

inline void tilePlain(const uint32_t* left, const uint32_t* right, int words, const float*, const int32_t*, const float*, const float*, const float*, float* c) {
  const float* a = (const float*)left;
  for (int part = 0; part < PANEL; part += 8) {
    const float* b = (const float*)right + part;
    Four s00 = {}, s01 = {}, s10 = {}, s11 = {}, s20 = {}, s21 = {}, s30 = {}, s31 = {};
    for (int w = 0; w < words; w++, b += PANEL) {
      Four b0, b1;
      memcpy(&b0, b, 16);
      memcpy(&b1, b + 4, 16);
      s00 += a[w * 4] * b0;
      s01 += a[w * 4] * b1;
      s10 += a[w * 4 + 1] * b0;
      s11 += a[w * 4 + 1] * b1;
      s20 += a[w * 4 + 2] * b0;
      s21 += a[w * 4 + 2] * b1;
      s30 += a[w * 4 + 3] * b0;
      s31 += a[w * 4 + 3] * b1;
    }
    memcpy(c + part, &s00, 16);
    memcpy(c + part + 4, &s01, 16);
    memcpy(c + PANEL + part, &s10, 16);
    memcpy(c + PANEL + part + 4, &s11, 16);
    memcpy(c + 2 * PANEL + part, &s20, 16);
    memcpy(c + 2 * PANEL + part + 4, &s21, 16);
    memcpy(c + 3 * PANEL + part, &s30, 16);
    memcpy(c + 3 * PANEL + part + 4, &s31, 16);
  }
}

const Engine PLAIN = {"scalar", 1, 4, 1, 0, 6e-8f, roundFloat, tilePlain, hitsPlain, countPlain, plainDot, nullptr, nullptr, false, false, nullptr};

#if TRIBUTARY_X86

// ---- AVX2 ----------------------------------------------------------------------------------------------------------

template <int halves>
TARGET("avx2,fma")
inline void halvesAvx2(const uint32_t* left, const uint32_t* right, int words, const float*, const int32_t*, const float*, const float*, const float*, float* c) {
  const float* a = (const float*)left;
  for (int half = 0; half < halves; half++) {
    const float* b = (const float*)right + half * 16;
    const float* p = a;
    __m256 sum[6][2];
#pragma GCC unroll 6
    for (int r = 0; r < 6; r++) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
    for (int w = 0; w < words; w++, b += PANEL, p += 6) {
      const __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + 8);
#pragma GCC unroll 6
      for (int r = 0; r < 6; r++) {
        const __m256 v = _mm256_broadcast_ss(p + r);
        sum[r][0] = _mm256_fmadd_ps(v, b0, sum[r][0]);
        sum[r][1] = _mm256_fmadd_ps(v, b1, sum[r][1]);
      }
    }
#pragma GCC unroll 6
    for (int r = 0; r < 6; r++) {
      _mm256_store_ps(c + r * PANEL + half * 16, sum[r][0]);
      _mm256_store_ps(c + r * PANEL + half * 16 + 8, sum[r][1]);
    }
  }
}

#define ROWS_OF_6(X) X(0) X(1) X(2) X(3) X(4) X(5)
#define PAIRS_ZERO(r) __m256i sum##r##a = _mm256_setzero_si256(), sum##r##b = sum##r##a;
// As assembly, because GCC 12 copies every sum to the stack and back around these two intrinsics: half the speed.
#define PAIRS_STEP(r)                                                                                             \
  {                                                                                                               \
    __m256i v = _mm256_set1_epi32((int)p[r]), t;                                                                  \
    __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(sum##r##a), "=&x"(t) : "x"(v), "x"(b0));            \
    __asm__("vpmaddwd %2, %1, %1\n\tvpaddd %1, %0, %0" : "+x"(sum##r##b), "+x"(v) : "x"(b1));                     \
  }
#define PAIRS_STORE(r)                                                                                            \
  {                                                                                                               \
    const __m256 s = _mm256_set1_ps(leftScale[r]);                                                                \
    _mm256_store_ps(out + r * PANEL, _mm256_mul_ps(_mm256_cvtepi32_ps(sum##r##a), _mm256_mul_ps(s, s0)));         \
    _mm256_store_ps(out + r * PANEL + 8, _mm256_mul_ps(_mm256_cvtepi32_ps(sum##r##b), _mm256_mul_ps(s, s1)));     \
  }

/** int16 by multiply-add of pairs: twice the products a load of float32. */
template <int halves>
TARGET("avx2,fma")
inline void halvesAvx2Int16(const uint32_t* left, const uint32_t* right, int words, const float* leftScale, const int32_t*,
                          const float* rightScale, const float*, const float*, float* c) {
  for (int half = 0; half < halves; half++) {
    const uint32_t* b = right + half * 16;
    const uint32_t* p = left;
    float* out = c + half * 16;
    ROWS_OF_6(PAIRS_ZERO)
    for (int w = 0; w < words; w++, b += PANEL, p += 6) {
      const __m256i b0 = _mm256_loadu_si256((const __m256i*)b), b1 = _mm256_loadu_si256((const __m256i*)(b + 8));
      ROWS_OF_6(PAIRS_STEP)
    }
    const __m256 s0 = _mm256_loadu_ps(rightScale + half * 16), s1 = _mm256_loadu_ps(rightScale + half * 16 + 8);
    ROWS_OF_6(PAIRS_STORE)
  }
}

/** `roundInteger<2>`, sixteen columns at a time. */
TARGET("avx2,fma")
inline float roundInt16Avx2(const float* row, int cols, int words, uint32_t* out, int stride, float* scale, int32_t* offset) {
  const int whole = cols / 16 * 16;
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 most8 = _mm256_setzero_ps(), square8 = most8;
  for (int c = 0; c < whole; c += 8) {
    const __m256 v = _mm256_loadu_ps(row + c);
    most8 = _mm256_max_ps(most8, _mm256_andnot_ps(sign, v));
    square8 = _mm256_fmadd_ps(v, v, square8);
  }
  alignas(32) float lane[8];
  float most = 0, square = 0;
  _mm256_store_ps(lane, most8);
  for (int l = 0; l < 8; l++) most = lane[l] > most ? lane[l] : most;
  _mm256_store_ps(lane, square8);
  for (int l = 0; l < 8; l++) square += lane[l];
  for (int c = whole; c < cols; c++) {
    const float size = row[c] < 0 ? -row[c] : row[c];
    most = size > most ? size : most;
    square += row[c] * row[c];
  }
  const float up = int16Scale(most, square, cols), down = 1.0f / up;

  const __m256 ups = _mm256_set1_ps(up), downs = _mm256_set1_ps(down);
  __m256 moved8 = _mm256_setzero_ps();
  for (int c = 0; c < whole; c += 16) {
    const __m256 a = _mm256_loadu_ps(row + c), b = _mm256_loadu_ps(row + c + 8);
    const __m256i qa = _mm256_cvtps_epi32(_mm256_mul_ps(a, ups)), qb = _mm256_cvtps_epi32(_mm256_mul_ps(b, ups));
    const __m256 da = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(qa), downs, a), db = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(qb), downs, b);
    moved8 = _mm256_fmadd_ps(da, da, _mm256_fmadd_ps(db, db, moved8));
    // Packing works within halves of a register; the permutation brings the columns back into order.
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(qa, qb), 0xd8);
    if (stride == 1) {
      _mm256_storeu_si256((__m256i*)(out + c / 2), packed);
    } else {
      alignas(32) uint32_t word[8];
      _mm256_store_si256((__m256i*)word, packed);
      for (int w = 0; w < 8; w++) out[(int64_t)(c / 2 + w) * stride] = word[w];
    }
  }
  _mm256_store_ps(lane, moved8);
  float moved = 0;
  for (int l = 0; l < 8; l++) moved += lane[l];
  for (int w = whole / 2; w < words; w++) {
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

TARGET("avx2,fma")
inline bool hitsAvx2(const float* c, int rows, const float* rowBars, const float* columnBars, uint32_t valid, uint32_t* rowHits,
                     uint32_t* columnHits) {
  __m256 bars[4];
  for (int i = 0; i < 4; i++) bars[i] = _mm256_loadu_ps(columnBars + i * 8);
  uint32_t any = 0;
  for (int r = 0; r < rows; r++) {
    const __m256 bar = _mm256_set1_ps(rowBars[r]);
    uint32_t row = 0, column = 0;
    for (int i = 0; i < 4; i++) {
      const __m256 v = _mm256_load_ps(c + r * PANEL + i * 8);
      row |= (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(v, bar, _CMP_GE_OQ)) << (i * 8);
      column |= (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(v, bars[i], _CMP_GE_OQ)) << (i * 8);
    }
    rowHits[r] = row & valid;
    columnHits[r] = rowBars[r] == NEVER ? 0 : column & valid;
    any |= rowHits[r] | columnHits[r];
  }
  return any != 0;
}

TARGET("avx2,fma")
inline int countAvx2(const float* scores, int n, float bar) {
  int reach = 0;
  for (int i = 0; i < n; i++) reach += scores[i] >= bar;
  return reach;
}

TARGET("avx2,fma")
inline double dotAvx2(const float* a, const float* b, int cols) {
  __m256d low = _mm256_setzero_pd(), high = _mm256_setzero_pd();
  int c = 0;
  for (; c + 8 <= cols; c += 8) {
    low = _mm256_fmadd_pd(_mm256_cvtps_pd(_mm_loadu_ps(a + c)), _mm256_cvtps_pd(_mm_loadu_ps(b + c)), low);
    high = _mm256_fmadd_pd(_mm256_cvtps_pd(_mm_loadu_ps(a + c + 4)), _mm256_cvtps_pd(_mm_loadu_ps(b + c + 4)), high);
  }
  alignas(32) double lane[8];
  _mm256_store_pd(lane, low);
  _mm256_store_pd(lane + 4, high);
  for (int l = 0; c + l < cols; l++) lane[l] += (double)a[c + l] * (double)b[c + l];
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

const Engine AVX2 = {"avx2-f32", 1, 6, 1, 0, 6e-8f, roundFloat, halvesAvx2<2>, hitsAvx2, countAvx2, dotAvx2, nullptr, nullptr, false, false, halvesAvx2<1>};
const Engine AVX2_INT16 = {"avx2-int16", 2, 6, 1, 0, 0, roundInt16Avx2, halvesAvx2Int16<2>, hitsAvx2, countAvx2, dotAvx2, nullptr, nullptr, false, false, halvesAvx2Int16<1>};

// ---- AVX-512 -------------------------------------------------------------------------------------------------------

#define AVX512 "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"

// A tile of 12 x 32: 24 sums, named one by one, since GCC spills arrays of them to the stack.
#define ROWS_OF_12(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

#define FLOAT_ZERO(r) __m512 sum##r##a = _mm512_setzero_ps(), sum##r##b = sum##r##a;
#define FLOAT_STORE(r)                        \
  _mm512_store_ps(c + r * PANEL, sum##r##a);  \
  _mm512_store_ps(c + r * PANEL + 16, sum##r##b);

#define FLOAT_STEP(r)                                \
  {                                                  \
    const __m512 v = _mm512_set1_ps(a[r]);           \
    sum##r##a = _mm512_fmadd_ps(v, b0, sum##r##a);   \
    sum##r##b = _mm512_fmadd_ps(v, b1, sum##r##b);   \
  }

TARGET(AVX512)
inline void tileAvx512(const uint32_t* left, const uint32_t* right, int words, const float*, const int32_t*, const float*, const float*, const float*, float* c) {
  const float* a = (const float*)left;
  const float* b = (const float*)right;
  ROWS_OF_12(FLOAT_ZERO)
  for (int w = 0; w < words; w++, b += PANEL, a += 12) {
    const __m512 b0 = _mm512_loadu_ps(b), b1 = _mm512_loadu_ps(b + 16);
    ROWS_OF_12(FLOAT_STEP)
  }
  ROWS_OF_12(FLOAT_STORE)
}

#define BFLOAT_STEP(r)                                        \
  {                                                           \
    const __m512bh v = (__m512bh)_mm512_set1_epi32((int)a[r]); \
    sum##r##a = _mm512_dpbf16_ps(sum##r##a, v, b0);           \
    sum##r##b = _mm512_dpbf16_ps(sum##r##b, v, b1);           \
  }

TARGET(AVX512 ",avx512bf16")
inline void tileBfloat(const uint32_t* left, const uint32_t* right, int words, const float*, const int32_t*, const float*, const float*, const float*, float* c) {
  const uint32_t* a = left;
  const uint32_t* b = right;
  ROWS_OF_12(FLOAT_ZERO)
  for (int w = 0; w < words; w++, b += PANEL, a += 12) {
    const __m512bh b0 = (__m512bh)_mm512_loadu_si512(b), b1 = (__m512bh)_mm512_loadu_si512(b + 16);
    ROWS_OF_12(BFLOAT_STEP)
  }
  ROWS_OF_12(FLOAT_STORE)
}

#define INTEGER_ZERO(r) __m512i sum##r##a = _mm512_set1_epi32(-leftOffset[r]), sum##r##b = sum##r##a;
#define INTEGER_STORE(r)                                                                                                     \
  {                                                                                                                          \
    const __m512 s = _mm512_set1_ps(leftScale[r]);                                                                           \
    _mm512_store_ps(c + r * PANEL, _mm512_mul_ps(_mm512_cvtepi32_ps(sum##r##a), _mm512_mul_ps(s, s0)));                      \
    _mm512_store_ps(c + r * PANEL + 16, _mm512_mul_ps(_mm512_cvtepi32_ps(sum##r##b), _mm512_mul_ps(s, s1)));                 \
  }
#define INTEGER_STORE_RAISED(r)                                                                                              \
  {                                                                                                                          \
    const __m512 s = _mm512_set1_ps(leftScale[r]), up = _mm512_set1_ps(leftReach[r]);                                        \
    _mm512_store_ps(c + r * PANEL,                                                                                           \
                    _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum##r##a), _mm512_mul_ps(s, s0), _mm512_add_ps(up, up0)));           \
    _mm512_store_ps(c + r * PANEL + 16,                                                                                      \
                    _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum##r##b), _mm512_mul_ps(s, s1), _mm512_add_ps(up, up1)));           \
  }
// As assembly, because GCC 12 copies every sum to the stack and back around these two intrinsics.
#define INTEGER_STEP(r, multiply)                                                  \
  {                                                                                \
    const __m512i v = _mm512_set1_epi32((int)a[r]);                                \
    __asm__(multiply " %2, %1, %0" : "+v"(sum##r##a) : "v"(b0), "v"(v));           \
    __asm__(multiply " %2, %1, %0" : "+v"(sum##r##b) : "v"(b1), "v"(v));           \
  }
#define INT8_STEP(r) INTEGER_STEP(r, "vpdpbusd")
#define INT16_STEP(r) INTEGER_STEP(r, "vpdpwssd")
#define INTEGER_TILE(STEP)                                                                  \
  const uint32_t* a = left;                                                                 \
  const uint32_t* b = right;                                                                \
  ROWS_OF_12(INTEGER_ZERO)                                                                  \
  for (int w = 0; w < words; w++, b += PANEL, a += 12) {                                    \
    const __m512i b0 = _mm512_loadu_si512(b), b1 = _mm512_loadu_si512(b + 16);              \
    ROWS_OF_12(STEP)                                                                        \
  }                                                                                         \
  const __m512 s0 = _mm512_loadu_ps(rightScale), s1 = _mm512_loadu_ps(rightScale + 16);

/** Unsigned bytes of the panel times signed bytes of the left operand, four at a time; the offset undoes the shift by 128. */
TARGET(AVX512 ",avx512vnni")
inline void tileInt8(const uint32_t* left, const uint32_t* right, int words, const float* leftScale, const int32_t* leftOffset,
                     const float* rightScale, const float* leftReach, const float* rightReach, float* c) {
  INTEGER_TILE(INT8_STEP)
  const __m512 up0 = _mm512_loadu_ps(rightReach), up1 = _mm512_loadu_ps(rightReach + 16);
  ROWS_OF_12(INTEGER_STORE_RAISED)
}

TARGET(AVX512 ",avx512vnni")
inline void tileInt16(const uint32_t* left, const uint32_t* right, int words, const float* leftScale, const int32_t* leftOffset,
                      const float* rightScale, const float* leftReach, const float* rightReach, float* c) {
  INTEGER_TILE(INT16_STEP)
  ROWS_OF_12(INTEGER_STORE)
}

TARGET(AVX512)
inline bool hitsAvx512(const float* c, int rows, const float* rowBars, const float* columnBars, uint32_t valid, uint32_t* rowHits,
                       uint32_t* columnHits) {
  const __m512 bars0 = _mm512_loadu_ps(columnBars), bars1 = _mm512_loadu_ps(columnBars + 16);
  uint32_t any = 0;
  for (int r = 0; r < rows; r++) {
    const __m512 bar = _mm512_set1_ps(rowBars[r]);
    const __m512 v0 = _mm512_load_ps(c + r * PANEL), v1 = _mm512_load_ps(c + r * PANEL + 16);
    const uint32_t row = _mm512_cmp_ps_mask(v0, bar, _CMP_GE_OQ) | (uint32_t)_mm512_cmp_ps_mask(v1, bar, _CMP_GE_OQ) << 16;
    const uint32_t column =
        _mm512_cmp_ps_mask(v0, bars0, _CMP_GE_OQ) | (uint32_t)_mm512_cmp_ps_mask(v1, bars1, _CMP_GE_OQ) << 16;
    rowHits[r] = row & valid;
    columnHits[r] = rowBars[r] == NEVER ? 0 : column & valid;
    any |= rowHits[r] | columnHits[r];
  }
  return any != 0;
}

TARGET(AVX512)
inline int countAvx512(const float* scores, int n, float bar) {
  const __m512 bars = _mm512_set1_ps(bar);
  int reach = 0, i = 0;
  for (; i + 16 <= n; i += 16) reach += __builtin_popcount(_mm512_cmp_ps_mask(_mm512_loadu_ps(scores + i), bars, _CMP_GE_OQ));
  const __mmask16 rest = (__mmask16)((1u << (n - i)) - 1);
  return reach + __builtin_popcount(_mm512_mask_cmp_ps_mask(rest, _mm512_maskz_loadu_ps(rest, scores + i), bars, _CMP_GE_OQ));
}

TARGET(AVX512)
inline double dotAvx512(const float* a, const float* b, int cols) {
  __m512d sum = _mm512_setzero_pd();
  int c = 0;
  for (; c + 8 <= cols; c += 8) {
    sum = _mm512_fmadd_pd(_mm512_cvtps_pd(_mm256_loadu_ps(a + c)), _mm512_cvtps_pd(_mm256_loadu_ps(b + c)), sum);
  }
  alignas(64) double lane[8];
  _mm512_store_pd(lane, sum);
  for (int l = 0; c + l < cols; l++) lane[l] += (double)a[c + l] * (double)b[c + l];
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

const Engine AVX512_F32 = {"avx512-f32", 1, 12, 1, 0, 6e-8f, roundFloat, tileAvx512, hitsAvx512, countAvx512, dotAvx512, nullptr, nullptr, false, false, nullptr};
const Engine AVX512_BF16 = {"avx512-bf16", 2, 12, 1, 0, 1.2e-7f, roundBfloat, tileBfloat, hitsAvx512, countAvx512, dotAvx512, nullptr, nullptr, false, false, nullptr};
const Engine AVX512_INT16 = {"avx512-int16", 2, 12, 1, 0, 0, roundInt16Avx2, tileInt16, hitsAvx512, countAvx512, dotAvx512, nullptr, nullptr, false, false, nullptr};
const Engine AVX512_INT8 = {"avx512-int8", 4, 12, 1, 0x80808080u, 0, roundInt8, tileInt8, hitsAvx512, countAvx512, dotAvx512, nullptr, nullptr, false, true, nullptr};

// ---- AMX -----------------------------------------------------------------------------------------------------------
// 32 x 32 products in four tile registers; two more hold the left rows, two the panel, whose layout is that of bfloat16
// in AVX-512. With TRIBUTARY_EMULATE the tile instructions are plain code, so that the indexing can be tested on machines
// without them.

#if TRIBUTARY_EMULATE
struct TileRegister { uint32_t word[16][16]; };
static thread_local TileRegister tileRegisters[8];
#define TILE_TARGET
inline void tileZero(int t) { memset(&tileRegisters[t], 0, sizeof(TileRegister)); }
inline void tileLoad(int t, const void* from, int stride) {
  for (int r = 0; r < 16; r++) memcpy(tileRegisters[t].word[r], (const char*)from + r * stride, 64);
}
inline void tileStore(int t, void* to, int stride) {
  for (int r = 0; r < 16; r++) memcpy((char*)to + r * stride, tileRegisters[t].word[r], 64);
}
inline void tileProduct(int c, int a, int b) {
  for (int m = 0; m < 16; m++) {
    for (int k = 0; k < 16; k++) {
      for (int n = 0; n < 16; n++) {
        const uint32_t x = tileRegisters[a].word[m][k], y = tileRegisters[b].word[k][n];
        float sum = asFloat(tileRegisters[c].word[m][n]);
        sum += asFloat(x << 16) * asFloat(y << 16);
        sum += asFloat(x & 0xffff0000u) * asFloat(y & 0xffff0000u);
        tileRegisters[c].word[m][n] = asBits(sum);
      }
    }
  }
}
#define TILE_ZERO(t) tileZero(t)
#define TILE_LOAD(t, from, stride) tileLoad(t, from, stride)
#define TILE_STORE(t, to, stride) tileStore(t, to, stride)
#define TILE_PRODUCT(c, a, b) tileProduct(c, a, b)
inline void enterTiles() {}
inline void leaveTiles() {}
#else
#define TILE_TARGET TARGET(AVX512 ",amx-tile,amx-bf16")
#define TILE_ZERO(t) _tile_zero(t)
#define TILE_LOAD(t, from, stride) _tile_loadd(t, from, stride)
#define TILE_STORE(t, to, stride) _tile_stored(t, to, stride)
#define TILE_PRODUCT(c, a, b) _tile_dpbf16ps(c, a, b)
TARGET("amx-tile") inline void enterTiles() {
  struct alignas(64) {
    uint8_t palette = 1, startRow = 0, reserved[14] = {};
    uint16_t bytesARow[16] = {};
    uint8_t rows[16] = {};
  } shape;
  for (int t = 0; t < 8; t++) {
    shape.bytesARow[t] = 64;
    shape.rows[t] = 16;
  }
  _tile_loadconfig(&shape);
}
TARGET("amx-tile") inline void leaveTiles() { _tile_release(); }
#endif

TILE_TARGET
inline void tileAmx(const uint32_t* left, const uint32_t* right, int words, const float*, const int32_t*, const float*, const float*, const float*, float* c) {
  const int steps = words / 16;
  TILE_ZERO(0);
  TILE_ZERO(1);
  TILE_ZERO(2);
  TILE_ZERO(3);
  for (int w = 0; w < steps; w++) {
    TILE_LOAD(4, left + w * 256, 64);
    TILE_LOAD(5, left + (steps + w) * 256, 64);
    TILE_LOAD(6, right + w * 16 * PANEL, PANEL * 4);
    TILE_LOAD(7, right + w * 16 * PANEL + 16, PANEL * 4);
    TILE_PRODUCT(0, 4, 6);
    TILE_PRODUCT(1, 4, 7);
    TILE_PRODUCT(2, 5, 6);
    TILE_PRODUCT(3, 5, 7);
  }
  TILE_STORE(0, c, PANEL * 4);
  TILE_STORE(1, c + 16, PANEL * 4);
  TILE_STORE(2, c + 16 * PANEL, PANEL * 4);
  TILE_STORE(3, c + 16 * PANEL + 16, PANEL * 4);
}

#if !TRIBUTARY_EMULATE
const Engine AMX_BF16 = {"amx-bf16", 2, 32, 16, 0, 1.2e-7f, roundBfloat, tileAmx, hitsAvx512, countAvx512, dotAvx512, enterTiles, leaveTiles, true, false, nullptr};
#endif

inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t* r) {
  __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
}

/** The operating system must save the registers, and on Linux grant each process the tiles. */
inline bool savesState(uint32_t mask) {
  uint32_t r[4];
  cpuid(1, 0, r);
  if (!(r[2] >> 27 & 1)) return false;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & mask) == mask;
}

inline bool grantsTiles() {
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr int ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18;
  return savesState(0x60000) && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
  return false;
#endif
}
#endif

}  // namespace tributary

#if TRIBUTARY_EMULATE
#include "emulated.hpp"
#endif

namespace tributary {

/** The engines this processor can run, fastest first. */
inline int availableEngines(const Engine** out) {
  int n = 0;
#if TRIBUTARY_EMULATE
  n = emulatedEngines(out);
#elif TRIBUTARY_X86
  uint32_t one[4], seven[4], sevenOne[4], top[4];
  cpuid(0, 0, top);
  cpuid(1, 0, one);
  cpuid(7, 0, seven);
  cpuid(7, 1, sevenOne);
  if (top[0] < 7) memset(seven, 0, sizeof seven);
  if (top[0] < 7 || seven[0] < 1) memset(sevenOne, 0, sizeof sevenOne);
  const bool avx2 = (seven[1] >> 5 & 1) && (one[2] >> 12 & 1) && savesState(0x6);
  const bool avx512 = avx2 && (seven[1] >> 16 & 1) && (seven[1] >> 17 & 1) && (seven[1] >> 30 & 1) && (seven[1] >> 31 & 1) &&
                      savesState(0xe6);
  const bool vnni = avx512 && (seven[2] >> 11 & 1);
  const bool amx = avx512 && (seven[3] >> 22 & 1) && (seven[3] >> 24 & 1);
  if (amx && grantsTiles()) out[n++] = &AMX_BF16;
  if (vnni) {
    out[n++] = &AVX512_INT8;
    out[n++] = &AVX512_INT16;
  }
  if (avx512 && (sevenOne[0] >> 5 & 1)) out[n++] = &AVX512_BF16;
  if (avx512) out[n++] = &AVX512_F32;
  if (avx2) {
    out[n++] = &AVX2_INT16;
    out[n++] = &AVX2;
  }
#endif
  out[n++] = &PLAIN;
  return n;
}

}  // namespace tributary
