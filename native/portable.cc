// The portable kernels: the same search compiled to WebAssembly, int16 in 128-bit vectors, threads on shared memory.
// The module is committed (src/engine/kernels/portable.wasm); scripts/build-portable.mjs compiles it anew.
//
// The host runs one instance a thread on one memory, gives each a stack, and calls the phases in order: every thread
// calls a phase, and the next begins when all have returned.
#include <wasm_simd128.h>

#include "plain.hpp"

#define EXPORT(name) __attribute__((export_name(name)))

extern "C" {
extern unsigned char __heap_base;

// The compiler may call these for copies it cannot see through.
void* memcpy(void* to, const void* from, size_t n) {
  __asm__ volatile("local.get %0\n local.get %1\n local.get %2\n memory.copy 0, 0" : : "r"(to), "r"(from), "r"(n) : "memory");
  return to;
}
void* memset(void* to, int value, size_t n) {
  __asm__ volatile("local.get %0\n local.get %1\n local.get %2\n memory.fill 0" : : "r"(to), "r"(value), "r"(n) : "memory");
  return to;
}
}

namespace tributary {

void pause() {}

/** 4 x 8 products at a time: eight sums, and room for what they are made of. */
template <int columns>
static void tileWasm(const uint32_t* left, const uint32_t* right, int words, const float* leftScale, const int32_t*,
                     const float* rightScale, const float* leftReach, const float* rightReach, float* c) {
  for (int part = 0; part < columns; part += 8) {
    const uint32_t* b = right + part;
    const uint32_t* a = left;
    v128_t s00 = wasm_i32x4_splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00;
    for (int w = 0; w < words; w++, b += PANEL, a += 4) {
      const v128_t b0 = wasm_v128_load(b), b1 = wasm_v128_load(b + 4);
      const v128_t a0 = wasm_v128_load32_splat(a), a1 = wasm_v128_load32_splat(a + 1);
      s00 = wasm_i32x4_add(s00, wasm_i32x4_dot_i16x8(a0, b0));
      s01 = wasm_i32x4_add(s01, wasm_i32x4_dot_i16x8(a0, b1));
      s10 = wasm_i32x4_add(s10, wasm_i32x4_dot_i16x8(a1, b0));
      s11 = wasm_i32x4_add(s11, wasm_i32x4_dot_i16x8(a1, b1));
      const v128_t a2 = wasm_v128_load32_splat(a + 2), a3 = wasm_v128_load32_splat(a + 3);
      s20 = wasm_i32x4_add(s20, wasm_i32x4_dot_i16x8(a2, b0));
      s21 = wasm_i32x4_add(s21, wasm_i32x4_dot_i16x8(a2, b1));
      s30 = wasm_i32x4_add(s30, wasm_i32x4_dot_i16x8(a3, b0));
      s31 = wasm_i32x4_add(s31, wasm_i32x4_dot_i16x8(a3, b1));
    }
    const v128_t scale0 = wasm_v128_load(rightScale + part), scale1 = wasm_v128_load(rightScale + part + 4);
    const v128_t sums[4][2] = {{s00, s01}, {s10, s11}, {s20, s21}, {s30, s31}};
    for (int r = 0; r < 4; r++) {
      const v128_t scale = wasm_f32x4_splat(leftScale[r]);
      wasm_v128_store(c + r * PANEL + part, wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sums[r][0]), wasm_f32x4_mul(scale, scale0)));
      wasm_v128_store(c + r * PANEL + part + 4, wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sums[r][1]), wasm_f32x4_mul(scale, scale1)));
    }
  }
}

static bool hitsWasm(const float* c, int rows, const float* rowBars, const float* columnBars, uint32_t valid, uint32_t* rowHits,
                     uint32_t* columnHits) {
  uint32_t any = 0;
  for (int r = 0; r < rows; r++) {
    const v128_t bar = wasm_f32x4_splat(rowBars[r]);
    v128_t seen = wasm_i32x4_splat(0);
    for (int l = 0; l < PANEL; l += 4) {
      const v128_t v = wasm_v128_load(c + r * PANEL + l);
      seen = wasm_v128_or(seen, wasm_v128_or(wasm_f32x4_ge(v, bar), wasm_f32x4_ge(v, wasm_v128_load(columnBars + l))));
    }
    rowHits[r] = columnHits[r] = 0;
    if (!wasm_v128_any_true(seen)) continue;
    uint32_t row = 0, column = 0;
    for (int l = 0; l < PANEL; l += 4) {
      const v128_t v = wasm_v128_load(c + r * PANEL + l);
      row |= (uint32_t)wasm_i32x4_bitmask(wasm_f32x4_ge(v, bar)) << l;
      column |= (uint32_t)wasm_i32x4_bitmask(wasm_f32x4_ge(v, wasm_v128_load(columnBars + l))) << l;
    }
    rowHits[r] = row & valid;
    columnHits[r] = rowBars[r] == NEVER ? 0 : column & valid;
    any |= rowHits[r] | columnHits[r];
  }
  return any != 0;
}

