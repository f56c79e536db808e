// The native kernels as a Node addon on the C interface, which is the same for every Node version.
#include <node_api.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "engines.hpp"
#include "gemm.hpp"

namespace tributary {
void pause() { std::this_thread::yield(); }
}  // namespace tributary

namespace {
using namespace tributary;

const Engine* engines[16];
int engineCount = 0;

// ---- memory --------------------------------------------------------------------------------------------------------

/** Zeroed, aligned, given back when it goes out of scope; huge pages where the system offers them. */
template <class T>
struct Room {
  T* at = nullptr;
  size_t bytes = 0;
  explicit Room(int64_t count = 0) {
    if (count <= 0) return;
    bytes = ((size_t)count * sizeof(T) + 4095) & ~(size_t)4095;
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    if (bytes >= 1 << 22) madvise(p, bytes, MADV_HUGEPAGE);
#endif
    at = (T*)p;
  }
  Room(const Room&) = delete;
  Room& operator=(Room&& other) {
    std::swap(at, other.at);
    std::swap(bytes, other.bytes);
    return *this;
  }
  ~Room() {
    if (at) munmap(at, bytes);
  }
};

/** Float32 rows in memory that JavaScript owns, or a file mapped into memory. */
struct Rows {
  const float* at = nullptr;
  void* mapped = nullptr;
  size_t mappedBytes = 0;
  ~Rows() {
    if (mapped) munmap(mapped, mappedBytes);
  }
  void map(const std::string& file, int64_t offset, int64_t bytes) {
    const int fd = open(file.c_str(), O_RDONLY);
    if (fd < 0) throw std::string("cannot open ") + file;
    struct stat info;
    if (fstat(fd, &info) != 0 || info.st_size < offset + bytes) {
      close(fd);
      throw std::string(file) + " must hold " + std::to_string(offset + bytes) + " bytes: got " + std::to_string(info.st_size);
    }
    mappedBytes = (size_t)(offset + bytes);
    mapped = mmap(nullptr, mappedBytes, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED) {
      mapped = nullptr;
      throw std::string("cannot map ") + file;
    }
    at = (const float*)((const char*)mapped + offset);
  }
};

// ---- threads -------------------------------------------------------------------------------------------------------

/** Runs `body(thread)` on `threads` threads, this one included. */
void onThreads(int threads, const std::function<void(int)>& body) {
  std::vector<std::thread> others;
  for (int t = 1; t < threads; t++) others.emplace_back(body, t);
  body(0);
  for (auto& other : others) other.join();
}

/** Threads that wait for short work; products of a training step are too short to start threads for. */
class Pool {
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::condition_variable wake, idle;
  const std::function<void(int)>* body = nullptr;
  uint64_t round = 0;
  int wanted = 0, running = 0;
  bool stopping = false;

  void serve(int index) {
    uint64_t seen = 0;
    for (;;) {
      const std::function<void(int)>* work;
      {
        std::unique_lock<std::mutex> hold(mutex);
        wake.wait(hold, [&] { return stopping || (round != seen && index < wanted); });
        if (stopping) return;
        seen = round;
        work = body;
      }
      (*work)(index);
      std::lock_guard<std::mutex> hold(mutex);
      if (--running == 0) idle.notify_one();
    }
  }

 public:
  ~Pool() {
    {
      std::lock_guard<std::mutex> hold(mutex);
      stopping = true;
    }
    wake.notify_all();
    for (auto& thread : threads) thread.join();
  }
  void run(int count, const std::function<void(int)>& work) {
    while ((int)threads.size() < count - 1) threads.emplace_back(&Pool::serve, this, (int)threads.size() + 1);
    {
      std::lock_guard<std::mutex> hold(mutex);
      body = &work;
      wanted = count;
      running = count - 1;
      round++;
    }
    wake.notify_all();
    work(0);
    std::unique_lock<std::mutex> hold(mutex);
    idle.wait(hold, [&] { return running == 0; });
    wanted = 0;
  }
};

// ---- jobs ----------------------------------------------------------------------------------------------------------

/** A computation under way: shared by the threads that do it and the JavaScript that watches it. */
struct Job {
  int32_t cancelled = 0;
  volatile int64_t* done = nullptr;
  volatile int64_t* total = nullptr;
  /** The part of the whole that the steps are counted for. */
  double from = 0, to = 1;
  bool isOver = false;
  int64_t noneDone = 0;
  std::string failure;
  int64_t badRow = -1;

