// The neighbour search shared by the native addon and the WebAssembly module. No standard library, no allocation, no
// threads of its own: the host brings those and runs each phase on as many threads as it likes.
//
// How a search goes
// -----------------
// 1. norms      each row's norm; rows that are not of unit length are divided by it.
// 2. pack       unit rows are rounded to the engine's arithmetic (float32, bfloat16, int16 or int8) and stored in panels
//               of 32 rows, so that one vector load brings the same columns of many rows.
// 3. sweep      tiles of approximate products. A product that may still belong to a row's k best goes to the row's list
//               of candidates. Since the products are symmetric, each pair of blocks is multiplied once and its
//               products are offered to both sides.
// 4. finish     the candidates' similarities are computed as contract.ts defines them, and the k best are sorted.
// Coarse engines (`eager`) swap steps: they settle each candidate at once, against bars without a margin.
//
// Why it is exact
// ---------------
// Let r(i) be how far row i was moved by rounding, |x_i - q_i|. By Cauchy-Schwarz a product of rounded rows differs
// from the true one by at most r(i) + r(j) + r(i) r(j), plus the rounding of the accumulation. With margin(i) the
// largest of these over all j, a row j whose approximate product is below (a lower bound of i's k-th best) - margin(i)
// cannot be among the k best. Nothing else is ever dropped. (Since r(i) r(j) <= (r(i)^2 + r(j)^2) / 2, the bound is also a
// sum of one term a row, its reach.) So cheap arithmetic costs candidates, never a neighbour.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace tributary {

constexpr int PANEL = 32;
constexpr int MAX_TILE_ROWS = 32;

/** One way to multiply. A word is 32 bits and holds `perWord` values. */
struct Engine {
  const char* name;
  int perWord;
  /** Rows of a tile. */
  int tileRows;
  /** The words of a row are padded with zeros to a multiple of this. */
  int wordStep;
  /** Applied to every word of the left operand: 0x80808080 turns the stored unsigned bytes into signed ones. */
  uint32_t flipLeft;
  /** Rounding of an accumulated product, a column. */
  float slackPerColumn;
  /** Rounds a unit row into words `stride` apart; returns |row - rounded|. */
  float (*round)(const float* row, int cols, int words, uint32_t* out, int stride, float* scale, int32_t* offset);
  /** left: [words][tileRows], or as packLeft leaves it. right: a panel, [words][PANEL]. c: [tileRows][PANEL]. */
  void (*tile)(const uint32_t* left, const uint32_t* right, int words, const float* leftScale, const int32_t* leftOffset,
               const float* rightScale, const float* leftReach, const float* rightReach, float* c);
  /** Which products reach the bar of their row, and of their column; true if any does. */
  bool (*hits)(const float* c, int rows, const float* rowBars, const float* columnBars, uint32_t valid, uint32_t* rowHits,
               uint32_t* columnHits);
  /** How many of the scores are at least `bar`. */
  int (*count)(const float* scores, int n, float bar);
  /** The sum of products in eight lanes of float64 that the contract defines. */
  double (*dot)(const float* a, const float* b, int cols);
  /** Tile registers are set up a thread. May be null. */
  void (*enter)();
  void (*leave)();
  /** Left operand in the layout of tile registers, 16 x 16 words. */
  bool tiledLeft;
  /**
   * Products come out raised by the reach of both rows: never below the similarity. That of a candidate is computed as soon
   * as its product shows up, while both rows are in cache, so that bars are exact. Pays where products are coarse.
   */
  bool eager;
  /** As `tile`, for a panel whose second half is empty, as the last one of a cell often is. Null: there is none. */
  void (*halfTile)(const uint32_t* left, const uint32_t* right, int words, const float* leftScale, const int32_t* leftOffset,
                   const float* rightScale, const float* leftReach, const float* rightReach, float* c);
};

/** One that may be among the k best: both halves in one cache line, for lists are written at random. */
struct Candidate {
  float score;
  int32_t slot;
};