static double dotWasm(const float* a, const float* b, int cols) {
  v128_t s01 = wasm_f64x2_splat(0), s23 = s01, s45 = s01, s67 = s01;
  int c = 0;
  for (; c + 8 <= cols; c += 8) {
#define PAIR(at) \
  wasm_f64x2_mul(wasm_f64x2_promote_low_f32x4(wasm_v128_load64_zero(a + c + at)), wasm_f64x2_promote_low_f32x4(wasm_v128_load64_zero(b + c + at)))
    s01 = wasm_f64x2_add(s01, PAIR(0));
    s23 = wasm_f64x2_add(s23, PAIR(2));
    s45 = wasm_f64x2_add(s45, PAIR(4));
    s67 = wasm_f64x2_add(s67, PAIR(6));
  }
  alignas(16) double lane[8];
  wasm_v128_store(lane, s01);
  wasm_v128_store(lane + 2, s23);
  wasm_v128_store(lane + 4, s45);
  wasm_v128_store(lane + 6, s67);
  for (int l = 0; c + l < cols; l++) lane[l] += (double)a[c + l] * (double)b[c + l];
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

static const Engine WASM = {"wasm-int16", 2, 4, 1, 0, 0, roundInt16, tileWasm<PANEL>, hitsWasm, countPlain, dotWasm, nullptr, nullptr, false, false, tileWasm<PANEL / 2>};

/** A search with the memory of its threads, and what the other phases need. */
struct Work {
  Search search;
  Search centres;
  Scratch* scratch;
  int32_t threads;
  int32_t cancelled;
  const int32_t* list;
  int64_t count;
  int32_t* out;
  // The sparse product.
  const double* offsets;
  const int32_t* targets;
  const float* weights;
  float* sums;
  int64_t vertices;
};

/** The heap only grows; the host resets it between searches. Set by the host's instance alone. */
static uint32_t heap = 0;

static void* grab(int64_t bytes) {
  if (heap == 0) heap = (uint32_t)(uintptr_t)&__heap_base;
  const uint64_t at = ((uint64_t)heap + 63) & ~(uint64_t)63;
  const uint64_t end = at + (uint64_t)bytes;
  if (end >= 0xffff0000ull) return nullptr;
  const uint64_t pages = (end + 65535) >> 16, have = __builtin_wasm_memory_size(0);
  if (pages > have && __builtin_wasm_memory_grow(0, (size_t)(pages - have)) == (size_t)-1) return nullptr;
  heap = (uint32_t)end;
  return (void*)(uintptr_t)at;
}

static int64_t roundUp(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

template <class T>
static bool room(T*& at, int64_t count) {
  at = (T*)grab(count * (int64_t)sizeof(T) + 64);
  return at != nullptr;
}

static void zero(void* at, int64_t bytes) { __builtin_memset(at, 0, (size_t)bytes); }

static bool roomForPanels(Search& s) {
  return room(s.panels, s.slots * s.words) && room(s.valid, s.slots / PANEL) && room(s.scale, s.slots) && room(s.moved, s.slots) && room(s.reach, s.slots) &&
         room(s.offset, s.slots);
}

static bool roomForThreads(Work& w, int64_t rows) {
  if (!room(w.scratch, w.threads)) return false;
  const Search& s = w.search;
  for (int t = 0; t < w.threads; t++) {
    Scratch& one = w.scratch[t];
    if (!room(one.left, rows * s.words) || !room(one.leftScale, rows) || !room(one.leftReach, rows) || !room(one.leftOffset, rows)) return false;
    if (!room(one.scores, s.capacity + 64) || !room(one.keys, 2 * (int64_t)s.capacity) || !room(one.postponed, 64)) return false;
  }
  return true;
}

}  // namespace tributary

using namespace tributary;

extern "C" {

EXPORT("mark") uint32_t mark() { return heap; }
EXPORT("reset") void reset(uint32_t to) { heap = to; }
EXPORT("allocate") void* allocate(double bytes) { return grab((int64_t)bytes); }

/** x may be 0: then memory is made for it. Returns 0 when memory is out. */
EXPORT("open") Work* openWork(double rows, int32_t cols, float* x, int32_t threads) {
  Work* w;
  if (!room(w, 1)) return nullptr;
  zero(w, sizeof(Work));
  Search& s = w->search;
  s.engine = &WASM;
  s.rows = (int64_t)rows;
  s.cols = cols;
  s.words = (cols + 1) / 2;
  s.cancelled = &w->cancelled;
  s.badRow = s.rows;
  w->threads = threads;
  if (x) s.x = x;
  else if (!room(*(float**)&s.x, s.rows * cols)) return nullptr;
  s.unit = (float*)s.x;
  return w;
}

EXPORT("rows") const float* rowsOf(Work* w) { return w->search.x; }
EXPORT("badRow") double badRowOf(Work* w) { return w->search.badRow < w->search.rows ? (double)w->search.badRow : -1; }
EXPORT("cancelFlag") int32_t* cancelFlag(Work* w) { return &w->cancelled; }
EXPORT("done") double doneOf(Work* w) { return (double)__atomic_load_n(&w->search.done, __ATOMIC_RELAXED); }
EXPORT("total") double totalOf(Work* w) { return (double)w->search.total; }
EXPORT("ids") int32_t* idsOf(Work* w) { return w->search.ids; }
EXPORT("similarities") float* similaritiesOf(Work* w) { return w->search.similarities; }
EXPORT("keptNeighbours") int32_t keptNeighbours(Work* w) { return w->search.k; }

/** Memory for scaled rows, if any row needs it. 0: none needed, 1: scale them, -1: out of memory. */
EXPORT("needsScaling") int32_t needsScaling(Work* w) {
  Search& s = w->search;
  if (!s.anyScaled) return 0;
  return room(s.unit, s.rows * s.cols) ? 1 : -1;
}

/**
 * Lays out slots, blocks, lists and output. Pointers may be 0. With `searched` above 0 only the first so many cells have
 * lists, in the order of `order`. Returns 0 when memory is out.
 */
EXPORT("layOut") int32_t layOut(Work* w, int32_t k, const int32_t* queries, double queryCount, const int32_t* order,
                                const double* cellStart, int32_t cells, const double* meetStart, const int32_t* meets,
                                int32_t searched) {
  Search& s = w->search;
  s.k = k;
  s.symmetric = queries == nullptr;
  s.querySlots = queries;
  int32_t* starts;
  int32_t* slotRow;
  int32_t* rowSlot = nullptr;
  if (order) {
    if (!room(starts, cells + 1)) return 0;
    starts[0] = 0;
    s.blockSlots = 0;
    for (int32_t c = 0; c < cells; c++) {
      const int64_t size = roundUp((int64_t)(cellStart[c + 1] - cellStart[c]), PANEL);
      s.blockSlots = size > s.blockSlots ? (int32_t)size : s.blockSlots;
      starts[c + 1] = (int32_t)(starts[c] + size);
    }
    s.blocks = cells;
    s.slots = starts[cells];
  } else {
    s.slots = roundUp(s.rows, PANEL);
    s.blockSlots = 960;
    while (s.blockSlots > 96 && least(s.slots, queries ? (int64_t)queryCount : s.slots) / s.blockSlots < 4 * w->threads) s.blockSlots -= 96;
    s.blocks = (int32_t)((s.slots + s.blockSlots - 1) / s.blockSlots);
    if (!room(starts, s.blocks + 1)) return 0;
    for (int32_t b = 0; b <= s.blocks; b++) starts[b] = (int32_t)least((int64_t)b * s.blockSlots, s.slots);
  }
  s.blockStart = starts;
  s.listedBlocks = searched > 0 ? searched : s.blocks;
  s.meetStart = meetStart;
  s.meets = meets;
  const int64_t outputs = queries ? (int64_t)queryCount : searched > 0 ? (int64_t)cellStart[searched] : s.rows;
  if (!room(slotRow, s.slots) || (order && !room(rowSlot, outputs))) return 0;
  for (int64_t i = 0; i < s.slots; i++) slotRow[i] = order || i >= s.rows ? -1 : (int32_t)i;
  if (order) {
    for (int32_t c = 0; c < cells; c++) {
      const int64_t first = (int64_t)cellStart[c], last = (int64_t)cellStart[c + 1];
      for (int64_t i = first; i < last; i++) {
        slotRow[starts[c] + i - first] = order[i];
        if (c < s.listedBlocks) rowSlot[searched > 0 ? i : order[i]] = (int32_t)(starts[c] + i - first);
      }
    }
    s.outputQuery = rowSlot;
    if (searched == 0) s.finishOrder = order;
  }
  s.slotRow = slotRow;
  s.queries = queries ? (int64_t)queryCount : s.blockStart[s.listedBlocks];
  s.capacity = (int32_t)least(roundUp(2 * (int64_t)k + 64, 32), s.slots + 1);
  if (s.capacity <= s.k) s.k = s.capacity - 1;
  if (!roomForPanels(s) || !room(s.locks, s.blocks) || !room(s.candidates, s.queries * s.capacity) || !room(s.bars, s.queries) ||
      !room(s.margins, s.queries) || !room(s.counts, s.queries) || !room(s.exact, s.queries) || !room(s.ids, outputs * s.k) ||
      !room(s.similarities, outputs * s.k) || !roomForThreads(*w, s.blockSlots + 64)) {
    return 0;
  }
  zero(s.locks, s.blocks * 4);
  w->count = outputs;
  s.total = sweepSteps(s);
  return 1;
}

/** Lays out the assignment of listed rows (all of them if list is 0) to centres. */
EXPORT("layOutCentres") int32_t layOutCentres(Work* w, const float* centres, int32_t centreCount, const int32_t* list, double count) {
  Search& s = w->search;
  Search& c = w->centres;
  c.engine = s.engine;
  c.cols = s.cols;
  c.words = s.words;
  c.cancelled = s.cancelled;
  c.rows = centreCount;
  c.unit = (float*)centres;
  c.slots = roundUp(centreCount, PANEL);
  int32_t* slotRow;
  if (!room(slotRow, c.slots) || !roomForPanels(c)) return 0;
  for (int64_t i = 0; i < c.slots; i++) slotRow[i] = i < centreCount ? (int32_t)i : -1;
  c.slotRow = slotRow;
  w->list = list;
  w->count = (int64_t)count;
  s.total = w->count;
  s.capacity = 1;
  return room(w->out, w->count) && roomForThreads(*w, s.engine->tileRows * 10) ? 1 : 0;
}
EXPORT("assigned") int32_t* assigned(Work* w) { return w->out; }

EXPORT("layOutSums") float* layOutSums(Work* w, double vertices, const double* offsets, const int32_t* targets, const float* weights) {
  w->vertices = (int64_t)vertices;
  w->offsets = offsets;
  w->targets = targets;
  w->weights = weights;
  w->search.total = w->vertices;
  return room(w->sums, w->vertices * w->search.cols) ? w->sums : nullptr;
}

/** Before each phase, by the host. */
EXPORT("rewind") void rewindCounters(Work* w) {
  w->search.next = 0;
  w->search.done = 0;
  w->centres.next = 0;
}

static void sum(Work* w) {
  Search& s = w->search;
  const int64_t step = 256;
  for (;;) {
    const int64_t begin = take(&s.next, step);
    if (begin >= w->vertices || cancelled(s)) return;
    const int64_t end = least(begin + step, w->vertices);
    for (int64_t v = begin; v < end; v++) {
      float* out = w->sums + v * s.cols;
      for (int c = 0; c < s.cols; c++) out[c] = 0;
      for (int64_t e = (int64_t)w->offsets[v]; e < (int64_t)w->offsets[v + 1]; e++) {
        const float weight = w->weights[e];
        const float* from = s.x + (int64_t)w->targets[e] * s.cols;
        for (int c = 0; c < s.cols; c++) out[c] += weight * from[c];
      }
    }
    take(&s.done, end - begin);
  }
}

EXPORT("phase") void runPhase(Work* w, int32_t phase, int32_t thread) {
  Search& s = w->search;
  switch (phase) {
    case 0: return norms(s);
    case 1: return scaleRows(s);
    case 2: return pack(s);
    case 3: return openLists(s);
    case 4: return sweep(s, w->scratch[thread]);
    case 5: return finish(s, w->count, w->scratch[thread]);
    case 6: return pack(w->centres);
    case 7: return assign(s, w->centres, w->list, w->count, w->out, w->scratch[thread]);
    case 8: return sum(w);
  }
}

}  // extern "C"