  std::function<void(Job&)> work;
  Rows rows;
  napi_async_work handle = nullptr;
  napi_deferred deferred = nullptr;
  std::vector<napi_ref> kept;
  std::atomic<int> owners{2};
  std::mutex watch;
};

void release(Job* job) {
  if (job->owners.fetch_sub(1) == 1) delete job;
}

struct KnnRequest {
  int64_t rows = 0;
  int32_t cols = 0, k = 0, threads = 1;
  const Engine* engine = nullptr;
  const int32_t* queries = nullptr;
  int64_t queryCount = 0;
  /** Cells: rows in order of cells, how many in each, and which cells meet. */
  const int32_t* order = nullptr;
  const double* cellStart = nullptr;
  int32_t cells = 0;
  const double* meetStart = nullptr;
  const int32_t* meets = nullptr;
  /** Above 0: only the first so many cells are searched, and their lists come in the order of `order`. */
  int32_t searched = 0;
  /** The caller knows that every row is of unit length. */
  bool isUnit = false;
  int32_t* ids = nullptr;
  float* similarities = nullptr;
};

int64_t roundUp(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/** Runs one phase on all threads, counting from 0. */
void phase(Search& s, int threads, const std::function<void(int)>& body) {
  s.next = 0;
  onThreads(threads, body);
}

/** Unit rows and panels; false if a row has no direction or the job was cancelled. */
bool prepare(Job& job, Search& s, int threads, Room<float>& unit) {
  s.badRow = s.rows;
  phase(s, threads, [&](int) { norms(s); });
  if (s.badRow < s.rows) {
    job.badRow = s.badRow;
    return false;
  }
  s.unit = (float*)s.x;
  if (s.anyScaled) {
    unit = Room<float>(s.rows * s.cols);
    s.unit = unit.at;
    phase(s, threads, [&](int) { scaleRows(s); });
  }
  return !job.cancelled;
}

struct Scratches {
  std::vector<std::unique_ptr<Room<uint32_t>>> left;
  std::vector<std::unique_ptr<Room<uint64_t>>> keys;
  std::vector<std::unique_ptr<Room<float>>> scores;
  std::vector<Scratch> of;
  Scratches(const Search& s, int threads) {
    const int64_t rows = s.blockSlots + 64;
    for (int t = 0; t < threads; t++) {
      left.emplace_back(new Room<uint32_t>(rows * (s.words + 3)));
      keys.emplace_back(new Room<uint64_t>(2 * (int64_t)s.capacity));
      scores.emplace_back(new Room<float>(s.capacity + 64));
      Scratch one;
      one.scores = scores.back()->at;
      one.left = left.back()->at;
      one.leftScale = (float*)(one.left + rows * s.words);
      one.leftOffset = (int32_t*)(one.leftScale + rows);
      one.leftReach = one.leftScale + 2 * rows;
      one.keys = keys.back()->at;
      one.postponed = new int32_t[64];
      of.push_back(one);
    }
  }
  ~Scratches() {
    for (auto& one : of) delete[] one.postponed;
  }
};

/** Products take about two thirds of an exact search, finishing the rest. */
const double SWEEP_SHARE = 0.7;

void setTotal(Job& job, Search& s, int64_t total, double from = 0, double to = 1) {
  std::lock_guard<std::mutex> hold(job.watch);
  job.from = from;
  job.to = to;
  s.done = 0;
  s.total = total;
  job.done = &s.done;
  job.total = &s.total;
}

void stopWatching(Job& job) {
  std::lock_guard<std::mutex> hold(job.watch);
  job.done = job.total = nullptr;
  job.isOver = true;
}

/** Counters live in searches: nobody may look at them once these are gone. */
struct Watched {
  Job& job;
  ~Watched() { stopWatching(job); }
};

void searchNeighbours(Job& job, const KnnRequest& r) {
  Search s;
  Watched watched{job};
  memset((void*)&s, 0, sizeof s);
  s.engine = r.engine;
  s.x = job.rows.at;
  s.rows = r.rows;
  s.cols = r.cols;
  s.k = r.k;
  s.words = (int32_t)roundUp((r.cols + s.engine->perWord - 1) / s.engine->perWord, s.engine->wordStep);
  s.cancelled = &job.cancelled;

  Room<float> unit;
  if (r.isUnit) s.unit = (float*)s.x;
  else if (!prepare(job, s, r.threads, unit)) return;

  // Slots and blocks.
  std::vector<int32_t> blockStart{0};
  const bool inCells = r.order != nullptr;
  if (inCells) {
    s.blockSlots = 0;
    for (int32_t c = 0; c < r.cells; c++) {
      const int64_t size = roundUp((int64_t)(r.cellStart[c + 1] - r.cellStart[c]), PANEL);
      s.blockSlots = size > s.blockSlots ? (int32_t)size : s.blockSlots;
      blockStart.push_back((int32_t)(blockStart.back() + size));
    }
    s.slots = blockStart.back();
  } else {
    s.slots = roundUp(r.rows, PANEL);
    // 960 is a multiple of every engine's tile; fewer when that leaves threads without work.
    s.blockSlots = 960;
    while (s.blockSlots > 96 && s.slots / s.blockSlots < 4 * r.threads) s.blockSlots /= 2, s.blockSlots = (int32_t)roundUp(s.blockSlots, 96);
    for (int64_t at = s.blockSlots; at < s.slots; at += s.blockSlots) blockStart.push_back((int32_t)at);
    if (s.slots > 0) blockStart.push_back((int32_t)s.slots);
  }
  s.blocks = (int32_t)blockStart.size() - 1;
  s.listedBlocks = r.searched > 0 ? r.searched : s.blocks;
  s.blockStart = blockStart.data();
  s.meetStart = r.meetStart;
  s.meets = r.meets;

  const int64_t outputs = r.queries ? r.queryCount : r.searched > 0 ? (int64_t)r.cellStart[r.searched] : r.rows;
  Room<int32_t> slotRow(s.slots);
  Room<int32_t> rowSlot(inCells ? outputs : 0);
  for (int64_t i = 0; i < s.slots; i++) slotRow.at[i] = inCells || i >= r.rows ? -1 : (int32_t)i;
  if (inCells) {
    for (int32_t c = 0; c < r.cells; c++) {
      const int64_t first = (int64_t)r.cellStart[c], last = (int64_t)r.cellStart[c + 1];
      for (int64_t i = first; i < last; i++) {
        const int32_t slot = (int32_t)(blockStart[c] + i - first);
        slotRow.at[slot] = r.order[i];
        if (c < s.listedBlocks) rowSlot.at[r.searched > 0 ? i : r.order[i]] = slot;
      }
    }
    s.outputQuery = rowSlot.at;
  }
  s.slotRow = slotRow.at;
  s.symmetric = r.queries == nullptr;
  s.querySlots = r.queries;
  s.queries = s.symmetric ? blockStart[(size_t)s.listedBlocks] : r.queryCount;
  if (!s.symmetric) {
    // Enough steps for every thread.
    while (s.blockSlots > 96 && s.queries / s.blockSlots < 2 * r.threads) s.blockSlots -= 96;
    blockStart.assign(1, 0);
    for (int64_t at = s.blockSlots; at < s.slots; at += s.blockSlots) blockStart.push_back((int32_t)at);
    if (s.slots > 0) blockStart.push_back((int32_t)s.slots);
    s.blocks = (int32_t)blockStart.size() - 1;
    s.blockStart = blockStart.data();
  }

  Room<uint32_t> panels(s.slots * s.words), valid(s.slots / PANEL);
  Room<float> scale(s.slots), moved(s.slots), reach(s.slots);
  Room<int32_t> offset(s.slots), locks(s.blocks);
  s.panels = panels.at;
  s.valid = valid.at;
  s.scale = scale.at;
  s.offset = offset.at;
  s.moved = moved.at;
  s.reach = reach.at;
  s.locks = locks.at;
  phase(s, r.threads, [&](int) { pack(s); });

  // A list holds at most all rows. Coarse arithmetic leaves more candidates within the margin.
  const int64_t most = s.slots + 1;
  // Short lists cost time, long ones memory.
  int64_t room = 2 * (int64_t)r.k + 32;
  if (s.queries * room * (int64_t)sizeof(Candidate) > (int64_t)4 << 30) room = r.k * 3 / 2;
  int64_t capacity = roundUp(room + 8, 32);
  if (capacity > most) capacity = most;
  const int64_t lists = s.queries;
  s.capacity = (int32_t)capacity;
  if (s.capacity <= s.k) s.k = s.capacity - 1;
  Room<Candidate> candidates(lists * s.capacity);
  Room<float> bars(lists), margins(lists);
  Room<int32_t> counts(lists), exact(lists);
  s.candidates = candidates.at;
  s.bars = bars.at;
  s.margins = margins.at;
  s.counts = counts.at;
  s.exact = exact.at;
  phase(s, r.threads, [&](int) { openLists(s); });

  Scratches scratches(s, r.threads);
  setTotal(job, s, sweepSteps(s), 0, SWEEP_SHARE);
  phase(s, r.threads, [&](int t) { sweep(s, scratches.of[t]); });
  if (job.cancelled) return;
  setTotal(job, s, outputs, SWEEP_SHARE, 1);

  // Like rows one after the other: those of a cell, or those with like candidates. Given queries are mostly few.
  Room<int32_t> order(s.symmetric && !inCells ? outputs : 0);
  if (order.at) {
    Room<uint64_t> keys(outputs);
    phase(s, r.threads, [&](int) { sketch(s, outputs, keys.at); });
    if (job.cancelled) return;
    orderBySketch(keys.at, outputs, order.at);
    s.finishOrder = order.at;
  } else if (inCells && r.searched == 0) {
    s.finishOrder = r.order;
  }

  s.ids = r.ids;
  s.similarities = r.similarities;
  if (s.k < r.k) {
    // More neighbours were asked for than there are rows: the slots that stay empty are filled here.
    Room<int32_t> ids(outputs * s.k);
    Room<float> similarities(outputs * s.k);
    s.ids = ids.at;
    s.similarities = similarities.at;
    phase(s, r.threads, [&](int t) { finish(s, outputs, scratches.of[t]); });
    for (int64_t o = 0; o < outputs; o++) {
      for (int32_t i = 0; i < r.k; i++) {
        r.ids[o * r.k + i] = i < s.k ? ids.at[o * s.k + i] : -1;
        r.similarities[o * r.k + i] = i < s.k ? similarities.at[o * s.k + i] : 0;
      }
    }
    return;
  }
  phase(s, r.threads, [&](int t) { finish(s, outputs, scratches.of[t]); });
}

/** Whether rows have a direction, and whether all are of unit length: `out` 1 or 0. */
void measureNorms(Job& job, int64_t rows, int32_t cols, int threads, const Engine* engine, int32_t* out) {
  Search s;
  memset((void*)&s, 0, sizeof s);
  s.engine = engine;
  s.x = job.rows.at;
  s.rows = rows;
  s.cols = cols;
  s.badRow = rows;
  s.cancelled = &job.cancelled;
  phase(s, threads, [&](int) { norms(s); });
  if (s.badRow < rows) job.badRow = s.badRow;
  *out = s.anyScaled ? 0 : 1;
}

struct AssignRequest {
  int64_t rows = 0;
  int32_t cols = 0, threads = 1;
  const Engine* engine = nullptr;
  const float* centres = nullptr;
  int32_t centreCount = 0;
  const int32_t* list = nullptr;
  int64_t count = 0;
  int32_t* out = nullptr;
};

void assignRows(Job& job, const AssignRequest& r) {
  Search s, c;
  memset((void*)&s, 0, sizeof s);
  memset((void*)&c, 0, sizeof c);
  s.engine = c.engine = r.engine;
  s.cols = c.cols = r.cols;
  s.cancelled = c.cancelled = &job.cancelled;
  s.words = c.words = (int32_t)roundUp((r.cols + s.engine->perWord - 1) / s.engine->perWord, s.engine->wordStep);
  // Direction decides, so neither side needs unit length here, only a scale: rows are rounded as they are.
  s.unit = (float*)job.rows.at;
  s.rows = r.rows;
  c.rows = r.centreCount;
  c.unit = (float*)r.centres;
  c.slots = roundUp(r.centreCount, PANEL);
  std::vector<int32_t> slotRow((size_t)c.slots);
  for (int64_t i = 0; i < c.slots; i++) slotRow[(size_t)i] = i < r.centreCount ? (int32_t)i : -1;
  c.slotRow = slotRow.data();
  Room<uint32_t> panels(c.slots * c.words), valid(c.slots / PANEL);
  Room<float> scale(c.slots), moved(c.slots), reach(c.slots);
  Room<int32_t> offset(c.slots);
  c.panels = panels.at;
  c.valid = valid.at;
  c.scale = scale.at;
  c.moved = moved.at;
  c.reach = reach.at;
  c.offset = offset.at;
  phase(c, r.threads, [&](int) { pack(c); });
  s.blockSlots = s.engine->tileRows * 10;
  s.capacity = 1;
  Scratches scratches(s, r.threads);
  setTotal(job, s, r.count);
  phase(s, r.threads, [&](int t) { assign(s, c, r.list, r.count, r.out, scratches.of[t]); });
  stopWatching(job);
}

struct AggregateRequest {
  const float* x = nullptr;
  int32_t cols = 0, threads = 1;
  int64_t n = 0;
  const double* offsets = nullptr;
  const int32_t* targets = nullptr;
  const float* weights = nullptr;
  float* out = nullptr;
};

void aggregateRows(const AggregateRequest& r, int64_t begin, int64_t end) {
  for (int64_t v = begin; v < end; v++) {
    float* out = r.out + v * r.cols;
    const int64_t first = (int64_t)r.offsets[v], last = (int64_t)r.offsets[v + 1];
    for (int64_t e = first; e < last; e++) {
      if (e + 4 < last) {
        const char* ahead = (const char*)(r.x + (int64_t)r.targets[e + 4] * r.cols);
        for (int at = 0; at < r.cols * 4 && at < 1024; at += 64) __builtin_prefetch(ahead + at);
      }
      const float weight = r.weights[e];
      const float* from = r.x + (int64_t)r.targets[e] * r.cols;
      for (int c = 0; c < r.cols; c++) out[c] += weight * from[c];
    }
  }
}

#if TRIBUTARY_X86
TARGET("avx2,fma") void aggregateRowsAvx2(const AggregateRequest& r, int64_t begin, int64_t end) {
  for (int64_t v = begin; v < end; v++) {
    const int64_t first = (int64_t)r.offsets[v], last = (int64_t)r.offsets[v + 1];
    // 64 columns at a time stay in registers while the edges go by.
    for (int c0 = 0; c0 < r.cols; c0 += 64) {
      const int width = r.cols - c0 < 64 ? r.cols - c0 : 64;
      float* out = r.out + v * r.cols + c0;
      if (width == 64) {
        __m256 sum[8];
        for (int i = 0; i < 8; i++) sum[i] = _mm256_setzero_ps();
        for (int64_t e = first; e < last; e++) {
          if (e + 6 < last) {
            const char* ahead = (const char*)(r.x + (int64_t)r.targets[e + 6] * r.cols + c0);
            for (int at = 0; at < 256; at += 64) __builtin_prefetch(ahead + at);
          }
          const __m256 weight = _mm256_set1_ps(r.weights[e]);
          const float* from = r.x + (int64_t)r.targets[e] * r.cols + c0;
#pragma GCC unroll 8
          for (int i = 0; i < 8; i++) sum[i] = _mm256_fmadd_ps(weight, _mm256_loadu_ps(from + i * 8), sum[i]);
        }
        for (int i = 0; i < 8; i++) _mm256_storeu_ps(out + i * 8, sum[i]);
      } else {
        for (int64_t e = first; e < last; e++) {
          const float weight = r.weights[e];
          const float* from = r.x + (int64_t)r.targets[e] * r.cols + c0;
          for (int c = 0; c < width; c++) out[c] += weight * from[c];
        }
      }
    }
  }
}
#endif

bool hasAvx2() {
  for (int i = 0; i < engineCount; i++) {
    if (!strcmp(engines[i]->name, "avx2-f32")) return true;
  }
  return false;
}

void aggregateAll(Job& job, const AggregateRequest& r) {
  Search counters;
  memset((void*)&counters, 0, sizeof counters);
  setTotal(job, counters, r.n);
  const bool fast = hasAvx2();
  (void)fast;
  onThreads(r.threads, [&](int) {
    const int64_t step = 256;
    for (;;) {
      const int64_t begin = take(&counters.next, step);
      if (begin >= r.n || job.cancelled) return;
      const int64_t end = least(begin + step, r.n);
#if TRIBUTARY_X86
      if (fast) aggregateRowsAvx2(r, begin, end);
      else
#endif
        aggregateRows(r, begin, end);
      take(&counters.done, end - begin);
    }
  });
  stopWatching(job);
}

// ---- JavaScript ----------------------------------------------------------------------------------------------------

[[noreturn]] void refuse(const char* what) { throw std::string(what); }

napi_value property(napi_env env, napi_value object, const char* name) {
  napi_value value;
  if (napi_get_named_property(env, object, name, &value) != napi_ok) refuse(name);
  return value;
}

bool present(napi_env env, napi_value object, const char* name) {
  napi_valuetype type;
  napi_typeof(env, property(env, object, name), &type);
  return type != napi_undefined && type != napi_null;
}

int64_t integer(napi_env env, napi_value object, const char* name) {
  int64_t value;
  if (napi_get_value_int64(env, property(env, object, name), &value) != napi_ok) refuse(name);
  return value;
}

std::string text(napi_env env, napi_value object, const char* name) {
  size_t length;
  napi_value value = property(env, object, name);
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) refuse(name);
  std::string out(length, 0);
  napi_get_value_string_utf8(env, value, &out[0], length + 1, &length);
  return out;
}

/** The memory of a typed array; with a job, the array is kept alive until the job ends. */
template <class T>
T* array(napi_env env, napi_value object, const char* name, napi_typedarray_type expected, size_t* length = nullptr, Job* job = nullptr) {
  napi_value value = property(env, object, name);
  napi_typedarray_type type;
  size_t count;
  void* data;
  if (napi_get_typedarray_info(env, value, &type, &count, &data, nullptr, nullptr) != napi_ok || type != expected) refuse(name);
  if (length) *length = count;
  if (job) {
    napi_ref ref;
    napi_create_reference(env, value, 1, &ref);
    job->kept.push_back(ref);
  }
  return (T*)data;
}

const Engine* engineNamed(const std::string& name) {
  for (int i = 0; i < engineCount; i++) {
    if (name == engines[i]->name) return engines[i];
  }
  refuse("engine");
}

void readRows(napi_env env, napi_value options, Job* job, int64_t rows, int64_t cols) {
  if (present(env, options, "file")) {
    job->rows.map(text(env, options, "file"), integer(env, options, "offsetBytes"), rows * cols * 4);
  } else {
    size_t length;
    job->rows.at = array<float>(env, options, "x", napi_float32_array, &length, job);
    if ((int64_t)length < rows * cols) refuse("x");
  }
}

void execute(napi_env, void* data) {
  Job* job = (Job*)data;
  try {
    job->work(*job);
  } catch (const std::bad_alloc&) {
    job->failure = "out of memory";
  } catch (const std::string& failure) {
    job->failure = failure;
  } catch (const std::exception& failure) {
    job->failure = failure.what();
  }
}

/** Resolves to null, or to the number of a bad row; rejects with a message, `ABORTED` after a cancel. */
void complete(napi_env env, napi_status, void* data) {
  Job* job = (Job*)data;
  for (napi_ref ref : job->kept) napi_delete_reference(env, ref);
  napi_delete_async_work(env, job->handle);
  napi_value value, message;
  if (job->cancelled || !job->failure.empty()) {
    napi_create_string_utf8(env, job->cancelled ? "ABORTED" : job->failure.c_str(), NAPI_AUTO_LENGTH, &message);
    napi_create_error(env, nullptr, message, &value);
    napi_reject_deferred(env, job->deferred, value);
  } else {
    if (job->badRow >= 0) napi_create_double(env, (double)job->badRow, &value);
    else napi_get_null(env, &value);
    napi_resolve_deferred(env, job->deferred, value);
  }
  release(job);
}

napi_value start(napi_env env, std::unique_ptr<Job> job) {
  napi_value result, promise, handle, name;
  napi_create_object(env, &result);
  napi_create_promise(env, &job->deferred, &promise);
  napi_create_external(env, job.get(), [](napi_env, void* data, void*) { release((Job*)data); }, nullptr, &handle);
  napi_set_named_property(env, result, "promise", promise);
  napi_set_named_property(env, result, "job", handle);
  napi_create_string_utf8(env, "tributary", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, nullptr, name, execute, complete, job.get(), &job->handle);
  napi_queue_async_work(env, job.release()->handle);
  return result;
}

/** Calls `body(options)`, turning C++ exceptions into JavaScript ones. */
template <class Body>
napi_value guarded(napi_env env, napi_callback_info info, Body body) {
  size_t count = 1;
  napi_value argument;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  try {
    return body(argument);
  } catch (const std::string& what) {
    napi_throw_type_error(env, nullptr, ("native kernels refuse: " + what).c_str());
  } catch (const std::bad_alloc&) {
    napi_throw_error(env, nullptr, "native kernels: out of memory");
  }
  return nullptr;
}

napi_value knnCall(napi_env env, napi_callback_info info) {
  return guarded(env, info, [&](napi_value options) {
    std::unique_ptr<Job> job(new Job);
    KnnRequest r;
    r.rows = integer(env, options, "rows");
    r.cols = (int32_t)integer(env, options, "cols");
    r.k = (int32_t)integer(env, options, "k");
    r.threads = (int32_t)integer(env, options, "threads");
    r.engine = engineNamed(text(env, options, "engine"));
    readRows(env, options, job.get(), r.rows, r.cols);
    size_t length;
    int64_t outputs = r.rows;
    if (present(env, options, "queries")) {
      r.queries = array<int32_t>(env, options, "queries", napi_int32_array, &length, job.get());
      outputs = r.queryCount = (int64_t)length;
    }
    if (present(env, options, "order")) {
      r.order = array<int32_t>(env, options, "order", napi_int32_array, &length, job.get());
      r.cellStart = array<double>(env, options, "cellStart", napi_float64_array, &length, job.get());
      r.cells = (int32_t)length - 1;
      r.meetStart = array<double>(env, options, "meetStart", napi_float64_array, &length, job.get());
      r.meets = array<int32_t>(env, options, "meets", napi_int32_array, &length, job.get());
      if (present(env, options, "searched")) {
        r.searched = (int32_t)integer(env, options, "searched");
        if (r.searched < 1 || r.searched > r.cells) refuse("searched");
        outputs = (int64_t)r.cellStart[r.searched];
      }
    }
    r.isUnit = present(env, options, "isUnit");
    r.ids = array<int32_t>(env, options, "ids", napi_int32_array, &length, job.get());
    if ((int64_t)length < outputs * r.k) refuse("ids");
    r.similarities = array<float>(env, options, "similarities", napi_float32_array, &length, job.get());
    if ((int64_t)length < outputs * r.k) refuse("similarities");
    job->work = [r](Job& j) { searchNeighbours(j, r); };
    return start(env, std::move(job));
  });
}

napi_value normsCall(napi_env env, napi_callback_info info) {
  return guarded(env, info, [&](napi_value options) {
    std::unique_ptr<Job> job(new Job);
    const int64_t rows = integer(env, options, "rows");
    const int32_t cols = (int32_t)integer(env, options, "cols"), threads = (int32_t)integer(env, options, "threads");
    const Engine* engine = engineNamed(text(env, options, "engine"));
    readRows(env, options, job.get(), rows, cols);
    size_t length;
    int32_t* out = array<int32_t>(env, options, "out", napi_int32_array, &length, job.get());
    if (length < 1) refuse("out");
    job->work = [=](Job& j) { measureNorms(j, rows, cols, threads, engine, out); };
    return start(env, std::move(job));
  });
}

napi_value assignCall(napi_env env, napi_callback_info info) {
  return guarded(env, info, [&](napi_value options) {
    std::unique_ptr<Job> job(new Job);
    AssignRequest r;
    r.rows = integer(env, options, "rows");
    r.cols = (int32_t)integer(env, options, "cols");
    r.threads = (int32_t)integer(env, options, "threads");
    r.engine = engineNamed(text(env, options, "engine"));
    readRows(env, options, job.get(), r.rows, r.cols);
    size_t length;
    r.centres = array<float>(env, options, "centres", napi_float32_array, &length, job.get());
    r.centreCount = (int32_t)((int64_t)length / r.cols);
    r.count = r.rows;
    if (present(env, options, "list")) {
      r.list = array<int32_t>(env, options, "list", napi_int32_array, &length, job.get());
      r.count = (int64_t)length;
    }
    r.out = array<int32_t>(env, options, "out", napi_int32_array, &length, job.get());
    if ((int64_t)length < r.count) refuse("out");
    job->work = [r](Job& j) { assignRows(j, r); };
    return start(env, std::move(job));
  });
}

/** Copies listed rows of a file or an array. */
napi_value gatherCall(napi_env env, napi_callback_info info) {
  return guarded(env, info, [&](napi_value options) -> napi_value {
    Job job;
    const int64_t rows = integer(env, options, "rows"), cols = integer(env, options, "cols");
    readRows(env, options, &job, rows, cols);
    size_t count, length;
    const int32_t* list = array<int32_t>(env, options, "list", napi_int32_array, &count);
    float* out = array<float>(env, options, "out", napi_float32_array, &length);
    for (napi_ref ref : job.kept) napi_delete_reference(env, ref);
    if (length < count * (size_t)cols) refuse("out");
    for (size_t i = 0; i < count; i++) {
      if (list[i] < 0 || list[i] >= rows) refuse("list");
      memcpy(out + i * (size_t)cols, job.rows.at + (int64_t)list[i] * cols, (size_t)cols * 4);
    }
    return nullptr;
  });
}

napi_value aggregateCall(napi_env env, napi_callback_info info) {
  return guarded(env, info, [&](napi_value options) {
    std::unique_ptr<Job> job(new Job);
    AggregateRequest r;
    r.n = integer(env, options, "n");
    r.cols = (int32_t)integer(env, options, "cols");
    r.threads = (int32_t)integer(env, options, "threads");
    const int64_t rows = integer(env, options, "rows");
    readRows(env, options, job.get(), rows, r.cols);
    r.x = job->rows.at;
    r.offsets = array<double>(env, options, "offsets", napi_float64_array, nullptr, job.get());
    r.targets = array<int32_t>(env, options, "targets", napi_int32_array, nullptr, job.get());
    r.weights = array<float>(env, options, "weights", napi_float32_array, nullptr, job.get());
    size_t length;
    r.out = array<float>(env, options, "out", napi_float32_array, &length, job.get());
    if ((int64_t)length < r.n * r.cols) refuse("out");
    job->work = [r](Job& j) { aggregateAll(j, r); };
    return start(env, std::move(job));
  });
}

Job* jobOf(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  void* data = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  napi_get_value_external(env, argument, &data);
  return (Job*)data;
}

napi_value cancelCall(napi_env env, napi_callback_info info) {
  if (Job* job = jobOf(env, info)) __atomic_store_n(&job->cancelled, 1, __ATOMIC_RELAXED);
  return nullptr;
}

/** Share of the steps done, 0 to 1. */
napi_value progressCall(napi_env env, napi_callback_info info) {
  double share = 0;
  if (Job* job = jobOf(env, info)) {
    std::lock_guard<std::mutex> hold(job->watch);
    if (job->isOver) share = 1;
    else if (job->done && *job->total > 0) share = job->from + (job->to - job->from) * (double)*job->done / (double)*job->total;
  }
  napi_value value;
  napi_create_double(env, share, &value);
  return value;
}

/** c = op(a) op(b), at once, on this thread and helpers. */
napi_value gemmCall(napi_env env, napi_callback_info info) {
  return guarded(env, info, [&](napi_value options) -> napi_value {
    Product first;
    size_t lengthA, lengthB, lengthC;
    first.a = array<float>(env, options, "a", napi_float32_array, &lengthA);
    first.b = array<float>(env, options, "b", napi_float32_array, &lengthB);
    first.c = array<float>(env, options, "c", napi_float32_array, &lengthC);
    first.m = integer(env, options, "m");
    first.n = integer(env, options, "n");
    first.k = integer(env, options, "k");
    first.transposeA = integer(env, options, "transposeA") != 0;
    first.transposeB = integer(env, options, "transposeB") != 0;
    const int64_t batch = integer(env, options, "batch"), strideA = integer(env, options, "strideA"),
                  strideB = integer(env, options, "strideB");
    if (batch < 1 || first.m < 0 || first.n < 0 || first.k < 0) refuse("shape");
    if ((int64_t)lengthA < (batch - 1) * strideA + first.m * first.k) refuse("a");
    if ((int64_t)lengthB < (batch - 1) * strideB + first.k * first.n) refuse("b");
    if ((int64_t)lengthC < batch * first.m * first.n) refuse("c");
    if (lengthC == 0) return nullptr;

    static Pool pool;
    static thread_local std::vector<std::unique_ptr<Room<float>>> rooms;
    GemmEngine e{4, tilePlain};
#if TRIBUTARY_X86
    for (int i = engineCount - 1; i >= 0; i--) {
      if (!strcmp(engines[i]->name, "avx2-f32")) e = {6, halvesAvx2<2>};
      if (!strcmp(engines[i]->name, "avx512-f32")) e = {12, tileAvx512};
    }
#endif
    // One thread below about a tenth of a millisecond.
    int threads = (int)integer(env, options, "threads");
    if ((double)batch * first.m * first.n * first.k < 4e6) threads = 1;
    while ((int)rooms.size() < threads) rooms.emplace_back(new Room<float>(GEMM_FLOATS + 4096));

    // A step is a product of the batch, or a band of rows of the only one.
    const int64_t bands = batch >= threads ? 1 : (threads + batch - 1) / batch;
    const int64_t band = roundUp((first.m + bands - 1) / bands, e.tileRows);
    const int64_t perProduct = (first.m + band - 1) / band;
    volatile int64_t next = 0;
    auto& mine = rooms;
    const std::function<void(int)> body = [&](int t) {
      for (;;) {
        const int64_t step = take(&next, 1);
        if (step >= batch * perProduct) return;
        const int64_t item = step / perProduct, begin = step % perProduct * band;
        Product p = first;
        p.a += item * strideA;
        p.b += item * strideB;
        p.c += item * first.m * first.n;
        multiply(e, p, begin, least(begin + band, first.m), mine[(size_t)t]->at);
      }
    };
    static std::mutex single;
    if (threads <= 1) body(0);
    else {
      std::lock_guard<std::mutex> hold(single);
      pool.run(threads, body);
    }
    return nullptr;
  });
}

napi_value initialise(napi_env env, napi_value exports) {
  if (engineCount == 0) engineCount = availableEngines(engines);
  const napi_property_descriptor calls[] = {
      {"knn", nullptr, knnCall, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"norms", nullptr, normsCall, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"assign", nullptr, assignCall, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"gather", nullptr, gatherCall, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"aggregate", nullptr, aggregateCall, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"gemm", nullptr, gemmCall, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"cancel", nullptr, cancelCall, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"progress", nullptr, progressCall, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, sizeof calls / sizeof *calls, calls);
  napi_value names;
  napi_create_array(env, &names);
  for (int i = 0; i < engineCount; i++) {
    napi_value name;
    napi_create_string_utf8(env, engines[i]->name, NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, names, (uint32_t)i, name);
  }
  napi_set_named_property(env, exports, "engines", names);
  return exports;
}

}  // namespace

NAPI_MODULE(tributary, initialise)