/** Everything a search knows; plain memory, shared by all threads. */
struct Search {
  const Engine* engine;
  const float* x;
  /** Unit rows: x itself if all its rows are of unit length. */
  float* unit;
  int64_t rows;
  int32_t cols;
  int32_t k;
  int32_t words;
  /** One list a query. When every row is a query, query = slot, and both sides of a product are used. */
  int64_t queries;
  const int32_t* querySlots;
  bool symmetric;
  /** Slots: rows in order of cells, each cell padded to whole panels. */
  int64_t slots;
  const int32_t* slotRow;
  uint32_t* panels;
  float* scale;
  int32_t* offset;
  float* moved;
  float* reach;
  uint32_t* valid;
  /** Blocks of slots, at most `blockSlots` each; and for each block the blocks it meets. Null lists: all of them. */
  int32_t blocks;
  /** The first so many blocks have lists; the others are only multiplied with. */
  int32_t listedBlocks;
  int32_t blockSlots;
  const int32_t* blockStart;
  const double* meetStart;
  const int32_t* meets;
  int32_t* locks;
  /** Candidates. */
  int32_t capacity;
  Candidate* candidates;
  int32_t* counts;
  int32_t* exact;
  float* bars;
  float* margins;
  /** Output, in the order of queries. */
  int32_t* ids;
  float* similarities;
  /** For each output row its list; null: the same. */
  const int32_t* outputQuery;
  /** The order in which output rows are finished; null: as they come. */
  const int32_t* finishOrder;
  /** Shared counters. */
  volatile int64_t next;
  volatile int64_t done;
  volatile int64_t total;
  volatile int64_t badRow;
  volatile int32_t anyScaled;
  volatile int32_t movedMost;
  volatile int32_t* cancelled;
};

/** What a thread needs for itself. */
struct Scratch {
  uint32_t* left;
  float* leftScale;
  float* leftReach;
  int32_t* leftOffset;
  float* scores;
  uint64_t* keys;
  int32_t* postponed;
};

void pause();

inline int64_t take(volatile int64_t* counter, int64_t step) { return __atomic_fetch_add(counter, step, __ATOMIC_RELAXED); }
inline bool cancelled(const Search& s) { return __atomic_load_n(s.cancelled, __ATOMIC_RELAXED) != 0; }
inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline float asFloat(uint32_t bits) {
  float f;
  __builtin_memcpy(&f, &bits, 4);
  return f;
}
inline uint32_t asBits(float f) {
  uint32_t u;
  __builtin_memcpy(&u, &f, 4);
  return u;
}

constexpr float LOWEST = -3.0e38f;
constexpr float NEVER = 3.0e38f;

/** The eight-lane sum in plain code; `a * b` is exact in float64, so contraction to a fused product changes nothing. */
inline double plainDot(const float* a, const float* b, int cols) {
  double lane[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  int c = 0;
  for (; c + 8 <= cols; c += 8) {
    for (int l = 0; l < 8; l++) lane[l] += (double)a[c + l] * (double)b[c + l];
  }
  for (int l = 0; c + l < cols; l++) lane[l] += (double)a[c + l] * (double)b[c + l];
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

// ---- order ---------------------------------------------------------------------------------------------------------

/** Ascending keys are falling similarities, and rising ids within ties. */
inline uint64_t orderKey(float score, int32_t row) {
  uint32_t bits = asBits(score);
  bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return (uint64_t)(~bits) << 32 | (uint32_t)row;
}

inline float keyScore(uint64_t key) {
  uint32_t bits = ~(uint32_t)(key >> 32);
  return asFloat(bits & 0x80000000u ? bits & 0x7fffffffu : ~bits);
}

/** Moves the k smallest to the front. */
template <class T>
inline void selectSmallest(T* a, int n, int k) {
  int low = 0, high = n - 1;
  while (low < high) {
    T x = a[low], y = a[(low + high) >> 1], z = a[high];
    T pivot = x < y ? (y < z ? y : (x < z ? z : x)) : (x < z ? x : (y < z ? z : y));
    int i = low, j = high;
    while (i <= j) {
      while (a[i] < pivot) i++;
      while (pivot < a[j]) j--;
      if (i <= j) {
        T held = a[i];
        a[i++] = a[j];
        a[j--] = held;
      }
    }
    if (k - 1 <= j) high = j;
    else if (k - 1 >= i) low = i;
    else return;
  }
}

template <class T>
inline void sortAscending(T* a, int n) {
  while (n > 24) {
    T x = a[0], y = a[n >> 1], z = a[n - 1];
    T pivot = x < y ? (y < z ? y : (x < z ? z : x)) : (x < z ? x : (y < z ? z : y));
    int i = 0, j = n - 1;
    while (i <= j) {
      while (a[i] < pivot) i++;
      while (pivot < a[j]) j--;
      if (i <= j) {
        T held = a[i];
        a[i++] = a[j];
        a[j--] = held;
      }
    }
    // The smaller side by recursion, so that the stack stays shallow.
    if (j + 1 < n - i) {
      sortAscending(a, j + 1);
      a += i;
      n -= i;
    } else {
      sortAscending(a + i, n - i);
      n = j + 1;
    }
  }
  for (int i = 1; i < n; i++) {
    T held = a[i];
    int j = i;
    for (; j > 0 && held < a[j - 1]; j--) a[j] = a[j - 1];
    a[j] = held;
  }
}

// ---- candidates ----------------------------------------------------------------------------------------------------

inline int64_t slotOfQuery(const Search& s, int64_t q) { return s.querySlots ? s.querySlots[q] : q; }

inline float similarityOf(const Search& s, const float* row, int32_t slot) {
  // + 0 turns a negative zero, left by a tiny negative product, into zero.
  return (float)s.engine->dot(row, s.unit + (int64_t)s.slotRow[slot] * s.cols, s.cols) + 0.0f;
}

inline void fetchAhead(const Search& s, int32_t slot) {
  const char* row = (const char*)(s.unit + (int64_t)s.slotRow[slot] * s.cols);
  const int bytes = s.cols * 4 < 2048 ? s.cols * 4 : 2048;
  for (int at = 0; at < bytes; at += 64) __builtin_prefetch(row + at);
}

/** A value that at least k of the scores reach, and not many more: halving finds it faster than any selection. */
inline float barReachedBy(const Engine& e, const float* scores, int n, int k) {
  float low = scores[0], high = scores[0];
  for (int i = 1; i < n; i++) {
    low = scores[i] < low ? scores[i] : low;
    high = scores[i] > high ? scores[i] : high;
  }
  for (int step = 0; step < 16; step++) {
    const float middle = 0.5f * (low + high);
    if (!(middle > low && middle < high)) break;
    const int reach = e.count(scores, n, middle);
    if (reach < k) {
      high = middle;
      continue;
    }
    low = middle;
    if (reach <= k + k / 16) break;
  }
  return low;
}

/** Replaces approximate products by similarities and keeps the k best: nothing about them is uncertain any more. */
inline void settle(const Search& s, int64_t q, const Scratch& scratch) {
  Candidate* list = s.candidates + q * s.capacity;
  const int n = s.counts[q], k = s.k;
  uint64_t* keys = scratch.keys;
  const float* row = s.unit + (int64_t)s.slotRow[slotOfQuery(s, q)] * s.cols;
  for (int i = 0; i < n; i++) {
    if (i + 3 < n && i + 3 >= s.exact[q]) fetchAhead(s, list[i + 3].slot);
    if (i >= s.exact[q]) list[i].score = similarityOf(s, row, list[i].slot);
    keys[i] = keys[s.capacity + i] = orderKey(list[i].score, s.slotRow[list[i].slot]);
  }
  selectSmallest(keys, n, k);
  uint64_t last = keys[0];
  for (int i = 1; i < k; i++) last = keys[i] > last ? keys[i] : last;
  int kept = 0;
  for (int i = 0; i < n; i++) {
    if (keys[s.capacity + i] <= last) list[kept++] = list[i];
  }
  s.counts[q] = s.exact[q] = kept;
  const float bar = keyScore(last) - s.margins[q];
  if (bar > s.bars[q]) s.bars[q] = bar;
}

/** Keeps what may still be among the k best, in place, and raises the row's bar. */
inline void compact(const Search& s, int64_t q, const Scratch& scratch) {
  Candidate* list = s.candidates + q * s.capacity;
  const int n = s.counts[q], k = s.k;
  for (int i = 0; i < n; i++) scratch.scores[i] = list[i].score;
  // An approximate k-th may be too high by a margin, and a product too low by one.
  const float kth = barReachedBy(*s.engine, scratch.scores, n, k);
  float bar = kth - 2 * s.margins[q];
  if (bar < s.bars[q]) bar = s.bars[q];
  int kept = 0, exact = 0;
  for (int i = 0; i < n; i++) {
    const Candidate candidate = list[i];
    list[kept] = candidate;
    kept += candidate.score >= bar;
    exact += (candidate.score >= bar) & (i < s.exact[q]);
  }
  s.counts[q] = kept;
  s.exact[q] = exact;
  s.bars[q] = bar;
  if (kept > k + (s.capacity - k) / 4 * 3) settle(s, q, scratch);
}

inline void offer(const Search& s, int64_t q, int32_t slot, float score, const Scratch& scratch) {
  const int n = s.counts[q];
  s.candidates[q * s.capacity + n] = {score, slot};
  s.counts[q] = n + 1;
  if (s.engine->eager) s.exact[q] = n + 1;
  if (n + 1 == s.capacity) compact(s, q, scratch);
}

// ---- phases --------------------------------------------------------------------------------------------------------

/** Phase 1: finds rows without a direction, and whether any needs scaling. */
inline void norms(Search& s) {
  const int64_t step = 256;
  for (;;) {
    const int64_t begin = take(&s.next, step);
    if (begin >= s.rows || cancelled(s)) return;
    for (int64_t i = begin; i < least(begin + step, s.rows); i++) {
      const float* row = s.x + i * s.cols;
      const double norm = __builtin_sqrt(s.engine->dot(row, row, s.cols));
      if (!(norm > 0 && norm < __builtin_inf())) {
        int64_t seen = s.badRow;
        while (i < seen && !__atomic_compare_exchange_n(&s.badRow, &seen, i, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        }
      } else if (!(__builtin_fabs(norm - 1) <= 1e-6)) {
        s.anyScaled = 1;
      }
    }
  }
}

/** Phase 2, when any row needs scaling: unit rows, into memory of their own. */
inline void scaleRows(Search& s) {
  const int64_t step = 256;
  for (;;) {
    const int64_t begin = take(&s.next, step);
    if (begin >= s.rows || cancelled(s)) return;
    for (int64_t i = begin; i < least(begin + step, s.rows); i++) {
      const float* row = s.x + i * s.cols;
      float* out = s.unit + i * s.cols;
      const double norm = __builtin_sqrt(s.engine->dot(row, row, s.cols));
      const bool isUnit = __builtin_fabs(norm - 1) <= 1e-6;
      for (int c = 0; c < s.cols; c++) out[c] = isUnit ? row[c] : (float)((double)row[c] / norm);
    }
  }
}

/** What rounding may add to a product while it is accumulated. */
inline float slackOf(const Search& s) { return s.engine->slackPerColumn * (float)(s.cols + 8) + 1e-6f; }

/** Phase 3: panels, one a step. */
inline void pack(Search& s) {
  float most = 0;
  for (;;) {
    const int64_t panel = take(&s.next, 1);
    if (panel >= s.slots / PANEL || cancelled(s)) break;
    uint32_t* out = s.panels + panel * s.words * PANEL;
    uint32_t valid = 0;
    for (int lane = 0; lane < PANEL; lane++) {
      const int64_t slot = panel * PANEL + lane;
      const int32_t row = s.slotRow[slot];
      if (row < 0) {
        for (int w = 0; w < s.words; w++) out[w * PANEL + lane] = 0;
        s.scale[slot] = 0;
        s.offset[slot] = 0;
        s.moved[slot] = 0;
        s.reach[slot] = 0;
        continue;
      }
      valid |= 1u << lane;
      const float moved = s.engine->round(s.unit + (int64_t)row * s.cols, s.cols, s.words, out + lane, PANEL,
                                          s.scale + slot, s.offset + slot);
      s.moved[slot] = moved;
      s.reach[slot] = (moved + 0.5f * moved * moved) * 1.0001f + 0.5f * slackOf(s);
      most = moved > most ? moved : most;
    }
    s.valid[panel] = valid;
  }
  // Positive floats order as their bits do.
  int32_t bits = (int32_t)asBits(most), seen = s.movedMost;
  while (bits > seen && !__atomic_compare_exchange_n(&s.movedMost, &seen, bits, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

/** Phase 4: empty lists and margins. */
inline void openLists(Search& s) {
  const float most = asFloat((uint32_t)s.movedMost);
  const float slack = slackOf(s);
  for (int64_t q = take(&s.next, 1024); q < s.queries; q = take(&s.next, 1024)) {
    for (int64_t i = q; i < least(q + 1024, s.queries); i++) {
      const int64_t slot = slotOfQuery(s, i);
      s.counts[i] = 0;
      s.exact[i] = 0;
      const bool isPad = s.slotRow[slot] < 0;
      s.bars[i] = isPad ? NEVER : LOWEST;
      s.margins[i] = isPad || s.engine->eager ? 0 : (s.moved[slot] + most + s.moved[slot] * most) * 1.0001f + slack;
    }
  }
}

/** The left operand: rows of queries [begin, end), in tiles. */
inline void packLeft(const Search& s, int64_t begin, int64_t end, const Scratch& scratch) {
  const int mr = s.engine->tileRows;
  const uint32_t flip = s.engine->flipLeft;
  for (int64_t tile = begin; tile < end; tile += mr) {
    uint32_t* out = scratch.left + (tile - begin) * s.words;
    for (int r = 0; r < mr; r++) {
      const int64_t q = tile + r;
      const int64_t slot = q < end ? slotOfQuery(s, q) : -1;
      scratch.leftScale[q - begin] = slot < 0 ? 0 : s.scale[slot];
      scratch.leftOffset[q - begin] = slot < 0 ? 0 : s.offset[slot];
      scratch.leftReach[q - begin] = slot < 0 ? 0 : s.reach[slot];
      const uint32_t* from = slot < 0 ? nullptr : s.panels + (slot / PANEL) * s.words * PANEL + slot % PANEL;
      if (s.engine->tiledLeft) {
        for (int w = 0; w < s.words; w++) {
          out[((r / 16) * (s.words / 16) + w / 16) * 256 + (r % 16) * 16 + w % 16] = from ? from[(int64_t)w * PANEL] : 0;
        }
      } else {
        for (int w = 0; w < s.words; w++) out[w * mr + r] = from ? from[(int64_t)w * PANEL] ^ flip : 0;
      }
    }
  }
}

/** Offers the similarities behind the hits of a tile to the lists of both sides. */
inline void offerExact(const Search& s, int64_t tile, int rows, int64_t panel, const float* c, const uint32_t* rowHits,
                       const uint32_t* columnHits, const Scratch& scratch) {
  for (int r = 0; r < rows; r++) {
    const int64_t q = tile + r;
    if (!(rowHits[r] | columnHits[r])) continue;
    const int64_t slot = slotOfQuery(s, q);
    const float* row = s.unit + (int64_t)s.slotRow[slot] * s.cols;
    for (uint32_t bits = rowHits[r] | columnHits[r]; bits; bits &= bits - 1) {
      const int lane = __builtin_ctz(bits);
      const int32_t other = (int32_t)(panel * PANEL + lane);
      // The bars may have risen since the masks were made.
      const bool forRow = (rowHits[r] >> lane & 1) && c[r * PANEL + lane] >= s.bars[q];
      const bool forColumn = (columnHits[r] >> lane & 1) && c[r * PANEL + lane] >= s.bars[other];
      if (!forRow && !forColumn) continue;
      const float score = similarityOf(s, row, other);
      if (forRow && score >= s.bars[q]) offer(s, q, other, score, scratch);
      if (forColumn && score >= s.bars[other]) offer(s, other, (int32_t)slot, score, scratch);
    }
  }
}

/** Multiplies queries [begin, end), already packed, with a block, and offers the products to the lists. */
inline void meet(const Search& s, int64_t begin, int64_t end, int32_t block, bool bothSides, bool mayMeetItself,
                 const Scratch& scratch) {
  const int mr = s.engine->tileRows;
  // As many rows of the left operand as half a megabyte of cache holds.
  int64_t group = (256 * 1024 / 4) / s.words / mr * mr;
  if (group < mr) group = mr;
  alignas(64) float c[MAX_TILE_ROWS * PANEL];
  alignas(64) float rowBars[MAX_TILE_ROWS];
  uint32_t rowHits[MAX_TILE_ROWS], columnHits[MAX_TILE_ROWS];
  alignas(64) float never[PANEL];
  for (int i = 0; i < PANEL; i++) never[i] = NEVER;
  const int64_t firstPanel = s.blockStart[block] / PANEL, lastPanel = s.blockStart[block + 1] / PANEL;

  for (int64_t g = begin; g < end; g += group) {
    const int64_t gEnd = least(g + group, end);
    for (int64_t panel = firstPanel; panel < lastPanel; panel++) {
      const uint32_t* right = s.panels + panel * s.words * PANEL;
      const float* columnBars = bothSides ? s.bars + panel * PANEL : never;
      const auto multiply = s.engine->halfTile && s.valid[panel] >> (PANEL / 2) == 0 ? s.engine->halfTile : s.engine->tile;
      for (int64_t tile = g; tile < gEnd; tile += mr) {
        const int64_t at = tile - begin;
        multiply(scratch.left + at * s.words, right, s.words, scratch.leftScale + at, scratch.leftOffset + at,
                 s.scale + panel * PANEL, scratch.leftReach + at, s.reach + panel * PANEL, c);
        const int rows = (int)least(mr, gEnd - tile);
        for (int r = 0; r < rows; r++) {
          rowBars[r] = s.bars[tile + r];
          if (mayMeetItself) {
            const int64_t slot = slotOfQuery(s, tile + r);
            if (slot / PANEL == panel) c[r * PANEL + slot % PANEL] = -__builtin_inff();
          }
        }
        if (!s.engine->hits(c, rows, rowBars, columnBars, s.valid[panel], rowHits, columnHits)) continue;
        if (s.engine->eager) {
          offerExact(s, tile, rows, panel, c, rowHits, columnHits, scratch);
          continue;
        }
        for (int r = 0; r < rows; r++) {
          for (uint32_t bits = rowHits[r]; bits; bits &= bits - 1) {
            const int lane = __builtin_ctz(bits);
            // The bar may have risen since the mask was made.
            if (c[r * PANEL + lane] >= s.bars[tile + r]) {
              offer(s, tile + r, (int32_t)(panel * PANEL + lane), c[r * PANEL + lane], scratch);
            }
          }
          for (uint32_t bits = columnHits[r]; bits; bits &= bits - 1) {
            const int lane = __builtin_ctz(bits);
            const int64_t q = panel * PANEL + lane;
            if (c[r * PANEL + lane] >= s.bars[q]) offer(s, q, (int32_t)(tile + r), c[r * PANEL + lane], scratch);
          }
        }
      }
    }
  }
}

inline bool tryLock(const Search& s, int32_t block) {
  return __atomic_exchange_n(s.locks + block, 1, __ATOMIC_ACQUIRE) == 0;
}
inline void lock(const Search& s, int32_t block) {
  while (!tryLock(s, block)) pause();
}
inline void unlock(const Search& s, int32_t block) { __atomic_store_n(s.locks + block, 0, __ATOMIC_RELEASE); }

/** Partners of a block that one step of a full sweep takes. */
constexpr int32_t PARTNERS = 8;

/** Half of the other blocks, counted round the circle, so that each pair comes up once and all blocks have equal work. */
inline int32_t partnersInCircle(const Search& s, int32_t block) {
  if (s.blocks % 2 == 1) return s.blocks / 2;
  return block < s.blocks / 2 ? s.blocks / 2 : s.blocks / 2 - 1;
}

inline int64_t sweepSteps(const Search& s) {
  if (!s.symmetric) return (s.queries + s.blockSlots - 1) / s.blockSlots;
  if (s.meets) return s.listedBlocks;
  return (int64_t)s.blocks * ((s.blocks / 2 + 1 + PARTNERS - 1) / PARTNERS);
}

/** Phase 5 when slots are queries: each pair of blocks once, both sides where both have lists. */
inline void sweepPairs(Search& s, const Scratch& scratch) {
  const int64_t steps = sweepSteps(s);
  for (;;) {
    const int64_t step = take(&s.next, 1);
    if (step >= steps || cancelled(s)) break;
    const int32_t a = (int32_t)(step % s.blocks);
    const int64_t begin = s.blockStart[a], end = s.blockStart[a + 1];
    packLeft(s, begin, end, scratch);
    int32_t waiting = 0;
    int64_t first, last;
    if (s.meets) {
      first = (int64_t)s.meetStart[a];
      last = (int64_t)s.meetStart[a + 1];
    } else {
      first = step / s.blocks * PARTNERS;
      last = least(first + PARTNERS, partnersInCircle(s, a) + 1);
    }
    for (int64_t i = first; i < last && !cancelled(s); ) {
      // Holding a, blocks in use elsewhere are put off; once the round is over they are waited for in order, holding
      // nothing, which cannot lock up.
      lock(s, a);
      waiting = 0;
      const int64_t roundEnd = least(last, i + 64);
      for (; i < roundEnd && !cancelled(s); i++) {
        const int32_t b = s.meets ? s.meets[i] : (int32_t)((a + i) % s.blocks);
        const bool bothSides = b != a && b < s.listedBlocks;
        if (bothSides && !tryLock(s, b)) {
          scratch.postponed[waiting++] = b;
          continue;
        }
        meet(s, begin, end, b, bothSides, b == a, scratch);
        if (bothSides) unlock(s, b);
      }
      unlock(s, a);
      for (int32_t w = 0; w < waiting && !cancelled(s); w++) {
        const int32_t b = scratch.postponed[w];
        lock(s, a < b ? a : b);
        lock(s, a < b ? b : a);
        meet(s, begin, end, b, true, false, scratch);
        unlock(s, a);
        unlock(s, b);
      }
    }
    take(&s.done, 1);
  }
}

/** Phase 5 for chosen queries: a block of them against everything. */
inline void sweepQueries(Search& s, const Scratch& scratch) {
  const int64_t steps = sweepSteps(s);
  for (;;) {
    const int64_t step = take(&s.next, 1);
    if (step >= steps || cancelled(s)) break;
    const int64_t begin = step * s.blockSlots, end = least(begin + s.blockSlots, s.queries);
    packLeft(s, begin, end, scratch);
    for (int32_t b = 0; b < s.blocks && !cancelled(s); b++) meet(s, begin, end, b, false, true, scratch);
    take(&s.done, 1);
  }
}

inline void sweep(Search& s, const Scratch& scratch) {
  if (s.engine->enter) s.engine->enter();
  if (s.symmetric) sweepPairs(s, scratch);
  else sweepQueries(s, scratch);
  if (s.engine->leave) s.engine->leave();
}

/** Scatters ids, so that the least of several is any of them with equal chance. */
inline uint32_t scattered(uint32_t id) {
  id = (id ^ (id >> 16)) * 0x7feb352du;
  id = (id ^ (id >> 15)) * 0x846ca68bu;
  return id ^ (id >> 16);
}

/**
 * Phase 6: a key for each output row that rows with like lists probably share: the least scattered id among its candidates.
 * Rows finished one after the other then find the rows that they name in cache, which is most of what finishing costs.
 */
inline void sketch(Search& s, int64_t outputs, uint64_t* keys) {
  const int64_t step = 256;
  for (;;) {
    const int64_t start = take(&s.next, step);
    if (start >= outputs || cancelled(s)) return;
    for (int64_t o = start; o < least(start + step, outputs); o++) {
      const int64_t q = s.outputQuery ? s.outputQuery[o] : o;
      const Candidate* list = s.candidates + q * s.capacity;
      uint32_t lowest = scattered((uint32_t)s.slotRow[slotOfQuery(s, q)]);
      for (int i = 0; i < s.counts[q]; i++) {
        if (list[i].score < s.bars[q]) continue;
        const uint32_t key = scattered((uint32_t)s.slotRow[list[i].slot]);
        lowest = key < lowest ? key : lowest;
      }
      keys[o] = (uint64_t)lowest << 32 | (uint32_t)o;
    }
  }
}

/** After phase 6, by one thread. */
inline void orderBySketch(uint64_t* keys, int64_t outputs, int32_t* order) {
  sortAscending(keys, (int)outputs);
  for (int64_t i = 0; i < outputs; i++) order[i] = (int32_t)(uint32_t)keys[i];
}

/** Phase 7: similarities, order, output. */
inline void finish(Search& s, int64_t outputs, const Scratch& scratch) {
  const int64_t step = 64;
  for (;;) {
    const int64_t start = take(&s.next, step);
    if (start >= outputs || cancelled(s)) return;
    for (int64_t at = start; at < least(start + step, outputs); at++) {
      const int64_t o = s.finishOrder ? s.finishOrder[at] : at;
      const int64_t q = s.outputQuery ? s.outputQuery[o] : o;
      const Candidate* list = s.candidates + q * s.capacity;
      const float* row = s.unit + (int64_t)s.slotRow[slotOfQuery(s, q)] * s.cols;
      const int n = s.counts[q], k = s.k;
      uint64_t* keys = scratch.keys;

      // The approximate k best first: the worst of their similarities tells which of the others need one.
      for (int i = 0; i < n; i++) keys[i] = orderKey(list[i].score, i);
      if (n > k) selectSmallest(keys, n, k);
      const int front = n < k ? n : k;
      float worst = NEVER;
      for (int i = 0; i < n; i++) {
        if (i + 3 < n) fetchAhead(s, list[(uint32_t)keys[i + 3]].slot);
        const int from = (int)(uint32_t)keys[i];
        const bool isExact = from < s.exact[q];
        if (i >= front && !isExact && list[from].score < worst - s.margins[q]) {
          keys[i] = ~(uint64_t)0;
          continue;
        }
        const float score = isExact ? list[from].score : similarityOf(s, row, list[from].slot);
        if (i < front && score < worst) worst = score;
        keys[i] = orderKey(score, s.slotRow[list[from].slot]);
      }
      if (n > k) selectSmallest(keys, n, k);
      sortAscending(keys, front);
      for (int i = 0; i < k; i++) {
        s.ids[o * k + i] = i < front ? (int32_t)(uint32_t)keys[i] : -1;
        s.similarities[o * k + i] = i < front ? keyScore(keys[i]) : 0;
      }
    }
    take(&s.done, least(step, outputs - start));
  }
}

/** Which of `centres` unit vectors, packed as panels in a search of their own, is most similar to each row: approximate. */
inline void assign(Search& s, const Search& centres, const int32_t* rowList, int64_t count, int32_t* out, const Scratch& scratch) {
  const Engine& e = *s.engine;
  const int mr = e.tileRows;
  const int64_t step = mr * 8;
  alignas(64) float c[MAX_TILE_ROWS * PANEL];
  alignas(64) float best[MAX_TILE_ROWS * 8];
  alignas(64) float never[PANEL];
  for (int i = 0; i < PANEL; i++) never[i] = NEVER;
  uint32_t rowHits[MAX_TILE_ROWS], columnHits[MAX_TILE_ROWS];
  alignas(64) const float none[PANEL] = {};
  // Rounded rows, one after the other; after them the tile layout.
  uint32_t* rounded = scratch.left + step * s.words;
  if (e.enter) e.enter();
  for (;;) {
    const int64_t begin = take(&s.next, step);
    if (begin >= count || cancelled(s)) break;
    const int n = (int)least(step, count - begin);
    for (int r = 0; r < step; r++) {
      uint32_t* to = scratch.left + (r / mr) * mr * s.words;
      const int lane = r % mr;
      scratch.leftScale[r] = 0;
      scratch.leftOffset[r] = 0;
      best[r] = LOWEST;
      if (r < n) {
        const int64_t row = rowList ? rowList[begin + r] : begin + r;
        e.round(s.unit + row * s.cols, s.cols, s.words, rounded, 1, scratch.leftScale + r, scratch.leftOffset + r);
      }
      for (int w = 0; w < s.words; w++) {
        const uint32_t word = r < n ? rounded[w] ^ e.flipLeft : 0;
        if (e.tiledLeft) to[((lane / 16) * (s.words / 16) + w / 16) * 256 + (lane % 16) * 16 + w % 16] = word;
        else to[w * mr + lane] = word;
      }
    }
    for (int64_t panel = 0; panel < centres.slots / PANEL; panel++) {
      for (int tile = 0; tile < n; tile += mr) {
        e.tile(scratch.left + (int64_t)tile * s.words, centres.panels + panel * s.words * PANEL, s.words,
               scratch.leftScale + tile, scratch.leftOffset + tile, centres.scale + panel * PANEL, none, none, c);
        const int rows = (int)least(mr, n - tile);
        if (!e.hits(c, rows, best + tile, never, centres.valid[panel], rowHits, columnHits)) continue;
        for (int r = 0; r < rows; r++) {
          for (uint32_t bits = rowHits[r]; bits; bits &= bits - 1) {
            const int lane = __builtin_ctz(bits);
            if (c[r * PANEL + lane] <= best[tile + r]) continue;
            best[tile + r] = c[r * PANEL + lane];
            out[begin + tile + r] = centres.slotRow[panel * PANEL + lane];
          }
        }
      }
    }
    take(&s.done, n);
  }
  if (e.leave) e.leave();
}

}  // namespace tributary
